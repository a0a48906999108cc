"""One batch is one batch: whatever the file is called, however its rows stand, it trains once."""

from __future__ import annotations

import csv
import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, DataRejected
from components.ledger import views
from components.operations.quarantine_release import find_entry, release
from components.pipeline.arrival import Arrived, arrive
from components.pipeline.incoming import Taken, incoming_files, take_incoming
from components.workspace.batch_files import items_path
from components.workspace.root import open_workspace
from flows.retrain import run_batch
from tests.stream import PARAMS, batch, rows, settle, write_jsonl


def as_csv(path: Path, values: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["label", "text"])
        writer.writeheader()
        writer.writerows(values)
    return path


def test_the_same_batch_in_any_clothes_trains_once(grown: Path, tmp_path: Path) -> None:
    values = rows(3)
    shuffled = random.Random(0).sample(values, len(values))
    bom = tmp_path / "windows.csv"
    first = settle(grown, write_jsonl(tmp_path / "first.jsonl", values))
    as_csv(tmp_path / "table.csv", values)
    bom.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "table.csv").read_bytes())
    again = [
        tmp_path / "first.jsonl",
        write_jsonl(tmp_path / "other name.jsonl", values),
        write_jsonl(tmp_path / "shuffled.ndjson", shuffled),
        tmp_path / "table.csv",
        bom,
    ]
    assert [settle(grown, file) for file in again] == [first] * len(again)
    ws = open_workspace(grown)
    assert [version.version for version in views.versions(ws.ledger)] == [1, 2, 3]
    assert len(ws.registry.versions()) == len(list(ws.bundles.iterdir())) == 3
    assert sum(event.kind == "batch.arrived" for event in views.events(ws.ledger)) == 3


def test_a_row_more_makes_another_batch(grown: Path, tmp_path: Path) -> None:
    ws = open_workspace(grown)
    one = arrive(ws, write_jsonl(tmp_path / "one.jsonl", rows(3)), "mood")
    two = arrive(ws, write_jsonl(tmp_path / "two.jsonl", [*rows(3), rows(3)[0]]), "mood")
    assert one.is_new and two.is_new and one.batch != two.batch


def test_what_differs_only_in_its_tasks_or_other_columns_is_a_batch_of_its_own(
    root: Path, tmp_path: Path
) -> None:
    """Text and label alone say too little: a mended task, or a slice, would be thrown away."""
    ws = open_workspace(root)
    plain, empty = rows(3, 20), {"text": None, "label": None}
    files = {
        "first": (plain, "mood"),
        "another task": (plain, "tone"),
        "tasks in rows": ([row | {"task": "tickets"} for row in plain], "mood"),
        "a column more": ([row | {"channel": "mail"} for row in plain], "mood"),
        "a number": ([row | {"task": 1} for row in plain], "mood"),
        "its words": ([row | {"task": "1"} for row in plain], "mood"),
        "no labels": ([empty | {"body": row["text"]} for row in plain], "mood"),
        "other bodies": ([empty | {"body": row["label"]} for row in plain], "mood"),
    }
    taken = {
        name: arrive(ws, write_jsonl(tmp_path / f"{name}.jsonl", values), task)
        for name, (values, task) in files.items()
    }
    assert all(arrived.is_new for arrived in taken.values())
    assert len({arrived.batch for arrived in taken.values()}) == len(files)
    assert {name for name, arrived in taken.items() if arrived.alike is None} == {
        "first",
        "no labels",
    }
    for name, (values, task) in files.items():
        again = arrive(ws, write_jsonl(tmp_path / "again.ndjson", values[::-1]), task)
        assert (again.batch, again.is_new) == (taken[name].batch, False), name


def test_columns_without_a_value_and_the_name_of_the_task_where_it_stands_do_not_count(
    root: Path, tmp_path: Path
) -> None:
    ws, plain = open_workspace(root), rows(3, 20)
    first = arrive(ws, write_jsonl(tmp_path / "a.jsonl", plain), "mood")
    empty = [row | {"channel": None, "task": None} for row in plain]
    named = [row | {"task": "mood"} for row in plain]
    for values in (empty, named):
        again = arrive(ws, write_jsonl(tmp_path / "b.jsonl", values), "mood")
        assert not arrive(ws, tmp_path / "b.jsonl", None).is_new, "who names no task means that one"
        assert again == Arrived(first.batch, is_new=False, source="b.jsonl", known_as="a.jsonl")


def test_the_same_rows_for_another_task_train_and_are_read_again(
    grown: Path, tmp_path: Path
) -> None:
    first = settle(grown, batch(tmp_path / "a.jsonl", 3), "mood")
    other = settle(grown, batch(tmp_path / "b.jsonl", 3), "tone")
    assert other.batch != first.batch and other.action in ("promoted", "held", "rejected")
    assert {item["task"] for item in accepted(grown, other.batch)} == {"tone"}


