"""Two versions on the same items."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from components.ledger import views
from components.operations.same_items import named, sit
from components.operations.version_diff import VersionDiff, compare
from components.workspace.root import open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.stream import (
    FILLER,
    PARAMS,
    add_exam,
    batch,
    copied,
    make_root,
    rows,
    settle,
    write_jsonl,
)


@pytest.fixture(scope="module")
def stream_once(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grown root, then a new label in version 3, and a rejected version 4."""
    root = copied(grown_once, tmp_path_factory.mktemp("stream") / "root")
    pick = random.Random(1)
    new = [{"text": " ".join(pick.choices(FILLER, k=6)), "label": "none"} for _ in range(80)]
    third = settle(root, write_jsonl(root / "b3.jsonl", [*rows(3, 80), *new]))
    assert (third.action, third.version) == ("promoted", 3)
    assert settle(root, batch(root / "b4.jsonl", 4, 120, flip=True)).version == 4
    return root


@pytest.fixture
def stream(stream_once: Path, tmp_path: Path) -> Path:
    return copied(stream_once, tmp_path / "root")


def between(root: Path, first: int, second: int) -> VersionDiff:
    ws = open_workspace(root)
    return compare(ws, named(ws, str(first)), named(ws, str(second)))


def test_the_counts_are_those_of_the_same_items(stream: Path) -> None:
    ws = open_workspace(stream)
    found = between(stream, 2, 4)
    sitting = sit(ws, [named(ws, "2"), named(ws, "4")])
    own = [row for row in sitting.rows if row.item.label in sitting.labels[0]]
    [task] = found.tasks
    assert task.items == len(own) > 200
    assert task.broke == sum(row.right(0) and not row.right(1) for row in own)
    assert task.fixed == sum(row.right(1) and not row.right(0) for row in own)
    assert task.points == pytest.approx(100 * (task.fixed - task.broke) / task.items)
    assert task.low < task.points < task.high
    assert task.right[1] - task.right[0] == task.fixed - task.broke
    labels = found.groups["label"]
    assert sum(each.items for each in labels) == task.items
    assert sum(each.broke for each in labels) == task.broke


def test_a_poisoned_version_is_shown_worse_and_the_other_way_round_better(stream: Path) -> None:
    there, back = between(stream, 2, 4), between(stream, 4, 2)
    assert (there.tasks[0].shown, back.tasks[0].shown) == ("worse", "better")
    assert (there.tasks[0].low, there.tasks[0].high) == pytest.approx(
        (-back.tasks[0].high, -back.tasks[0].low)
    )
    assert {each.shown for each in between(stream, 2, 2).tasks} == {None}


def test_labels_that_one_of_them_lacks_stand_apart(stream: Path) -> None:
    there, back = between(stream, 2, 3), between(stream, 3, 2)
    assert (list(there.labels_gained), list(there.labels_lost)) == (["none"], [])
    assert (list(back.labels_gained), list(back.labels_lost)) == ([], ["none"])
    [new] = there.new_labels
    assert (new.label, new.of) == ("none", 3) and 0 <= new.right <= new.items
    assert new.low <= 100 * new.right / new.items <= new.high and new.high - new.low > 1
    assert new.items > 0 and [*back.new_labels] == [new]
    assert "none" not in {each.group for each in there.groups["label"]}


def test_lineage_names_the_batches_between(stream: Path) -> None:
    found = between(stream, 1, 3)
    assert found.common == 1 and [*found.steps[0]] == []
    assert [(each.version, each.source) for each in found.steps[1]] == [
        (2, "b2.jsonl"), (3, "b3.jsonl"),
    ]  # fmt: skip
    ws = open_workspace(stream)
    assert all(
        each.rows == len(views.split_side(ws.ledger, each.batch or "", "train"))
        for each in found.steps[1]
    )


def test_settings_that_changed_between_are_named(stream: Path) -> None:
    assert between(stream, 1, 2).settings == {}
    params = stream / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 6", "epochs: 7"))
    settle(stream, batch(stream / "b5.jsonl", 5))
    found = between(stream, 1, 5)
    assert found.settings == {"training.epochs": (6, 7)}
    assert found.parts["head.safetensors"] == "differs"


def test_the_command_says_who_is_better_and_takes_a_date(stream: Path) -> None:
    ran = ratchet(stream, "version", "diff", "2", "4")
    assert ran.code == 0 and "version 4 is worse" in ran.out and "next: ratchet errors 4" in ran.out
    assert "-0.0" not in ran.out
    wrong = int(re.findall(r"\(the ([\d,]+) items that it gets wrong\)", ran.out)[0])
    there = between(stream, 2, 4)
    [task], [new] = there.tasks, there.new_labels
    assert wrong == task.items - task.right[1] + new.items - new.right > 0
    same = ratchet(stream, "version", "diff", "1", "2").out
    assert "next: ratchet errors" not in same and "gets none of these items wrong" in same
    gained = ratchet(stream, "version", "diff", "2", "3").out
    assert "95 % interval" in gained
    today = views.pointer_history(open_workspace(stream).ledger)[0].time[:10]
    since = ratchet(stream, "version", "diff", "--since", today, "--json").facts
    champion = views.champion(open_workspace(stream).ledger)
    assert champion is not None
    assert [each["version"] for each in since["sides"]] == [champion.version] * 2
    early = ratchet(stream, "version", "diff", "--since", "2020-01-01")
    assert_one_paragraph(early)
    assert today in early.err
    assert ratchet(stream, "version", "diff").code == 2
    assert ratchet(stream, "version", "diff", "1", "2", "3").code == 2
    assert_one_paragraph(ratchet(stream, "version", "diff", "1", "9"))


def test_for_whom_is_told_by_the_slices_of_the_settings(tmp_path: Path) -> None:
    params = PARAMS.replace("data: {", "data: {slice_columns: [channel], ")
    root = make_root(tmp_path / "root", params)
    exam = [
        each | {"channel": "phone" if n % 4 == 0 else "mail"} for n, each in enumerate(rows(9, 160))
    ]
    add_exam(root, write_jsonl(root / "exam.jsonl", exam))
    for seed in (1, 2):
        settle(root, batch(root / f"b{seed}.jsonl", seed))
    found = between(root, 1, 2)
    slices = {each.group: each for each in found.groups["slice"]}
    held = open_workspace(root)
    brought = len(views.held_items(held.ledger, "mood"))
    assert set(slices) == {"channel mail", "channel phone"}
    assert sum(each.items for each in slices.values()) == brought
    ran = ratchet(root, "version", "diff", "1", "2")
    assert "By slice:" in ran.out
