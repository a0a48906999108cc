"""A reader sees the old bytes or the new ones, whatever happens half-way."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from components import files
from components.digest import bytes_digest
from components.errors import Corrupted
from components.items import read_items

FORK = multiprocessing.get_context("fork")
SPAWN = multiprocessing.get_context("spawn")


def left_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def on_a_full_disk(work: Callable[[], None]) -> int:
    """Run `work` in a child that can write 1,000 bytes a file; return what it raised."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            work()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)

    child = FORK.Process(target=limited)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def test_a_write_that_runs_out_of_space_leaves_the_old_bytes_and_no_part(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a", b"old")
    big = tmp_path.parent / f"{tmp_path.name}-big"
    big.write_bytes(b"n" * 2000)
    writes: list[Callable[[], None]] = [
        lambda: files.write_bytes(tmp_path / "a", b"n" * 2000),
        lambda: files.write_json(tmp_path / "a", "n" * 2000),
        lambda: files.publish_file(big, tmp_path / "a"),
    ]
    for write in writes:
        assert on_a_full_disk(write) == errno.EFBIG
        assert left_in(tmp_path) == {"a": b"old"}
    assert on_a_full_disk(lambda: files.write_bytes(tmp_path / "a", b"new")) == 0
    assert left_in(tmp_path) == {"a": b"new"}


def test_a_rename_that_fails_leaves_the_old_bytes_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_bytes(tmp_path / "a", b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "replace", fail)
    for write in (files.write_bytes, files.write_json):
        with pytest.raises(OSError, match="no"):
            write(tmp_path / "a", b"new" if write is files.write_bytes else "new")  # type: ignore[operator]
    assert left_in(tmp_path) == {"a": b"old"}


def test_lines_that_break_off_leave_the_old_bytes_and_no_part(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"new\n"
        raise ValueError("no more")

    files.write_lines(tmp_path / "lines", iter([b"one\n", b"two\n"]))
    with pytest.raises(ValueError, match="no more"):
        files.write_lines(tmp_path / "lines", broken())
    assert [path.name for path in tmp_path.iterdir()] == ["lines"]
    assert (tmp_path / "lines").read_bytes() == b"one\ntwo\n"


def test_folders_are_made_and_json_is_canonical(tmp_path: Path) -> None:
    files.write_json(tmp_path / "b" / "c" / "d.json", {"z": 1, "a": "caf\udce9"})
    raw = (tmp_path / "b" / "c" / "d.json").read_bytes()
    assert raw == '{"a":"caf\udce9","z":1}\n'.encode("utf-8", "surrogatepass")


def test_threads_that_write_one_file_at_once_never_mix(tmp_path: Path) -> None:
    wrong: list[object] = []

    def write(letter: bytes) -> None:
        try:
            for _ in range(40):
                files.write_bytes(tmp_path / "a", letter * 5000)
                found = (tmp_path / "a").read_bytes()
                if found not in (b"a" * 5000, b"b" * 5000):
                    wrong.append(found)
        except OSError as error:
            wrong.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and len(left_in(tmp_path)) == 1


def make_part(folder: Path, name: str, content: bytes = b"x") -> Path:
    part = folder / f"{name}.part"
    (part / "inner").mkdir(parents=True)
    (part / "inner" / "file").write_bytes(content)
    return part


def test_a_folder_appears_whole_and_the_first_one_stays(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    files.publish_folder(make_part(tmp_path, "one"), target)
    files.publish_folder(make_part(tmp_path, "two", b"y"), target)
    assert left_in(tmp_path) == {"deep/target/inner/file": b"x"}


def test_a_folder_that_another_process_publishes_meanwhile_counts_as_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, replace = tmp_path / "target", os.replace

    def overtaken(source: Path, goal: Path) -> None:
        replace(make_part(tmp_path, "faster"), target)
        replace(source, goal)

    monkeypatch.setattr(os, "replace", overtaken)
    files.publish_folder(make_part(tmp_path, "slower", b"y"), target)
    assert left_in(tmp_path) == {"target/inner/file": b"x"}
    assert not (tmp_path / "slower.part").exists()


def test_a_folder_that_cannot_be_renamed_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        files.publish_folder(make_part(tmp_path, "one"), tmp_path / "target")
    assert list(left_in(tmp_path)) == ["one.part/inner/file"]


def publish_many(folder: Path, name: str) -> None:
    for number in range(30):
        part = make_part(folder, f"{name}{number}")
        files.publish_folder(part, folder / "out" / str(number))


def test_two_processes_that_publish_the_same_folders_both_succeed(tmp_path: Path) -> None:
    children = [SPAWN.Process(target=publish_many, args=(tmp_path, name)) for name in "ab"]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert sorted(left_in(tmp_path)) == sorted(f"out/{n}/inner/file" for n in range(30))


@pytest.mark.parametrize(
    "line", [b"not json", b'{"text": "a"}', b"[]", b'{"text":1,"label":"a","task":"t"}', b"\xff"]
)
def test_a_damaged_item_is_named_by_file_and_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b'{"label":"a","task":"t","text":"x"}\n' + line + b"\n")
    with pytest.raises(Corrupted, match=r"items\.jsonl, line 2"):
        read_items(path)


def test_a_mark_is_the_digest_and_the_size_of_the_bytes(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a", b"abc")
    mark = files.mark_of(tmp_path / "a")
    assert mark.to_json() == {"sha256": bytes_digest(b"abc"), "size": 3}


def test_a_moved_file_takes_the_place_of_the_old_one_on_another_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace
    for other_disk in (False, True):
        if other_disk:
            monkeypatch.setattr(os, "replace", partial(_only_near, replace))
        files.write_bytes(tmp_path / "a", b"new")
        files.write_bytes(tmp_path / "in" / "b", b"old")
        files.move_file(tmp_path / "a", tmp_path / "in" / "b")
        assert (tmp_path / "in" / "b").read_bytes() == b"new"
        assert not (tmp_path / "a").exists()
        assert [path.name for path in (tmp_path / "in").iterdir()] == ["b"]


def _only_near(replace: Callable[[Path, Path], None], source: Path, target: Path) -> None:
    if source.parent != target.parent:
        raise OSError(errno.EXDEV, "Invalid cross-device link")
    replace(source, target)
