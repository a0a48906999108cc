"""Nothing is lost on the way in: slow writers, kills between two steps, files of every kind."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.data import quarantine
from components.errors import Corrupted, Retryable
from components.files import mark_of
from components.ledger import views
from components.ledger.ledger import Ledger
from components.operations.quarantine_release import find_entry, release
from components.operations.reconciliation import reconcile
from components.operations.verification import verify
from components.pipeline import arrival, incoming, staging
from components.pipeline.incoming import take_incoming
from components.workspace import batch_files
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.stream import PARAMS, batch, rows, write_jsonl

SLOW = PARAMS.replace("settle_seconds: 0", "settle_seconds: 1.0")
HOLDS = """
import json, sys, time
with open(sys.argv[1], "a") as file:
    for line in sys.stdin:
        file.write(line); file.flush(); time.sleep(0.02)
"""
REOPENS = """
import json, sys, time
for line in sys.stdin:
    with open(sys.argv[1], "a") as file:
        file.write(line)
    time.sleep(0.05)
"""


class Killed(BaseException):
    """Stands for `kill -9`: nothing that is written for faults runs after it."""


@pytest.fixture
def ws(root: Path) -> Workspace:
    return open_workspace(root)


def arrived_rows(ws: Workspace) -> list[str]:
    """Return every row of every batch and refused file, as it was written."""
    found = ws.batches.rglob("raw*")
    return [line for path in found for line in path.read_text().splitlines()]


def rows_seen_from(ws: Workspace) -> set[str]:
    waiting = [path.read_text().splitlines() for path in incoming.incoming_files(ws)]
    return set(arrived_rows(ws)).union(*waiting)


def raw_of(ws: Workspace, batch: str) -> Path:
    found = views.arrival(ws.ledger, batch)
    assert found is not None
    return ws.root / views.arrived(ws.ledger, found).raw["path"]


@pytest.mark.parametrize("writer", [HOLDS, REOPENS])
def test_a_slow_writer_loses_no_row_whenever_it_is_looked_at(root: Path, writer: str) -> None:
    (root / "params.yaml").write_text(SLOW)
    ws = open_workspace(root)
    lines = [json.dumps(row) + "\n" for row in rows(1, 60)]
    file = ws.incoming / "slow.jsonl"
    file.parent.mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", writer, str(file)], stdin=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.writelines(lines)
    process.stdin.close()
    looks = incoming.QuietFiles(1.0)
    arrived = []
    while process.poll() is None:
        arrived += take_incoming(ws, looks).arrived
        time.sleep(0.05)
    taken = take_incoming(ws)
    assert [each.is_new for each in [*arrived, *taken.arrived]] == [True] and taken.left == []
    assert sorted(arrived_rows(ws)) == sorted(line.rstrip("\n") for line in lines)


def test_a_file_that_stays_open_is_left_and_told(ws: Workspace) -> None:
    file = batch(ws.incoming / "open.jsonl", 1)
    with file.open("a"):
        taken = take_incoming(ws)
        assert taken.arrived == [] and file.exists()
        assert [(each.path, each.reason) for each in taken.left] == [
            ("data/incoming/open.jsonl", incoming.BEING_WRITTEN)
        ]
    assert len(take_incoming(ws).arrived) == 1


def test_a_file_that_is_run_by_name_while_it_is_written_asks_to_try_again(
    ws: Workspace, tmp_path: Path
) -> None:
    file = batch(tmp_path / "b.jsonl", 1)
    with file.open("a"), pytest.raises(Retryable, match="still being written"):
        arrival.arrive(ws, file, "mood")
    assert arrival.arrive(ws, file, "mood").is_new


def test_a_file_that_grows_as_fast_as_it_is_copied_is_not_taken(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = batch(tmp_path / "b.jsonl", 1)
    read = staging._read

    def growing(source: Path, opened: Any) -> bytes:
        block = read(source, opened)
        if block:
            with source.open("a") as more:
                more.write("{}\n")
        return block

    monkeypatch.setattr(staging, "_read", growing)
    with pytest.raises(Retryable, match="still being written"):
        arrival.arrive(ws, file, "mood")
    assert not list(batch_files.staging(ws).iterdir())


@pytest.mark.parametrize("open_still", [True, False])
def test_what_is_written_between_the_copy_and_the_deletion_arrives_the_next_time(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, open_still: bool
) -> None:
    file = batch(ws.incoming / "b.jsonl", 1)
    late = json.dumps({"text": "good late row", "label": "pos"})
    taken, writers = arrival.take, []

    def take(*arguments: Any) -> arrival.Arrived:
        outcome = taken(*arguments)
        writer = file.open("a")
        if open_still:
            writers.append(writer)
        else:
            writer.write(late + "\n")
            writer.close()
        return outcome

    monkeypatch.setattr(incoming, "take", take)
    first = take_incoming(ws)
    assert len(first.arrived) == 1 and first.left[0].reason == incoming.CHANGED
    assert file.exists(), "it lies at its own name again"
    monkeypatch.undo()
    for writer in writers:
        writer.write(late + "\n")
        writer.close()
    assert len(take_incoming(ws).arrived) == 1
    assert late in arrived_rows(ws) and not list(ws.incoming.iterdir())


def test_a_source_that_was_out_of_sight_at_a_kill_comes_back_and_is_known(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = batch(ws.incoming / "b.jsonl", 1)

    def killed(*_: object) -> bool:
        raise Killed

    monkeypatch.setattr(
        staging, "is_open_for_writing", lambda path: path.name[0] == "." and killed()
    )
    with pytest.raises(Killed):
        take_incoming(ws)
    assert [path.name for path in ws.incoming.iterdir()] == [".leaving-b.jsonl"]
    monkeypatch.undo()
    batch(file, 2)  # its writer used the name again
    assert sorted(each.is_new for each in take_incoming(ws).arrived) == [False, True]
    assert not list(ws.incoming.iterdir())


def dies(*_: object) -> None:
    raise Killed


KILLS: dict[str, tuple[Any, str]] = {
    "before it is published": (arrival, "move_file"),
    "before it is recorded": (Ledger, "append"),
}


@pytest.mark.parametrize("where", KILLS)
@pytest.mark.parametrize("content", ["good", "broken"])
def test_an_arrival_killed_half_way_is_finished_by_reconcile(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, where: str, content: str
) -> None:
    file = batch(ws.incoming / "b.jsonl", 1)
    if content == "broken":
        file.write_bytes(b"\xe9")
    _ = ws.ledger
    monkeypatch.setattr(*KILLS[where], dies)
    with pytest.raises(Killed):
        take_incoming(ws)
    monkeypatch.undo()
    file.unlink()  # the copy is the only one left
    assert not verify(ws).findings
    with ws.ledger.lease("tiny", 10) as lease:
        done = reconcile(ws, lease)
    assert any("recorded the arrival of b.jsonl" in each for each in done)
    [found] = views.arrivals(ws.ledger)
    assert found.status == ("queued" if content == "good" else "refused")
    assert mark_of(raw_of(ws, found.batch)).to_json().items() <= (
        views.arrived(ws.ledger, found).raw.items()
    )
    assert not arrival.was_interrupted(ws) and not ws.unknown.exists()


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "link.jsonl": (link, "a link; links are not followed"),
    "pipe.jsonl": (lambda path: os.mkfifo(path), "a pipe; pipes are not opened"),
    "folder.jsonl": (Path.mkdir, "a folder named like a file"),
}


def test_what_is_no_file_is_told_and_left_and_the_next_is_taken(ws: Workspace) -> None:
    batch(ws.incoming / "z.jsonl", 1)
    for name, (make, _) in ODD.items():
        make(ws.incoming / name)
    taken = take_incoming(ws)
    assert len(taken.arrived) == 1
    told = {Path(each.path).name: each.reason for each in taken.left}
    assert told.keys() == ODD.keys()
    assert all(told[name].startswith(reason) for name, (_, reason) in ODD.items())
    assert incoming.look(ws).left == taken.left


FAULTY: dict[str, tuple[Callable[[Path], Path], str]] = {
    "suffix": (lambda folder: batch(folder / f"a.{'x' * 230}", 2), "is not a known format"),
    "task": (
        lambda folder: batch(folder / "a#2" / "a.jsonl", 2),
        "'a#2', the name of its folder, is not a valid",
    ),
    "bytes": (lambda folder: write_jsonl(folder / "a.jsonl", []), "is empty"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_file_is_refused_with_its_reason_stored_and_the_next_is_taken(
    ws: Workspace, fault: str
) -> None:
    make, reason = FAULTY[fault]
    file = make(ws.incoming)
    os.utime(file, (1, 1))
    content = mark_of(file)
    batch(ws.incoming / "next.jsonl", 3)
    taken = take_incoming(ws)
    assert len(taken.arrived) == 2 and taken.left == [] and incoming.incoming_files(ws) == []
    refused, queued = views.arrivals(ws.ledger)
    assert (refused.status, queued.status) == ("refused", "queued")
    assert reason in refused.reason
    raw = raw_of(ws, refused.batch)
    assert mark_of(raw) == content and raw.is_relative_to(ws.batches)
    [stored] = views.events(ws.ledger, kind="store.done", batch=refused.batch)
    [file_stored] = json.loads(stored.payload)["files"]
    assert file_stored["sha256"] == content.sha256 and ws.store.is_pushed(file_stored["md5"])
    entry = quarantine.read_entry(ws.quarantine, refused.batch)
    marks = views.arrived(ws.ledger, refused).quarantine
    assert marks["about.json"] == mark_of(entry.folder / "about.json").to_json()


def test_a_file_of_an_unusable_folder_is_released_under_a_task_that_can_be(ws: Workspace) -> None:
    batch(ws.incoming / "a#2" / "a.jsonl", 2)
    [refused] = take_incoming(ws).arrived
    with ws.ledger.lease("tiny", 10) as lease:
        released = release(ws, lease, find_entry(ws, refused.batch), "mood")
    found = views.arrival(ws.ledger, released.batch)
    assert found is not None and (found.task, found.source) == ("mood", "a.jsonl")
    assert [each.batch for each in views.waiting(ws.ledger)] == [released.batch]


def test_a_task_has_one_name_whatever_unicode_form_names_it(ws: Workspace) -> None:
    """The folder, the argument, the column and the closed list name it in all four pairings."""
    composed, split = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for seed, (listed, named) in enumerate(((composed, split), (split, composed))):
        more = f"settle_seconds: 0, tasks: [{listed}]"
        (ws.root / "params.yaml").write_text(PARAMS.replace("settle_seconds: 0", more))
        again = open_workspace(ws.root)
        batch(again.incoming / named / f"{seed}.jsonl", 10 + seed)
        [dropped] = take_incoming(again).arrived
        file = batch(again.root / "b.jsonl", 10 + seed)
        assert arrival.arrive(again, file, named).batch == dropped.batch
        column = [{**row, "task": named} for row in rows(10 + seed)]
        write_jsonl(file, column)
        assert arrival.arrive(again, file, None).batch == dropped.batch
        write_jsonl(file, [{**row, "task": listed} for row in column])
        assert arrival.arrive(again, file, None).batch == dropped.batch
    assert {each.task for each in views.arrivals(ws.ledger)} == {composed}


@pytest.mark.parametrize("movable", [True, False])
def test_a_file_that_cannot_be_read_goes_aside_or_is_told_and_the_next_is_taken(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, movable: bool
) -> None:
    """Rights can't be taken from root, so the fault is made where the file is read."""
    bad = batch(ws.incoming / "bad.jsonl", 2)
    os.utime(bad, (1, 1))
    batch(ws.incoming / "next.jsonl", 3)
    read, replace = staging._read, Path.replace

    def failing(source: Path, opened: Any) -> bytes:
        if source == bad:
            raise staging._unreadable(source, OSError(errno.EIO, "Input/output error"))
        return read(source, opened)

    def stuck(path: Path, target: Path) -> Path:
        if path == bad and not movable:
            raise OSError(errno.EACCES, "Permission denied")
        return replace(path, target)

    monkeypatch.setattr(staging, "_read", failing)
    monkeypatch.setattr(Path, "replace", stuck)
    taken = take_incoming(ws)
    assert views.waiting(ws.ledger)[-1].source == "next.jsonl"
    if movable:
        refused = views.arrivals(ws.ledger)[0]
        assert refused.status == "refused" and "Input/output error" in refused.reason
        assert not bad.exists()
        kept = ws.root / str(find_entry(ws, refused.batch).stored_path)
        assert kept.exists() and ratchet(ws.root, "audit", "verify").code == 0
        kept.unlink()
        told = ratchet(ws.root, "audit", "verify")
        assert told.code == 4 and f"{refused.batch}/raw.jsonl: it is missing" in told.err
    else:
        assert bad.exists() and "can't be moved away" in taken.left[0].reason


