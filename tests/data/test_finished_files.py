"""A file is finished when nobody has it open for writing and it has been quiet for a while."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.data.finished_files import QuietFiles, is_open_for_writing


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n")
    return path


def test_a_file_that_another_process_holds_open_for_writing_is_open(file: Path) -> None:
    code = f"import sys; f = open({str(file)!r}, 'a'); print(flush=True); sys.stdin.read()"
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None and writer.stdout.readline()
        assert is_open_for_writing(file)
    finally:
        writer.communicate()
    assert not is_open_for_writing(file)


def test_readers_do_not_count_and_neither_does_what_is_no_file(file: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(file)
    with file.open():
        for name in ("a.jsonl", "pipe", "link", "nowhere", "."):
            assert not is_open_for_writing(tmp_path / name)


def test_an_old_file_is_settled_at_the_first_look_and_a_fresh_one_is_not(file: Path) -> None:
    written = max(file.stat().st_mtime, file.stat().st_ctime)
    assert QuietFiles(3, wall=Clock(written + 3.1)).seconds_left(file) == 0
    left = QuietFiles(3, wall=Clock(written + 1)).seconds_left(file)
    assert left is not None and 1.9 < left <= 2.1


def test_an_old_modification_time_does_not_make_a_fresh_copy_old(file: Path) -> None:
    os.utime(file, (1_000_000, 1_000_000))
    left = QuietFiles(3).seconds_left(file)
    assert left is not None and left > 2


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_after_a_clock_jump_only_two_looks_apart_count(file: Path, jump: float) -> None:
    wall, steady = Clock(time.time()), Clock()
    settling = QuietFiles(3, wall, steady)
    assert settling.seconds_left(file) != 0
    wall.at += jump
    with file.open("a") as more:
        more.write("{}\n")
    assert settling.seconds_left(file) == 3
    steady.at += 2
    assert settling.seconds_left(file) == 1
    steady.at += 1
    assert settling.seconds_left(file) == 0


def test_a_file_from_the_future_settles_by_our_own_looks(file: Path) -> None:
    os.utime(file, (4e9, 4e9))
    steady = Clock()
    settling = QuietFiles(3, steady=steady)
    assert settling.seconds_left(file) == 3
    steady.at += 3
    assert settling.seconds_left(file) == 0


def test_a_file_that_was_open_has_to_be_quiet_from_then_on(file: Path) -> None:
    written, steady = max(file.stat().st_mtime, file.stat().st_ctime), Clock()
    settling = QuietFiles(3, Clock(written + 100), steady)
    with file.open("a"):
        assert settling.seconds_left(file) is None
    assert settling.seconds_left(file) == 3
    settling.remember([])
    assert settling.seconds_left(file) == 0


def test_with_no_quiet_time_a_closed_file_is_settled_at_once(file: Path) -> None:
    assert QuietFiles(0).seconds_left(file) == 0
