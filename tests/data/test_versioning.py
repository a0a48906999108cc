"""Versioning: real DVC in temporary folders."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components.data import dvc_tracking, versioning
from components.data.versioning import REMOTE, DataStore, Stored
from components.errors import ConfigError, Corrupted, DataRejected, Retryable

REPOSITORY = Path(__file__).parents[2]
STORE = "from pathlib import Path; from components.data.versioning import DataStore; "


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "root"
    (folder / "data" / "batches").mkdir(parents=True)
    return folder


@pytest.fixture
def store(root: Path) -> DataStore:
    prepared = DataStore(root, root / "data" / "remote")
    prepared.prepare()
    return prepared


def put(store: DataStore, name: str, text: str = "row\n") -> Path:
    path = store.root / "data" / "batches" / name
    path.write_text(text)
    return path


def keep(store: DataStore, name: str, text: str = "row\n") -> Stored:
    return again(store, put(store, name, text))


def again(store: DataStore, path: str | Path) -> Stored:
    (stored,) = store.keep([path])
    return stored


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def dvc(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "DVC_SITE_CACHE_DIR": str(root.parent / "site")}
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root, env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def cached(store: DataStore, stored: Stored) -> Path:
    return store.root / ".dvc/cache/files/md5" / stored.md5[:2] / stored.md5[2:]


def test_a_file_is_stored_under_its_md5_and_pushed(store: DataStore) -> None:
    stored = keep(store, "a.jsonl", "one\n")
    assert stored == Stored("data/batches/a.jsonl", hashlib.md5(b"one\n").hexdigest(), 4)
    assert store.is_pushed(stored.md5)
    assert again(store, "data/batches/a.jsonl") == stored


def test_batches_and_holdouts_are_one_tracked_folder_each(store: DataStore) -> None:
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        keep(store, name, name)
    exam = store.root / "data/holdout/mail/items.jsonl"
    exam.parent.mkdir(parents=True)
    exam.write_text("held\n")
    assert again(store, exam).path == "data/holdout/mail/items.jsonl"
    files = sorted(path.name for path in (store.root / "data").rglob("*.dvc"))
    assert files == ["batches.dvc", "holdout.dvc"]


def test_preparing_again_changes_nothing(store: DataStore) -> None:
    before = tree(store.root)
    store.prepare()
    assert tree(store.root) == before
    config = dvc(store.root, "config", "--list")
    for line in ("core.analytics=false", "core.check_update=false", "core.no_scm=true"):
        assert line in config


def test_the_dvc_command_restores_everything_after_a_move(store: DataStore) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        keep(store, name, name)
    moved = store.root.with_name("moved")
    store.root.rename(moved)
    shutil.rmtree(moved / ".dvc/cache")
    shutil.rmtree(moved / "data/batches")
    dvc(moved, "pull", "-q")
    assert sorted(tree(moved / "data/batches")) == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize("cache_too", [False, True])
def test_a_lost_file_is_restored(store: DataStore, cache_too: bool) -> None:
    stored = keep(store, "a.jsonl", "precious\n")
    (store.root / stored.path).unlink()
    if cache_too:
        shutil.rmtree(store.root / ".dvc/cache")
    assert store.fetch(stored).read_text() == "precious\n"


def test_a_file_that_is_there_is_returned_as_it_is(store: DataStore) -> None:
    stored = keep(store, "a.jsonl")
    assert store.fetch(stored) == store.root / "data/batches/a.jsonl"


def test_a_changed_file_is_corrupted_and_not_overwritten(store: DataStore) -> None:
    stored = keep(store, "a.jsonl", "one\n")
    put(store, "a.jsonl", "two\n")
    with pytest.raises(Corrupted, match=r"a\.jsonl differs from what was stored"):
        store.fetch(stored)
    assert (store.root / stored.path).read_text() == "two\n"


def test_a_damaged_cache_is_passed_over_and_a_damaged_remote_is_mended(store: DataStore) -> None:
    stored = keep(store, "a.jsonl", "one\n")
    copy = store.remote / "files/md5" / stored.md5[:2] / stored.md5[2:]
    copy.chmod(0o644)
    copy.write_text("bad\n")
    copy.chmod(0o444)  # DVC trusts what is write-protected
    assert not store.is_pushed(stored.md5)
    again(store, stored.path)
    cached(store, stored).chmod(0o644)
    cached(store, stored).write_text("bad\n")
    (store.root / stored.path).unlink()
    assert store.fetch(stored).read_text() == "one\n"


def test_bytes_that_are_nowhere_are_corrupted_and_named(store: DataStore) -> None:
    stored = keep(store, "a.jsonl")
    for folder in (".dvc/cache", "data/remote", "data/batches"):
        shutil.rmtree(store.root / folder)
    with pytest.raises(Corrupted, match=f"lost.*{stored.md5}"):
        store.fetch(stored)


def test_a_remote_that_cannot_be_written_is_retryable_and_no_hint_is_left(
    store: DataStore,
) -> None:
    store.remote.write_text("a file where a folder should be")
    with pytest.raises(Retryable):
        keep(store, "a.jsonl")
    assert not (store.root / "data/batches.dvc").exists()


@pytest.mark.parametrize("hint", ["there", "lost"])
def test_whatever_a_hint_names_is_in_both_copies_before_it_is_written(
    store: DataStore, monkeypatch: pytest.MonkeyPatch, hint: str
) -> None:
    keep(store, "0.jsonl", "nought\n")
    if hint == "lost":
        (store.root / "data/batches.dvc").unlink()
        put(store, "1.jsonl", "one\n")
    seen: list[Path] = []

    def write(_: Path, content: bytes) -> None:
        listings = re.findall(r"md5: (\S+)\.dir", content.decode())
        for copies in (store.root / ".dvc/cache", store.remote):
            for listing in listings:
                path = copies / f"files/md5/{listing[:2]}/{listing[2:]}.dir"
                named = [entry["md5"] for entry in json.loads(path.read_text())]
                seen.extend(copies / f"files/md5/{md5[:2]}/{md5[2:]}" for md5 in named)
        raise KeyboardInterrupt

    monkeypatch.setattr(dvc_tracking, "write_bytes", write)
    with pytest.raises(KeyboardInterrupt):
        keep(store, "2.jsonl", "two\n")
    assert len(seen) == (4 if hint == "there" else 6) and all(path.is_file() for path in seen)


def test_only_files_in_the_tracked_folders_are_added(store: DataStore) -> None:
    for path in ("params.yaml", "data/incoming/a.jsonl", "data/batches", "data/batches/../x", "/a"):
        with pytest.raises(ConfigError, match="not under data/batches or data/holdout"):
            store.keep([path])
    with pytest.raises(DataRejected, match="There is no file"):
        store.keep(["data/batches/gone.jsonl"])


@pytest.mark.parametrize("damage", ["listing lost", "hint cut short", "hint lost"])
def test_the_next_file_is_stored_although_the_hint_is_damaged(
    store: DataStore, damage: str
) -> None:
    keep(store, "a.jsonl", "one\n")
    hint = store.root / "data/batches.dvc"
    if damage == "listing lost":
        shutil.rmtree(store.root / ".dvc/cache")
        shutil.rmtree(store.remote)
    elif damage == "hint cut short":
        hint.write_text("outs:\n- md5: 'abc")
    else:
        hint.unlink()
    keep(store, "b.jsonl", "two\n")
    shutil.rmtree(store.root / "data/batches")
    dvc(store.root, "checkout", "-q")
    assert tree(store.root / "data/batches") == {"a.jsonl": b"one\n", "b.jsonl": b"two\n"}


def test_other_batches_may_be_absent_while_one_is_added(store: DataStore) -> None:
    first = keep(store, "a.jsonl", "one\n")
    (store.root / first.path).unlink()
    keep(store, "b.jsonl", "two\n")
    shutil.rmtree(store.root / "data/batches")
    dvc(store.root, "checkout", "-q")
    assert sorted(tree(store.root / "data/batches")) == ["a.jsonl", "b.jsonl"]


def holder(pid: int) -> str:
    return json.dumps({"read": {}, "write": {"/x": {"pid": pid, "cmd": "dvc repro"}}})


def test_a_lock_file_cut_short_by_a_kill_is_cleared(store: DataStore) -> None:
    locks = store.root / ".dvc/tmp/rwlock"
    keep(store, "a.jsonl")
    for content in ("", '{"write": {"', "[]", '{"write": {"/x": 3}}'):
        locks.write_text(content)
        store.prepare()
        assert not locks.exists()
    locks.write_text('{"wri')
    assert keep(store, "b.jsonl").size == 4


def test_a_lock_of_a_reused_process_number_is_cleared_and_a_living_one_kept(
    store: DataStore,
) -> None:
    locks = store.root / ".dvc/tmp/rwlock"
    locks.parent.mkdir(exist_ok=True)
    locks.write_text(holder(os.getpid()))
    store.prepare()
    assert locks.exists()
    os.utime(locks, (1, 1))
    store.prepare()
    assert not locks.exists()


def test_a_lock_of_a_living_process_is_waited_for(store: DataStore) -> None:
    keep(store, "a.jsonl")
    batches = str(store.root / "data/batches")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.5)"])
    held = {"read": {batches: [{"pid": sleeper.pid, "cmd": "dvc repro"}]}, "write": {}}
    (store.root / ".dvc/tmp/rwlock").write_text(json.dumps(held))
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(keep, store, "b.jsonl")
        time.sleep(0.7)
        assert not adding.done()
        sleeper.wait()
        assert adding.result(timeout=30).path == "data/batches/b.jsonl"


def test_a_lock_that_stays_taken_is_retryable(
    store: DataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, "a.jsonl")
    monkeypatch.setattr(versioning, "LOCK_WAIT_SECONDS", 0.3)
    held = {"write": {str(store.root / "data"): {"pid": os.getpid(), "cmd": "x"}}, "read": {}}
    (store.root / ".dvc/tmp/rwlock").write_text(json.dumps(held))
    with pytest.raises(Retryable, match=r"still held after 0\.3 seconds"):
        keep(store, "b.jsonl")


def test_many_threads_and_processes_store_at_once(store: DataStore) -> None:
    for i in range(8):
        put(store, f"{i}.jsonl", f"row {i}\n")
    code = (
        STORE + "import sys; s = DataStore(Path(sys.argv[1]), Path(sys.argv[1]) / 'data/remote');"
    )
    code += "s.prepare(); [s.keep([f'data/batches/{i}.jsonl']) for i in sys.argv[2:]]"
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(store.root), *numbers], cwd=REPOSITORY)
        for numbers in (("0", "1"), ("2", "3"))
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: store.keep([f"data/batches/{i}.jsonl"]), range(4, 8)))
    assert [other.wait(60) for other in others] == [0, 0]
    shutil.rmtree(store.root / ".dvc/cache")
    shutil.rmtree(store.root / "data/batches")
    dvc(store.root, "pull", "-q")
    assert len(tree(store.root / "data/batches")) == 8


def test_nothing_is_printed_and_nothing_is_written_outside(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    (root / "data/batches/a.jsonl").write_text("one\n")
    code = STORE + f"s = DataStore(Path({str(root)!r}), Path({str(tmp_path / 'remote')!r}));"
    code += "s.prepare(); f, = s.keep(['data/batches/a.jsonl']); s.fetch(f)"
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    environment["PYTHONPATH"] = str(REPOSITORY)
    environment.pop("DVC_SITE_CACHE_DIR", None)
    screen, terminal = pty.openpty()  # DVC draws its progress bars on terminals only
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere, env=environment, stdout=terminal, stderr=terminal, check=True,
    )  # fmt: skip
    os.write(terminal, b"end")
    seen = b""
    while not seen.endswith(b"end"):
        seen += os.read(screen, 10_000)
    colours_off = b"\x1b[0m"  # tqdm has colorama send this at exit, whoever imports it
    assert seen.removeprefix(colours_off) == b"end"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwd", "remote", "root"]
    assert tree(elsewhere) == {}
    assert (root / ".dvc/tmp/site/repo").is_dir()  # DVC's own state, else in /var/tmp


def test_a_git_checkout_with_its_own_dvc_is_used_and_git_is_left_alone(root: Path) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
            cwd=root, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    git("init", "-q")
    dvc(root, "init", "-q")
    dvc(root, "config", "core.autostage", "true")
    (root / ".gitignore").write_text("/data/*/\n")
    git("add", "-A")
    git("commit", "-qm", "start")
    store = DataStore(root, root / "data/remote")
    store.prepare()
    stored = keep(store, "a.jsonl", "one\n")
    (root / stored.path).unlink()
    assert store.fetch(stored).read_text() == "one\n"
    assert git("status", "--short", "-uall").splitlines() == ["?? data/batches.dvc"]
    assert git("rev-list", "--count", "HEAD").strip() == "1"


def test_a_root_inside_another_dvc_repository_keeps_to_itself(root: Path) -> None:
    dvc(root, "init", "-q", "--no-scm")
    inner = root / "demo"
    (inner / "data/batches").mkdir(parents=True)
    store = DataStore(inner, inner / "data/remote")
    keep(store, "a.jsonl")
    assert (inner / ".dvc/config").exists()
    assert not (root / ".dvc/cache").exists()


def test_a_root_reached_by_a_link_and_by_a_relative_path_is_the_same_root(
    root: Path, monkeypatch: pytest.MonkeyPatch, store: DataStore
) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    path: Any = put(store, "a.jsonl")
    linked = DataStore(link, link / "data/remote")
    stored = again(linked, link / "data/batches/a.jsonl")
    assert stored == again(store, path)
    monkeypatch.chdir(root.parent)
    relative = DataStore(Path("root"), Path("root/data/remote"))
    assert again(relative, "data/batches/a.jsonl") == stored
    assert store.is_pushed(stored.md5)


def test_folders_of_two_digits_have_listings_of_their_own_and_dvc_restores_them(
    store: DataStore,
) -> None:
    names = [f"{shard}/{number}/raw.jsonl" for shard in ("0a", "b1") for number in (1, 2)]
    for name in names:
        path = store.root / "data/batches" / name
        path.parent.mkdir(parents=True)
        path.write_text(f"{name}\n")
        store.keep([path])
    hint = store.root / "data/batches.dvc"
    assert hint.read_text().count(".dir") == 2
    listings = [p for p in (store.root / ".dvc/cache").rglob("*.dir")]
    assert max(len(json.loads(p.read_text())) for p in listings) == 2
    assert "up to date" in dvc(store.root, "status")
    for damage in ("none", "hint lost"):
        if damage == "hint lost":
            hint.unlink()
            store.keep([store.root / "data/batches" / names[0]])
            store.keep([store.root / "data/batches" / names[2]])
        shutil.rmtree(store.root / ".dvc/cache")
        shutil.rmtree(store.root / "data/batches")
        dvc(store.root, "pull", "-q")
        assert sorted(tree(store.root / "data/batches")) == names


def test_a_root_that_tracks_the_whole_folder_goes_on_to_do_so(store: DataStore) -> None:
    keep(store, "a.jsonl", "one\n")
    deep = store.root / "data/batches/0a/1/raw.jsonl"
    deep.parent.mkdir(parents=True)
    deep.write_text("two\n")
    store.keep([deep])
    hint = (store.root / "data/batches.dvc").read_text()
    assert hint.count("path:") == 1 and "path: batches\n" in hint
    shutil.rmtree(store.root / "data/batches")
    dvc(store.root, "checkout", "-q")
    assert sorted(tree(store.root / "data/batches")) == ["0a/1/raw.jsonl", "a.jsonl"]


@pytest.mark.parametrize("text", ["[[[", *(f"['remote \"{REMOTE}\"']\n    url = {url}\n" for url in
                                           ("x\ny", "a,b", "%(here)s"))])  # fmt: skip
@pytest.mark.parametrize("name", ["config", "config.local"])
def test_settings_of_dvc_that_cannot_be_read_are_named(
    store: DataStore, name: str, text: str
) -> None:
    path = put(store, "a.jsonl")
    (store.root / ".dvc" / name).write_text(text)

    with pytest.raises(ConfigError, match="DVC cannot read its settings") as refusal:
        DataStore(store.root, store.root / "data" / "remote").keep([path])
    assert "config or config.local" in str(refusal.value)

    (store.root / ".dvc" / name).unlink()
    assert again(DataStore(store.root, store.root / "data" / "remote"), path)