def test_a_file_that_is_too_large_is_moved_aside_uncopied_and_comes_back_by_release(
    ws: Workspace,
) -> None:
    """A sparse file of a terabyte must not fill the disk, nor stop the one behind it."""
    huge = ws.incoming / "mood" / "huge.jsonl"
    size = batch(huge, 1).stat().st_size
    os.truncate(huge, 2**40)
    os.utime(huge, (1, 1))
    batch(ws.incoming / "next.jsonl", 2)
    [refused, taken] = take_incoming(ws).arrived
    assert refused.refused is not None and "larger than 200 MB on disk" in refused.refused
    assert taken.refused is None and not list(ws.incoming.rglob("*.jsonl"))
    kept = ws.root / str(find_entry(ws, refused.batch).stored_path)
    assert kept.stat().st_size == 2**40
    os.truncate(kept, size)
    with ws.ledger.lease("tiny", 10) as lease:
        released = release(ws, lease, find_entry(ws, refused.batch))
    assert released.batch != refused.batch and views.waiting(ws.ledger)[-1].task == "mood"


def test_two_unreadable_files_of_one_name_and_size_are_two(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(source: Path, _: Any) -> bytes:
        raise staging._unreadable(source, OSError(errno.EIO, "Input/output error"))

    monkeypatch.setattr(staging, "_read", failing)
    for task in ("mood", "tone"):
        os.utime(batch(ws.incoming / task / "a.jsonl", 1), (1, 1))
    assert len({each.batch for each in take_incoming(ws).arrived}) == 2
    assert not list(ws.incoming.rglob("*.jsonl"))


def test_folders_within_folders_a_thousand_deep_stop_nothing(ws: Workspace) -> None:
    deep = ws.incoming
    deep.mkdir(parents=True)
    before = Path.cwd()
    try:
        os.chdir(deep)
        for _ in range(3000):  # longer than any path may be
            Path("d").mkdir()
            os.chdir("d")
        os.chdir(before)
        batch(ws.incoming / "a.jsonl", 1)
        taken = take_incoming(ws)
        assert len(taken.arrived) == 1
        [left] = taken.left
        assert "can't be inspected: File name too long" in left.reason
        assert ratchet(ws.root, "status").code == 0
    finally:
        os.chdir(before)
        subprocess.run(["rm", "-rf", ws.incoming / "d"], check=True)


@pytest.mark.parametrize("name", [".leaving-", ".leaving-.", ".leaving-..", ".leaving-b.jsonl"])
def test_a_hidden_name_that_cannot_be_put_back_stops_nothing(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    batch(ws.incoming / name, 1)
    batch(ws.incoming / "a.jsonl", 2)

    def read_only(*_: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(staging, "_moved_to_free", read_only)
    taken = take_incoming(ws)
    assert len(taken.arrived) == 1 and (ws.incoming / name).exists()
    told = [left.reason for left in taken.left]
    assert "rename it to b.jsonl" in told[0] if name == ".leaving-b.jsonl" else not told


@pytest.mark.parametrize("content", ["{}", "[]", '{"payload": {}}', "[" * 100_000, "a pipe"])
def test_a_damaged_note_of_an_arrival_stops_nothing(ws: Workspace, content: str) -> None:
    mark = ws.mlruns / "arriving"
    assert ws.ledger.path.exists()
    if content == "a pipe":
        os.mkfifo(mark)
        os.mkfifo(ws.mlruns / "ledger.head")
    else:
        mark.write_text(content)
    batch(ws.incoming / "a.jsonl", 1)
    assert len(take_incoming(ws).arrived) == 1 and not mark.exists()


def test_a_parser_that_breaks_on_one_file_refuses_that_file(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise OverflowError("year 10000 is out of range")

    monkeypatch.setattr(arrival, "read_batch", breaks)
    batch(ws.incoming / "a.jsonl", 2)
    take_incoming(ws)
    [refused] = views.arrivals(ws.ledger)
    assert "a.jsonl makes the reader fail: OverflowError: year 10000" in refused.reason


def test_a_fault_of_the_ledger_ends_the_intake_with_nothing_lost(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {batch(ws.incoming / f"{seed}.jsonl", seed) for seed in range(3)}
    before = rows_seen_from(ws)

    def broken(*_: object) -> None:
        raise Corrupted("The ledger is broken.", "Restore it.")

    monkeypatch.setattr(Ledger, "append", broken)
    with pytest.raises(Corrupted):
        take_incoming(ws)
    assert all(path.exists() for path in names)
    monkeypatch.undo()
    assert sum(each.is_new for each in take_incoming(ws).arrived) == 2, "one was begun"
    assert len(views.waiting(ws.ledger)) == 3 and rows_seen_from(ws) == before


def test_bytes_that_lie_where_a_batch_belongs_are_moved_aside_not_overwritten(
    ws: Workspace, tmp_path: Path
) -> None:
    file = batch(tmp_path / "a.jsonl", 2)
    digest = arrival.arrive(open_workspace(_copy_of(ws, tmp_path)), file, "mood").batch
    stranger = batch_files.raw_path(ws, digest, ".jsonl")
    write_jsonl(stranger, rows(7))
    content = stranger.read_bytes()
    arrival.arrive(ws, file, "mood")
    assert stranger.read_bytes() == file.read_bytes()
    [aside] = (ws.root / "data" / "damaged" / digest).iterdir()
    assert aside.read_bytes() == content


def _copy_of(ws: Workspace, folder: Path) -> Path:
    (folder / "other").mkdir()
    (folder / "other" / "params.yaml").write_text((ws.root / "params.yaml").read_text())
    return folder / "other"


@pytest.mark.parametrize("lost", ["gone", "damaged"])
@pytest.mark.parametrize("sent", ["the same bytes", "the same rows"])
def test_a_copy_of_a_batch_whose_bytes_were_lost_is_kept(
    ws: Workspace, lost: str, sent: str
) -> None:
    file = batch(ws.incoming / "b.jsonl", 1)
    data = file.read_bytes()
    [first] = take_incoming(ws).arrived
    raw = raw_of(ws, first.batch)
    raw.unlink() if lost == "gone" else raw.write_bytes(b"{}")
    if sent == "the same rows":
        data = b"".join(reversed(data.splitlines(keepends=True)))
    file.write_bytes(data)
    [again] = take_incoming(ws).arrived
    assert (again.batch, again.is_new) == (first.batch, False)
    assert again.note is not None and not file.exists()
    aside = {path.read_bytes() for path in (ws.root / "data" / "damaged").rglob("*.jsonl")}
    if sent == "the same bytes":
        assert raw.read_bytes() == data and aside == ({b"{}"} if lost == "damaged" else set())
    else:
        assert aside == {data} and "data/damaged" in again.note
    assert not list((ws.root / "data" / "arriving").iterdir())
