"""A batch that others pass again and again while its labels are awaited comes first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from components.clock import system_clock
from components.ledger import views
from components.operations import labelling
from components.operations.between_batches import Between
from components.operations.quarantine_release import release_held
from components.pipeline import arrival
from components.pipeline.precedence import awaited_first, next_batch
from components.workspace.root import Workspace, open_workspace
from flows.intake import drain
from flows.retrain import run_batch
from flows.steps import leased
from tests.command import ratchet
from tests.pools import asked, truth
from tests.stream import batch, settle

STEADY = "learning_rate: 0.003, head_learning_rate: 0.03"
SLOW = "learning_rate: 1.0e-7, head_learning_rate: 1.0e-7"


def pass_by(root: Path, seed: int) -> None:
    """Promote a batch that changes next to nothing; then answer one label of the one that waits."""
    params = root / "params.yaml"
    params.write_text(params.read_text().replace(STEADY, SLOW))
    assert settle(root, batch(root / f"b{seed}.jsonl", seed, 30)).action == "promoted"
    params.write_text(params.read_text().replace(SLOW, STEADY))
    ws = open_workspace(root)
    question = asked(root)[0]
    labelling.answer(ws, question, "label", truth(question.text))
    (released,) = Between().do(ws, leased).released
    assert next_batch(ws) == released, "the oldest one runs next"
    assert run_batch(ws, released).action == "held"


@pytest.fixture
def passed_twice(waiting: Path) -> Path:
    """A root whose held batch was passed by two others."""
    pass_by(waiting, 3)
    assert awaited_first(open_workspace(waiting)) is None, "once is no reason to wait"
    pass_by(waiting, 4)
    return waiting


def run_all(ws: Workspace) -> list[str]:
    """Drain the inbox without Prefect; return what became of each batch."""
    outcomes = drain(ws, run=lambda root, batch: {"action": run_batch(ws, batch).action})
    return [each["action"] for each in outcomes]


def test_later_batches_wait_for_its_labels_until_they_are_there_or_the_days_are_over(
    passed_twice: Path,
) -> None:
    ws = open_workspace(passed_twice)
    first = awaited_first(ws)
    assert first is not None and first.arrival.source == "b2.jsonl"
    later = arrival.arrive(ws, batch(passed_twice / "b5.jsonl", 5, 30), "mood").batch
    assert run_all(ws) == [] and next_batch(ws) is None
    said = ratchet(passed_twice, "status").out
    assert f"Later batches wait for the labels of batch {first.arrival.batch[:12]}" in said
    week = replace(ws, clock=lambda: system_clock() + timedelta(days=7, minutes=1))
    assert next_batch(week) == later, "nobody answers: it goes on"
    while questions := asked(passed_twice):
        labelling.answer(ws, questions[0], "label", truth(questions[0].text))
    (released,) = Between().do(ws, leased).released
    assert next_batch(ws) == released == first.arrival.batch
    run_batch(ws, released)
    assert next_batch(ws) == later, "its labels are there, whatever came of them"


def test_without_days_nobody_waits(passed_twice: Path) -> None:
    params = passed_twice / "params.yaml"
    params.write_text(f"{params.read_text()}gate: {{wait_days: 0}}\n")
    ws = open_workspace(passed_twice)
    later = arrival.arrive(ws, batch(passed_twice / "b5.jsonl", 5, 30), "mood").batch
    assert awaited_first(ws) is None and next_batch(ws) == later


def test_what_a_person_released_by_hand_counts_for_nothing(waiting: Path) -> None:
    ws = open_workspace(waiting)
    for _ in range(3):
        held = views.held_batches(ws.ledger)[0]
        with leased(ws) as lease:
            release_held(ws, lease, held, "released")
        run_batch(ws, held.batch)
    assert awaited_first(ws) is None