def test_a_name_in_a_closed_list_is_mended_by_sending_the_file_again_or_by_release(
    grown: Path, tmp_path: Path
) -> None:
    closed = PARAMS.replace("min_rows: 10", "min_rows: 10, tasks: [mood, tone]")
    (grown / "params.yaml").write_text(closed)
    typed = [row | {"task": "mode"} for row in rows(3)]
    refused = settle(grown, write_jsonl(tmp_path / "typed.jsonl", typed))
    assert refused.action == "refused" and "unknown task" in refused.headline
    mended = settle(grown, write_jsonl(tmp_path / "typed.jsonl", rows(3)))
    assert mended.action == "promoted"
    ws = open_workspace(grown)
    with ws.ledger.lease("tiny", 10) as lease:
        released = release(ws, lease, find_entry(ws, refused.batch), "tone")
    assert released.batch not in (refused.batch, mended.batch)
    assert run_batch(ws, released.batch).action in ("promoted", "held", "rejected")
    assert {item["task"] for item in accepted(grown, released.batch)} == {"tone"}


def accepted(root: Path, batch: str) -> list[dict[str, Any]]:
    lines = items_path(open_workspace(root), batch).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_an_unreadable_file_arrives_once_and_stays_refused(root: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b'{"text": "caf\xe9", "label": "pos"}\n')
    ws = open_workspace(root)
    first = arrive(ws, broken, "mood")
    again = arrive(ws, broken.rename(tmp_path / "renamed.jsonl"), None)
    assert again == Arrived(
        first.batch, is_new=False, source="renamed.jsonl", known_as="broken.jsonl"
    )
    [arrival] = views.arrivals(ws.ledger)
    assert (arrival.status, arrival.source) == ("refused", "broken.jsonl")
    assert "not UTF-8" in arrival.reason
    raw = ws.batches / first.batch[:2] / first.batch / "raw.jsonl"
    assert raw.read_bytes().startswith(b'{"text": "caf\xe9')


def test_a_folder_in_incoming_names_the_task(root: Path) -> None:
    ws = open_workspace(root)
    batch(ws.incoming / "mood" / "a.jsonl", 1)
    batch(ws.incoming / "b.jsonl", 2)
    assert all(arrived.is_new for arrived in take_incoming(ws).arrived)
    assert {a.source: a.task for a in views.arrivals(ws.ledger)} == {
        "a.jsonl": "mood",
        "b.jsonl": "default",
    }
    assert incoming_files(ws) == []


def test_the_oldest_arrival_is_first_in_the_queue(root: Path) -> None:
    ws = open_workspace(root)
    for age, name in enumerate(["new", "old", "oldest"]):
        file = batch(ws.incoming / f"{name}.jsonl", age)
        os.utime(file, (1_000_000 - age, 1_000_000 - age))
    take_incoming(ws)
    assert [a.source for a in views.waiting(ws.ledger)] == [
        "oldest.jsonl", "old.jsonl", "new.jsonl",
    ]  # fmt: skip


def test_files_that_are_still_being_written_are_left(root: Path) -> None:
    ws = open_workspace(root)
    for name in ("half.part", ".hidden.jsonl", "half.jsonl.tmp", "README.md"):
        (ws.incoming / name).parent.mkdir(parents=True, exist_ok=True)
        (ws.incoming / name).write_text("{")
    assert take_incoming(ws) == Taken()


def test_two_who_take_in_at_once_share_the_files(root: Path) -> None:
    for seed in range(8):
        batch(root / "data" / "incoming" / f"{seed}.jsonl", seed, 10)
    taken: list[list[Arrived]] = []
    threads = [
        threading.Thread(target=lambda: taken.append(take_incoming(open_workspace(root)).arrived))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 2 and len({a.batch for part in taken for a in part}) == 8
    assert len(views.arrivals(open_workspace(root).ledger)) == 8


def test_a_folder_is_no_batch(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match="is a folder"):
        arrive(open_workspace(root), tmp_path, None)
    assert views.arrivals(open_workspace(root).ledger) == []


@pytest.mark.parametrize("task", ["", "  ", "mood#2", "#", "two\nlines", "\udcff", "nul\0"])
def test_a_task_that_cannot_be_told_apart_or_printed_is_refused(root: Path, task: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid task name"):
        arrive(open_workspace(root), batch(root / "b.jsonl", 1), task)


def test_a_file_name_that_is_no_utf8_arrives_all_the_same(root: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    broken = tmp_path / os.fsdecode(b"kaputt\xff.jsonl")
    batch(odd, 1)
    broken.write_bytes(b"")
    ws = open_workspace(root)
    assert arrive(ws, odd, "mood").is_new and arrive(ws, broken, "mood").is_new
    assert [a.source for a in views.arrivals(ws.ledger)] == [
        r"caf\udce9.jsonl",
        r"kaputt\udcff.jsonl",
    ]
    json.dumps([a.reason for a in views.arrivals(ws.ledger)]).encode()
