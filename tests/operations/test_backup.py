"""A backup taken, moved and restored: the same root, and the next batch gives the same bytes."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.digest import file_digest
from components.files import mark_of, publish_folder
from components.ledger import views
from components.ledger.verify import verify
from components.operations import backup, backup_archives, reconciliation
from components.operations.restore import restore
from components.pipeline import arrival
from components.workspace import batch_files, unknown_files
from components.workspace.root import open_workspace
from tests.command import Ran, assert_one_paragraph, files_up_to, finish, ratchet, start
from tests.server import Server
from tests.stream import batch, copied, settle


@pytest.fixture(scope="module")
def taken(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A backup in both forms. Copy them, never write to them."""
    folder = tmp_path_factory.mktemp("taken")
    root = copied(grown_once, folder / "root")
    places = {"tar": folder / "b.tar", "folder": folder / "b"}
    for place in places.values():
        ran = ratchet(root, "backup", place)
        assert (ran.code, ran.err) == (0, ""), ran.err
    return places


def restored(place: Path, folder: Path, *more: str) -> Ran:
    return ratchet(Path("."), "restore", place, folder, *more)


@pytest.mark.parametrize("form", ["tar", pytest.param("folder", marks=pytest.mark.slow)])
def test_the_next_batch_gives_the_same_bytes_in_a_restored_root(
    form: str, taken: dict[str, Path], grown_once: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a", tmp_path / "b" / "deeper"
    shutil.copytree(grown_once, first)
    ran = restored(taken[form], second, "--json")
    assert ran.code == 0, ran.err
    assert (ran.facts["champion"], ran.facts["not_included"]) == (2, [])
    ledger = open_workspace(second).ledger
    assert ran.facts["head"]["hash"] == verify(ledger).head == ledger.noted().hash  # type: ignore[union-attr]
    found = []
    for root in (first, second):
        settled = settle(root, batch(tmp_path / "b3.jsonl", 3))
        version = views.version(open_workspace(root).ledger, settled.version or 0)
        assert version is not None
        found.append((settled.action, version.version, version.bundle, version.evidence))
    assert found[0] == found[1] and found[0][:2] == ("promoted", 3)
    assert ratchet(second, "reconcile").out == "Nothing to repair.\n"
    assert ratchet(second, "audit", "verify").code == 0


def test_the_champion_is_loadable_once_the_first_root_is_gone(
    taken: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    assert restored(taken["tar"], tmp_path / "b").code == 0
    monkeypatch.setenv("RATCHET_BASE", str(tmp_path / "b" / "base"))
    uri = open_workspace(tmp_path / "b").registry.uri
    client = mlflow.MlflowClient(uri, uri)
    version = client.get_model_version_by_alias("tiny", "champion")
    place = client.get_model_version_download_uri("tiny", version.version)
    assert place.startswith((tmp_path / "b").as_uri())
    mlflow.set_tracking_uri(uri)
    assert mlflow.pyfunc.load_model(place).predict(["good great fine"]) == ["pos"]
    assert mlflow.pyfunc.load_model(place).predict(["bad awful sad"]) == ["neg"]


def test_everything_that_people_brought_comes_back(grown: Path, tmp_path: Path) -> None:
    odd = grown / "data" / "incoming" / "mood" / os.fsdecode(b"caf\xe9.jsonl")
    batch(odd, 7)
    os.utime(odd, ns=(10**18, 10**18))
    (grown / "broken.jsonl").write_bytes(b"\x00\xff no JSON")
    settle(grown, grown / "broken.jsonl")
    assert ratchet(grown, "backup", tmp_path / "b.tar").code == 0
    assert restored(tmp_path / "b.tar", tmp_path / "new").code == 0
    for folder in ("data", "base", "mlruns/bundles", "mlruns/documents", "mlruns/artifacts"):
        assert _digests(tmp_path / "new" / folder) == _digests(grown / folder), folder
    assert (tmp_path / "new" / odd.relative_to(grown)).stat().st_mtime == 10**9


def test_what_lies_outside_is_named_and_no_link_is_followed(grown: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    (grown / "data" / "incoming").mkdir(exist_ok=True)
    (grown / "data" / "incoming" / "link.jsonl").symlink_to(secret)
    (grown / "data" / "incoming" / "all").symlink_to(tmp_path)
    os.mkfifo(grown / "data" / "incoming" / "pipe")
    base = Path(shutil.move(grown / "base", tmp_path / "base"))
    cases = batch(tmp_path / "cases.jsonl", 5)
    params = grown / "params.yaml"
    text = params.read_text().replace("base: base", f"base: {base}")
    text += f"gate: {{checks: {{behaviour: {{file: {cases}}}}}}}\n"
    params.write_text(text.replace("data: {", f"data: {{remote: {tmp_path}/remote, "))
    ran = ratchet(grown, "backup", tmp_path / "b", "--json")
    assert ran.code == 0, ran.err
    left = {each["what"]: each["sha256"] for each in ran.facts["not_included"]}
    assert left[f"the behaviour cases {cases}"] == file_digest(cases)
    assert len(left[f"the base model {base}"]) == 64
    for name in ("link.jsonl", "all", "pipe"):
        assert f"data/incoming/{name}" in left
    assert f"DVC's remote {tmp_path}/remote" in left
    assert not any("secret" in path.name for path in (tmp_path / "b").rglob("*"))
    said = restored(tmp_path / "b", tmp_path / "new")
    assert said.code == 0 and f"Not included: the base model {base}" in said.out
    assert settle(tmp_path / "new", batch(tmp_path / "b3.jsonl", 3)).action == "promoted"


@pytest.mark.parametrize("name", ["b.tar", "b"])
def test_a_backup_is_for_its_owner_alone(name: str, grown: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert ratchet(grown, "backup", tmp_path / name).code == 0
    finally:
        os.umask(before)
    wanted = 0o600 if name == "b.tar" else 0o700
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == wanted


def _left(root: Path, target: Path) -> dict[str, str]:
    """Take a backup that must succeed and return what it left out: what -> why."""
    ran = ratchet(root, "backup", target, "--json")
    assert ran.code == 0, ran.err
    return {each["what"]: each["why"] for each in ran.facts["not_included"]}


def test_what_cannot_be_read_and_nothing_needs_is_named_and_left_out(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights bind no root, so the open of these files fails as it does for anybody else."""
    opened = Path.open
    loose = [
        f"data/{name}/one/locked.jsonl" for name in ("unreadable", "incoming", "unknown", "damaged")
    ]
    for name in loose:
        batch(grown / name, 7)

    def denied(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == "locked.jsonl":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", denied)
    left = _left(grown, tmp_path / "b.tar")
    assert {name: left.get(name) for name in loose} == dict.fromkeys(
        loose, "it can't be read: Permission denied"
    )
    shutil.copy(grown / "exam.jsonl", grown / "data" / "holdout" / "locked.jsonl")
    ran = ratchet(grown, "backup", tmp_path / "c.tar")
    assert ran.code == 1 and "Permission denied" in ran.err
    assert [path.name for path in tmp_path.glob("*.tar*")] == ["b.tar"]
    monkeypatch.undo()
    assert restored(tmp_path / "b.tar", tmp_path / "new").code == 0


def test_a_file_that_somebody_still_writes_is_named(grown: Path, tmp_path: Path) -> None:
    batch(grown / "data" / "incoming" / "mood" / "a.jsonl.part", 7)
    batch(grown / "data" / "batches" / "a.jsonl.part", 7)
    left = _left(grown, tmp_path / "b.tar")
    assert left == {"data/incoming/mood/a.jsonl.part": "it is still being written"}


@contextmanager
def _nested(folder: Path, depth: int) -> Iterator[None]:
    """Nest folders in one, and take them away again: Python's own ways recurse."""
    before = Path.cwd()
    try:
        os.chdir(folder)
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
        Path("b.jsonl").write_text("{}")
        os.chdir(before)
        yield
    finally:
        os.chdir(before)
        subprocess.run(["rm", "-rf", folder / "d"], check=True)


@pytest.mark.parametrize("depth", [1200, 3000])
def test_folders_within_folders_a_thousand_deep_are_named(
    depth: int, grown: Path, tmp_path: Path
) -> None:
    incoming = grown / "data" / "incoming"
    batch(incoming / "mood" / "a.jsonl", 7)
    with _nested(incoming, depth):
        [(what, why)] = _left(grown, tmp_path / "b").items()
    assert what.startswith("data/incoming/d/d/") and "100 folders" in why
    assert restored(tmp_path / "b", tmp_path / "new").code == 0
    assert (tmp_path / "new" / "data" / "incoming" / "mood" / "a.jsonl").exists()


def test_a_root_whose_data_lie_outside_is_not_backed_up_without_them(
    grown: Path, tmp_path: Path
) -> None:
    shutil.move(grown / "data", tmp_path / "data")
    (grown / "data").symlink_to(tmp_path / "data")
    ran = ratchet(grown, "backup", tmp_path / "b.tar")
    assert ran.code == 2 and "link out of the root" in ran.err
    assert_one_paragraph(ran)
    assert not list(tmp_path.glob("b.tar*"))


@pytest.mark.parametrize("place", ["b.tar", "b"])
def test_nothing_is_written_over_and_nothing_into_the_root(
    place: str, grown: Path, tmp_path: Path
) -> None:
    target = tmp_path / place
    if place == "b":
        target.mkdir()
        target = target / "kept"
    target.write_text("mine")
    target = tmp_path / place
    ran = ratchet(grown, "backup", target)
    assert ran.code == 2 and "already exists" in ran.err
    assert_one_paragraph(ran)
    inside = ratchet(grown, "backup", grown / "backups" / place)
    assert inside.code == 2 and "is inside the root" in inside.err
    assert_one_paragraph(inside)
    other = tmp_path / "full"
    other.mkdir()
    (other / "x").write_text("mine")
    refused = restored(target, other)
    assert refused.code == 2 and "is not empty" in refused.err
    assert [path.name for path in other.iterdir()] == ["x"]


def test_a_root_is_restored_into_the_folder_that_one_stands_in(
    taken: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    ran = restored(taken["tar"], Path("."))
    assert ran.code == 0, ran.err
    assert Path("params.yaml").exists(), "it is still the same folder"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert ratchet(Path("."), "status").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert ratchet(folder, "backup", Path(".")).code == 0
    assert sorted(path.name for path in Path(".").iterdir()) == ["manifest.json", "root"]


def test_a_kill_while_an_empty_folder_is_filled_leaves_no_root(
    taken: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()

    def dying(part: Path, target: Path) -> None:
        publish_folder(part, target)
        if part.name == "mlruns":
            _die()

    monkeypatch.setattr(backup_archives, "publish_folder", dying)
    _killed(lambda: restore(taken["tar"], folder))
    assert (folder / "mlruns").exists() and not (folder / "params.yaml").exists()


@pytest.mark.parametrize("name", ["p%20", "p?", "p#"])
def test_a_folder_that_mlflow_cannot_use_is_refused_before_anything_is_written(
    name: str, taken: dict[str, Path], tmp_path: Path
) -> None:
    ran = restored(taken["tar"], tmp_path / name / "new")
    assert ran.code == 2 and "Restore into a folder with another name" in ran.err
    assert_one_paragraph(ran)
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_read_leave_no_folder(
    taken: dict[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(taken["folder"], tmp_path / "copy"))
    params = copy / "root" / "params.yaml"
    params.write_text("seed: never\n")
    said = _said(copy)
    said["files"]["params.yaml"] = mark_of(params).to_json()
    (copy / "manifest.json").write_text(json.dumps(said | {"ratchet": "9.1"}))
    ran = restored(copy, tmp_path / "new")
    assert ran.code == 2 and "params.yaml: `seed` is 'never'" in ran.err, ran
    assert str(copy) in ran.err and "Ratchet 9.1" in ran.err and ".part" not in ran.err
    assert_one_paragraph(ran)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_an_older_ledger_is_not_backed_up(grown: Path, tmp_path: Path) -> None:
    (grown / "mlruns" / "ledger.head").write_text('{"seq": 10000, "hash": "%s"}' % ("a" * 64))
    ran = ratchet(grown, "backup", tmp_path / "b")
    assert ran.code == 3 and "older copy" in ran.err and not (tmp_path / "b").exists()


def _digests(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): file_digest(path) for path in found}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _said(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text()))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a changed byte": lambda b: flip(next((b / "root").rglob("head.safetensors"))),
    "a changed ledger": lambda b: flip(b / "root" / "mlruns" / "ratchet.db"),
    "a missing file": lambda b: (b / "root" / "params.yaml").unlink(),
    "a file too many": lambda b: (b / "root" / "data" / "more").write_text("x"),
    "a cut file": lambda b: os.truncate(b / "root" / "mlruns" / "mlflow.db", 100),
    "no manifest": lambda b: (b / "manifest.json").unlink(),
    "half a manifest": lambda b: os.truncate(b / "manifest.json", 500),
    "a link": lambda b: (b / "root" / "link").symlink_to("/etc/passwd"),
    "another head": lambda b: (b / "manifest.json").write_text(
        json.dumps(_said(b) | {"head": {"seq": 1, "hash": "a" * 64}})
    ),
    "a list": lambda b: (b / "manifest.json").write_text("[]"),
    "lists without end": lambda b: (b / "manifest.json").write_text("[" * 200_000),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_is_one_clear_error_and_leaves_nothing(
    damage: str, taken: dict[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(taken["folder"], tmp_path / "copy"))
    DAMAGE[damage](copy)
    ran = restored(copy, tmp_path / "new")
    assert ran.code == 4, ran
    assert_one_paragraph(ran)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_backup_of_folders_without_end_is_refused(taken: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(taken["folder"], tmp_path / "copy"))
    with _nested(copy / "root" / "data", 1200):
        ran = restored(copy, tmp_path / "new")
    assert ran.code == 4 and "200 folders" in ran.err, ran
    assert_one_paragraph(ran)


def test_any_cut_or_changed_byte_of_a_tar_is_found(taken: dict[str, Path], tmp_path: Path) -> None:
    data, copy = taken["tar"].read_bytes(), tmp_path / "b.tar"
    end = len(data.rstrip(b"\0"))
    cuts = [data[:size] for size in (0, 1, 512, end // 3, end // 2, end - 600)]
    for broken in (*cuts, b"\x1f\x8b" + data[2:]):
        copy.write_bytes(broken)
        ran = restored(copy, tmp_path / "new")
        assert ran.code == 4, (len(broken), ran)
        assert_one_paragraph(ran)
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "member",
    [
        _member("root/../../evil"),
        _member("/evil"),
        _member("root/evil", tarfile.SYMTYPE, "/etc"),
        _member("root/evil", tarfile.LNKTYPE, "root/params.yaml"),
        _member("root/evil", tarfile.CHRTYPE),
        _member("root/evil", tarfile.FIFOTYPE),
        _member("root/params.yaml"),
    ],
    ids=lambda member: f"{member.name} {member.type.decode()}",
)
def test_a_crafted_tar_never_leads_out_of_the_folder(
    member: tarfile.TarInfo, taken: dict[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copy(taken["tar"], tmp_path / "b.tar"))
    with tarfile.open(copy, "a") as tar:
        tar.addfile(member)
    ran = restored(copy, tmp_path / "new")
    assert ran.code == 4, ran
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "a/../../evil", "", "a//b", "a\0b", "d/" * 1200 + "evil"]
)
def test_a_crafted_manifest_never_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    mark = {"sha256": "0" * 64, "size": 0}
    said = {"format": 1, "ratchet": "1", "time": "", "model": "m", "champion": None,
            "head": {"seq": 1, "hash": ""}, "not_included": [], "files": {name: mark}}  # fmt: skip
    data = json.dumps(said).encode()
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.addfile(_member(f"root/{name}"))
        info = _member("manifest.json")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    ran = restored(tmp_path / "b.tar", tmp_path / "new")
    assert ran.code == 4, ran
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


@pytest.mark.parametrize("form", ["tar", "folder"])
def test_a_disk_that_is_full_leaves_nothing(
    form: str, grown: Path, taken: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / ("b.tar" if form == "tar" else "b")
    folder = tmp_path / "new"
    for size in (100, 30_000):
        ws = open_workspace(grown)
        with ws.ledger.lease("tiny", 10), pytest.raises(Exception), files_up_to(size):  # noqa: B017
            backup.back_up(ws, target)
        with pytest.raises(Exception), files_up_to(size):  # noqa: B017
            restore(taken[form], folder)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert ratchet(grown, "backup", target).code == 0


def _killed(work: Callable[[], object]) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "point",
    [
        "MANIFEST",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("_copy_databases", "_copy", "put_in_place")
        ),
    ],
)
def test_a_killed_backup_leaves_nothing_that_looks_like_one(
    point: str, grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, target = open_workspace(grown), tmp_path / "b"

    def work() -> None:
        with ws.ledger.lease("tiny", 10):
            if point == "MANIFEST":
                monkeypatch.setattr(backup, "write_bytes", _die)
            else:
                owner = backup_archives if point == "put_in_place" else backup
                monkeypatch.setattr(owner, point, _die)
            backup.back_up(ws, target)

    _killed(work)
    assert not target.exists()
    [left] = tmp_path.glob("b.*")
    assert restored(left, tmp_path / "new").code == 4
    assert ratchet(grown, "backup", target).code == 0
    assert not left.exists() and restored(target, tmp_path / "new").code == 0


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_killed_restore_leaves_no_root_or_a_whole_one(
    point: str, taken: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"

    def dying(part: Path, target: Path) -> None:
        if point == "after":
            publish_folder(part, target)
        _die()

    monkeypatch.setattr(backup_archives, "publish_folder", dying)
    _killed(lambda: restore(taken["tar"], folder))
    monkeypatch.undo()
    assert folder.exists() == (point == "after")
    if point == "before":
        assert restored(taken["tar"], folder).code == 0
    assert settle(folder, batch(tmp_path / "b3.jsonl", 3)).version == 3
    uri = open_workspace(folder).registry
    assert len(uri.versions()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("point", ["_move", "append"])
def test_an_acceptance_that_is_killed_can_be_run_again(
    point: str, grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Path(shutil.copy(grown / "mlruns" / "ratchet.db", tmp_path / "older.db"))
    for seed in (3, 4):
        settle(grown, batch(grown / f"b{seed}.jsonl", seed))
    shutil.copy(older, grown / "mlruns" / "ratchet.db")
    ws = open_workspace(grown)
    move, calls = unknown_files._move, []

    def second(*arguments: object) -> object:
        calls.append(arguments)
        return move(*arguments) if len(calls) == 1 else _die()  # type: ignore[arg-type]

    def work() -> None:
        with ws.ledger.lease("tiny", 10) as lease:
            if point == "append":
                monkeypatch.setattr(type(ws.ledger), "append", _die)
            else:
                monkeypatch.setattr(unknown_files, "_move", second)
            unknown_files.accept_ledger(ws, lease)

    _killed(work)
    assert ratchet(grown, "reconcile").code == 3
    assert ratchet(grown, "reconcile", "--accept-ledger").code == 0
    [event] = views.events(open_workspace(grown).ledger, kind="ledger.accepted")
    moved = json.loads(event.payload)["moved"]
    assert len([name for name in moved if "/batches/" in name]) == 2
    assert all((grown / name).exists() for name in moved)
    assert ratchet(grown, "reconcile").out == "Nothing to repair.\n"


@pytest.mark.slow
def test_a_backup_taken_while_a_worker_drains_a_queue_goes_on_elsewhere(
    grown: Path, prefect_server: Server, tmp_path: Path
) -> None:
    reach = {name: prefect_server.environment[name] for name in ("PREFECT_HOME", "PREFECT_API_URL")}
    ws = open_workspace(grown)
    for seed in (3, 4, 5):
        arrival.arrive(ws, batch(grown / f"b{seed}.jsonl", seed), "mood")
    worker: subprocess.Popen[str] = start(grown, "worker", "--idle-exit", "2", **reach)
    while len(views.versions(ws.ledger)) < 3:
        assert worker.poll() is None, worker.communicate()[1]
        time.sleep(0.05)
    taken = finish(start(grown, "backup", tmp_path / "b.tar", "--json"))
    assert taken.code == 0, taken.err
    ended = finish(worker)
    assert ended.code == 0, ended.err
    assert [v.version for v in views.versions(ws.ledger)] == [1, 2, 3, 4, 5]

    assert restored(tmp_path / "b.tar", tmp_path / "new").code == 0
    new = open_workspace(tmp_path / "new")
    verify(new.ledger)
    assert taken.facts["head"]["seq"] < ws.ledger.head().seq, "it was taken in between"
    with new.ledger.lease("tiny", 10) as lease:
        reconciliation.reconcile(new, lease)
    waiting = views.waiting(new.ledger)
    assert waiting and views.champion(new.ledger) is not None
    for each in waiting:
        path = batch_files.raw_path(new, each.batch, each.suffix)
        assert settle(new.root, path).action == "promoted"
    bundles = [[v.bundle for v in views.versions(each.ledger)] for each in (ws, new)]
    assert bundles[0] == bundles[1]
