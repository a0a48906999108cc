"""What fails after a decision was recorded changes nothing of it: the batch has had its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from components.errors import Retryable
from components.ledger import views
from components.operations.verification import verify
from components.pipeline import arrival, promotion, settlement
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.operations.test_approval import always
from tests.stream import batch, settle

T = TypeVar("T")


class Broken:
    """MLflow fails so many times when it is to follow, and then works again."""

    def __init__(self, patch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
        self.left, self._error, self._real = times, error, settlement.mirror_around
        patch.setattr(settlement, "mirror_around", self)
        patch.setattr(promotion, "mirror_around", self)

    def __call__(self, *given: object) -> None:
        if self.left:
            self.left -= 1
            raise self._error
        self._real(*given)  # type: ignore[arg-type]


def retrying(name: str, work: Callable[[], T]) -> T:
    """Run a step as Prefect does: a passing fault is tried again."""
    try:
        return work()
    except Retryable:
        return work()


def states(ws: Workspace) -> tuple[list[str], list[str]]:
    versions = [each.status for each in views.versions(ws.ledger)]
    return versions, [each.status for each in views.arrivals(ws.ledger)]


@pytest.mark.parametrize("held", [False, True], ids=["promoted", "held"])
def test_a_passing_fault_after_the_decision_is_tried_again_and_nothing_is_trained_twice(
    grown: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """Fault: the promoted batch was queued again, and trained on itself."""
    root = always(grown) if held else grown
    ws = open_workspace(root)
    arrived = arrival.arrive(ws, batch(root / "b3.jsonl", 3), "mood")
    Broken(monkeypatch, Retryable("MLflow is locked.", "Try again."), 1)
    done = run_batch(ws, arrived.batch, retrying)
    assert (done.action, done.version) == ("held" if held else "promoted", 3)
    last = "held" if held else "champion"
    assert [each[-1] for each in states(ws)] == [last, "held" if held else "promoted"]
    assert len(views.versions(ws.ledger)) == 3
    shown = ws.registry.version(3)
    assert shown is not None and shown.tags["ratchet.status"] == last


@pytest.mark.parametrize("error", [Retryable("MLflow is gone.", "Start it."), RuntimeError("odd")])
@pytest.mark.parametrize("held", [False, True], ids=["promoted", "held"])
def test_a_fault_that_stays_is_reported_and_leaves_the_decision(
    grown: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, held: bool
) -> None:
    """Fault: the batch was queued again; two versions of it were held, and jammed the queue."""
    root = always(grown) if held else grown
    ws = open_workspace(root)
    arrived = arrival.arrive(ws, batch(root / "b3.jsonl", 3), "mood")
    Broken(monkeypatch, error, 1)
    with pytest.raises(type(error)):
        run_batch(ws, arrived.batch)
    assert not views.waiting(ws.ledger)
    assert states(ws)[0][-1] == ("held" if held else "champion")
    following = settle(root, batch(root / "b4.jsonl", 4))
    assert following.action == ("held" if held else "promoted")
    assert len(views.versions(ws.ledger, batch=arrived.batch)) == 1
    shown = ws.registry.version(3)
    assert shown is not None
    assert shown.tags["ratchet.status"] == ("held" if held else "former")
    assert verify(ws, deep=True).findings == []
