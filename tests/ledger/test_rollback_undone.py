"""Law 2: a rollback that is undone leaves the ledger's tables as if it had never been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.clock import system_clock
from components.ledger import views
from components.ledger.events import (
    BatchStarted,
    ChampionRolledBack,
    QuarantineReleased,
    SplitMade,
    VersionHeld,
    VersionRejected,
    VersionSuperseded,
)
from components.ledger.ledger import Lease, Ledger
from components.ledger.projections import Superseded
from components.ledger.verify import verify
from tests.ledger import story
from tests.ledger.story import arrival, digest, fast_folder, promotion, registration, undone

ROWS = st.lists(st.integers(0, 7), max_size=4)
BATCHES = st.lists(st.tuples(ROWS, ROWS), min_size=2, max_size=4)
LATER = st.lists(st.sampled_from(["run", "hold", "reject", "release"]), max_size=6)


def tables(ledger: Ledger) -> dict[str, Any]:
    return {
        "versions": views.versions(ledger),
        "held": sorted(map(str, views.held_items(ledger))),
        "inbox": views.arrivals(ledger),
        "probations": views.probations(ledger),
        "tasks": views.known_tasks(ledger),
    }


def grow(ledger: Ledger, lease: Lease, batches: list[tuple[list[int], list[int]]]) -> None:
    """Promote a version for each batch; their rows overlap as those of real batches may."""
    for number, (train, held) in enumerate(batches, 1):
        batch = digest("batch", number)
        ledger.append(arrival(batch), None)
        sides = {
            "train": [
                (digest(batch, n, "t"), digest("near", n), "mood") for n in sorted(set(train))
            ],
            "holdout": [
                (digest(batch, n, "h"), digest("near", n), "mood")
                for n in sorted(set(held) - set(train))
            ],
        }
        ledger.append(SplitMade(batch=batch, **sides, blocked=0), lease)
        parent = number - 1 or None
        ledger.append(registration(batch, number, parent), lease)
        ledger.append(promotion(number, parent), lease)


def happen(ledger: Ledger, lease: Lease, number: int, what: str) -> None:
    """Let something become of a batch that the rollback took out."""
    batch = digest("batch", number)
    if what == "run":
        ledger.append(BatchStarted(batch=batch), lease)
    elif what == "release":
        ledger.append(QuarantineReleased(batch=batch, kind_="batch", as_=batch), lease)
    else:
        again = len(views.versions(ledger)) + 1
        champion = views.champion(ledger)
        assert champion is not None
        ledger.append(registration(batch, again, champion.version, bundle=digest(again)), lease)
        decision = {"version": again, "batch": batch, "reason": ""}
        if what == "hold":
            ledger.append(VersionHeld(**decision), lease)
        else:
            ledger.append(VersionRejected(**decision, rows=1), lease)


@settings(max_examples=40, deadline=None)
@given(BATCHES, st.data(), LATER)
def test_whatever_became_of_the_batches_meanwhile_the_tables_are_as_before(
    batches: list[tuple[list[int], list[int]]], data: Any, later: list[str]
) -> None:
    with fast_folder() as folder:
        ledger = Ledger(folder / "ratchet.db", system_clock)
        with ledger.lease("model", 1) as lease:
            grow(ledger, lease, batches)
            before, newest = tables(ledger), len(batches)
            to = data.draw(st.integers(1, newest - 1))
            barred = list(range(newest, to, -1))
            requeued = [digest("batch", number) for number in barred[:-1]]
            ledger.append(story.rolled_back(to, barred, requeued, digest("batch", to + 1)), lease)
            for what in later:
                happen(ledger, lease, data.draw(st.sampled_from(barred)), what)
            for held in views.versions(ledger, status="held"):
                decision: dict[str, Any] = {"version": held.version, "batch": held.batch}
                ledger.append(VersionSuperseded(**decision, reason="", requeue=False), lease)
            [rollback] = views.told(ledger, ChampionRolledBack)
            ledger.append(undone(rollback), lease)
            after = tables(ledger)
            after["versions"] = after["versions"][:newest]
            assert after == before
            assert all(row.status == "released" for row in views.quarantined(ledger))
            with pytest.raises(Superseded):
                ledger.append(undone(rollback), lease)
            verify(ledger)


def test_an_undoing_that_fits_no_rollback_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ratchet.db", system_clock)
    with ledger.lease("model", 1) as lease:
        grow(ledger, lease, [([1], [2]), ([3], [4]), ([5], [6])])
        ledger.append(story.rolled_back(1, [3, 2], [digest("batch", 3)], digest("batch", 2)), lease)
        [rollback] = views.told(ledger, ChampionRolledBack)
        right, before = undone(rollback), story.contents(tmp_path / "ratchet.db")
        for wrong in (
            replace(right, rollback=right.rollback - 1),
            replace(right, to=2),
            replace(right, from_=2),
            replace(right, restored=[2]),
            replace(right, restored=[1, 2, 3]),
        ):
            with pytest.raises(Superseded, match="The champion changed"):
                ledger.append(wrong, lease)
        assert story.contents(tmp_path / "ratchet.db") == before
        ledger.append(right, lease)
        assert [each.version for each in views.lineage(ledger)] == [3, 2, 1]
