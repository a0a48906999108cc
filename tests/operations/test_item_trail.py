"""One item, from its file to the versions that answered it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from components.ledger import views
from components.operations.item_trail import GONE, find_trail
from components.operations.mistakes import find_mistakes
from components.operations.same_items import named
from components.workspace.root import open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.stream import rows, settle, write_jsonl


def test_a_training_row_is_followed_to_its_line_and_its_version(grown: Path) -> None:
    ws = open_workspace(grown)
    first = views.arrivals(ws.ledger)[0]
    digest = views.split_side(ws.ledger, first.batch, "train")[3]
    trail = find_trail(ws, digest[:12])
    [place] = trail.batches
    assert trail.item == digest and not trail.exams and trail.gone is None
    assert (place.side, place.file, place.task) == ("train", "b1.jsonl", "mood")
    assert place.versions == {1: "former"}
    line = (grown / "b1.jsonl").read_text().splitlines()[(place.line or 0) - 1]
    assert json.loads(line) == {"text": trail.text, "label": trail.label}


def test_an_exam_item_has_its_file_and_the_answers_of_each_version(grown: Path) -> None:
    ws = open_workspace(grown)
    digest = views.held_items(ws.ledger, "mood")[0].item
    found = find_mistakes(ws, named(ws, "2"))  # both versions answer it
    trail = find_trail(ws, digest)
    [exam] = trail.exams
    assert (exam.exam, exam.brought_by, exam.confirmed) == ("mood", "exam.jsonl", True)
    assert {each.version for each in trail.answers} == {1, 2}
    wrong = {each.item for each in found.wrong()}
    [now] = [each for each in trail.answers if each.version == 2]
    assert now.right is (digest not in wrong)


def test_a_refused_row_says_why_and_where(grown: Path) -> None:
    bad = {"text": "good great fine", "label": 5}
    settle(grown, write_jsonl(grown / "b3.jsonl", [*rows(3, 60), bad]))
    ws = open_workspace(grown)
    refused = [
        json.loads(line)
        for path in ws.quarantine.glob("*/rows.jsonl")
        for line in path.read_text().splitlines()
    ]
    [digest] = [row["digest"] for row in refused if row["raw"] == bad | {"task": "mood"}
                or row["raw"] == bad]  # fmt: skip
    trail = find_trail(ws, digest[:16])
    [row] = trail.quarantine
    assert (row.file, row.line, row.status) == ("b3.jsonl", 61, "kept")
    assert any("label is not a string" in why for why in row.why)
    ran = ratchet(grown, "item", digest[:16])
    assert "Refused: line 61 of b3.jsonl" in ran.out and "quarantine export" in ran.out


def test_a_row_of_a_batch_that_was_refused_whole_is_found(grown: Path) -> None:
    sent = write_jsonl(grown / "b3.jsonl", rows(3, 4))  # fewer than data.min_rows
    assert settle(grown, sent).action == "refused"
    ws = open_workspace(grown)
    digest = ws.identity.item(rows(3, 4)[2]["text"], rows(3, 4)[2]["label"])
    trail = find_trail(ws, digest)
    [place] = trail.batches
    assert (place.side, place.line, place.status, place.versions) == (None, 3, "refused", {})
    assert "not split" in ratchet(grown, "item", digest).out


def test_a_corrected_label_links_both_items(grown: Path) -> None:
    ws = open_workspace(grown)
    old = find_trail(ws, views.held_items(ws.ledger, "mood")[0].item)
    right = {"text": old.text, "label": "pos" if old.label == "neg" else "neg"}
    file = write_jsonl(grown / "right.jsonl", [right])
    assert ratchet(grown, "exam", "relabel", "mood", file, "--reason", "wrong").code == 0
    new = ws.identity.item(right["text"], right["label"])
    assert find_trail(ws, old.item).became == new
    assert find_trail(ws, new).was == (old.item,)
    assert f"it was item {old.item[:12]}" in ratchet(grown, "item", new).out


def test_an_item_whose_bytes_are_gone_is_a_tombstone(grown: Path) -> None:
    ws = open_workspace(grown)
    first = views.arrivals(ws.ledger)[0]
    digest = views.split_side(ws.ledger, first.batch, "train")[0]
    for path in (ws.batches / first.batch[:2] / first.batch).iterdir():
        path.unlink()
    trail = find_trail(ws, digest)
    assert trail.text is None and trail.gone == GONE
    assert trail.batches[0].side == "train" and trail.batches[0].line is None
    ran = ratchet(grown, "item", digest)
    assert ran.code == 0 and GONE in ran.out and "a training row of version 1" in ran.out


@pytest.mark.parametrize(("prefix", "says"), [("f" * 40, "No item starts"), ("0", "items start")])
def test_none_or_several_are_said_in_one_paragraph(grown: Path, prefix: str, says: str) -> None:
    ran = ratchet(grown, "item", prefix)
    assert_one_paragraph(ran)
    assert ran.code == 2 and says in ran.err


def test_json_has_every_fact_and_control_characters_stay_in_the_data(grown: Path) -> None:
    text = "good great \x1b[31mfine\x1b[0m"
    settle(grown, write_jsonl(grown / "b3.jsonl", [*rows(3, 60), {"text": text, "label": "pos"}]))
    ws = open_workspace(grown)
    digest = ws.identity.item(text, "pos")
    told = ratchet(grown, "item", digest, "--json")
    assert told.facts["text"] == text and told.facts["item"] == digest
    assert "\x1b" not in ratchet(grown, "item", digest).out


def test_an_input_of_a_pool_has_what_people_said_of_it(waiting: Path) -> None:
    ws = open_workspace(waiting)
    [exam] = {each.exam for each in views.held_items(ws.ledger) if each.exam.endswith("#pool")}
    digest = views.held_items(ws.ledger, exam)[0].item
    trail = find_trail(ws, digest)
    assert trail.label is None and trail.text and not trail.given
    file = waiting / "questions.csv"
    assert ratchet(waiting, "label", "export", file).code == 0
    with file.open(encoding="utf-8-sig", newline="") as source:
        table = list(csv.DictReader(source))
    for row in table:
        row["label"] = row["choices"].split(" | ")[0]
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    assert ratchet(waiting, "label", "import", file).code in (0, 3)
    given = views.answers(ws.ledger, exam.partition("#")[0])
    item, [answer] = next(iter(given.items()))
    assert find_trail(ws, item).given == (answer.label,)
    shown = ratchet(waiting, "item", item).out
    assert f"Pool {exam}" in shown and f"people gave it: {answer.label}" in shown
