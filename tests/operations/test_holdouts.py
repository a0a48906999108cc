"""Exams that people bring: generations, and the wall between them and training."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, DataRejected
from components.ledger import views
from components.operations.rollback import roll_back
from components.pipeline.exams import open_exams
from components.workspace.item_library import Library
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import PARAMS, add_exam, batch, rows, settle, write_jsonl


def allow_small_exams(root: Path) -> None:
    params = PARAMS.replace("holdout: {", "holdout: {min_items: 1, ")
    more = "gate: {margin_points: 40, anchor_margin_points: 40}"
    (root / "params.yaml").write_text(f"{params}\n{more}\n", encoding="utf-8")


def test_each_file_for_a_task_opens_the_next_generation(grown: Path) -> None:
    allow_small_exams(grown)
    added = [add_exam(grown, batch(grown / f"e{seed}.jsonl", seed, 20)) for seed in (910, 911)]
    added.append(add_exam(grown, batch(grown / "o.jsonl", 912, 20), "other/task é"))
    assert [each.exam for each in added] == ["mood#2", "mood#3", "other/task é"]
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    assert settled.version == 3
    ws = open_workspace(grown)
    version = views.version(ws.ledger, 3)
    assert version is not None
    exams = [each["exam"] for each in ws.read_document(version.evidence)["exams"]]
    own = ["mood", "mood#2", "mood#3", "mood#batches"]
    assert exams == own, "nobody knows the other task yet"
    joined = {i.exam for i in views.held_items(ws.ledger) if i.source == settled.batch}
    assert joined == {"mood#batches"}, "what people brought is never mixed with rows of batches"


def test_an_exam_can_be_filled_up_instead_of_opening_the_next(grown: Path) -> None:
    command = ("holdout", "add", grown / "more.jsonl", "--task", "mood", "--json")
    batch(grown / "more.jsonl", 930, 40)
    assert ratchet(grown, *command, "--fill").facts["exam"] == "mood"
    sizes = views.exam_sizes(open_workspace(grown).ledger)
    batch(grown / "more.jsonl", 931, 40)
    assert ratchet(grown, *command).facts["exam"] == "mood#2"
    assert list(sizes) == ["mood", "mood#batches"]


def test_the_same_file_twice_is_refused_and_changes_nothing(grown: Path) -> None:
    before = views.held_items(open_workspace(grown).ledger)
    said = r"none of its items is new \(held out already: \d+, trained on: \d+\)"
    with pytest.raises(DataRejected, match=said):
        add_exam(grown, grown / "exam.jsonl")
    assert views.held_items(open_workspace(grown).ledger) == before


def test_near_duplicates_of_trained_rows_are_left_out(grown: Path) -> None:
    ws = open_workspace(grown)
    trained = Library(ws).batch(
        views.arrivals(ws.ledger)[0].batch,
        views.split_side(ws.ledger, views.arrivals(ws.ledger)[0].batch, "train")[:10],
    )
    shouted = [{"text": f"{item.text.upper()} !", "label": item.label} for item in trained]
    added = add_exam(grown, write_jsonl(grown / "e.jsonl", [*shouted, *rows(913, 20)]))
    assert (added.items, added.trained, added.known) == (20, 10, 0)


def test_a_file_brought_again_after_a_rollback_adds_what_was_trained_on_before(
    grown: Path,
) -> None:
    """The first exam keeps its items: a second one never overwrites the file of the first."""
    allow_small_exams(grown)
    values = rows(2, 8) + rows(914, 8)
    file = write_jsonl(grown / "e.jsonl", values)
    first = add_exam(grown, file)
    assert first.trained > 0
    ws = open_workspace(grown)
    with ws.ledger.lease("tiny", 10) as lease:
        roll_back(ws, lease, 1, "by hand")
    second = add_exam(grown, file)
    assert (first.exam, second.exam) == ("mood#2", "mood#3")
    assert first.items + second.items == 16
    ws = open_workspace(grown)
    exams = {exam.name: exam for exam in open_exams(ws, views.exams(ws.ledger, 1000))}
    for added in (first, second):
        assert len(exams[added.exam].items) == added.items


def test_what_is_held_out_blocks_later_batches(grown: Path) -> None:
    allow_small_exams(grown)
    held = rows(915, 40)
    add_exam(grown, write_jsonl(grown / "e.jsonl", held))
    settled = settle(grown, write_jsonl(grown / "b3.jsonl", rows(3) + held))
    ws = open_workspace(grown)
    [split] = views.events(ws.ledger, kind="split.made", batch=settled.batch)
    assert '"blocked":40' in split.payload
    assert settled.action == "promoted"


def test_an_exam_is_its_tasks_whatever_unicode_form_names_the_task(grown: Path) -> None:
    composed, split = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    batch(grown / "e.jsonl", 940, 40)
    added = ratchet(grown, "holdout", "add", grown / "e.jsonl", "--task", split, "--json")
    assert added.facts["exam"] == composed
    assert settle(grown, batch(grown / "b3.jsonl", 3), composed).action == "promoted"
    exams = ratchet(grown, "holdout", "list", "--json").facts
    assert [(each["exam"], each["blocking"]) for each in exams] == [
        (composed, True),
        (f"{composed}#batches", True),
        ("mood", True),
        ("mood#batches", True),
    ]


def test_broken_rows_of_an_exam_are_counted_not_examined(grown: Path) -> None:
    values: list[dict[str, Any]] = [
        *rows(916, 30),
        {"text": None, "label": "pos"},
        {"text": "fine", "label": ""},
    ]
    added = add_exam(grown, write_jsonl(grown / "e.jsonl", values))
    assert (added.items, added.rejected) == (30, 2)


@pytest.mark.parametrize("task", ["mood#2", "", " ", "a\tb"])
def test_an_exam_needs_a_task_by_a_usable_name(grown: Path, task: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid task name"):
        add_exam(grown, batch(grown / "e.jsonl", 917, 20), task)


def test_rows_that_name_another_task_are_not_taken_for_this_one(grown: Path) -> None:
    values = [{**row, "task": "films"} for row in rows(918, 20)]
    with pytest.raises(DataRejected, match=r"line 1.*'films'"):
        add_exam(grown, write_jsonl(grown / "e.jsonl", values))
    same = [{**row, "task": "mood"} for row in rows(918, 20)]
    assert add_exam(grown, write_jsonl(grown / "e.jsonl", same)).items == 20


def test_a_missing_file_is_named(grown: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.jsonl"):
        add_exam(grown, grown / "nowhere.jsonl")
