"""Without a terminal a command says on stderr what it is at, in a line a phase."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import ratchet
from tests.server import Server
from tests.stream import batch

STEPS = [
    "reconcile",
    "validate",
    "store",
    "split",
    "pool",
    "train",
    "examine",
    "register",
    "settle",
]


def test_a_piped_run_says_its_steps_and_nothing_else(grown: Path, prefect_here: Server) -> None:
    ran = ratchet(grown, "run", batch(grown / "b3.jsonl", 3), "--task", "mood")
    assert ran.code == 0 and ran.out.startswith("promoted")
    assert ([*ran.phases], ran.err) == (STEPS, "")


@pytest.mark.parametrize("silent", ["--quiet", "--json"])
def test_whoever_wants_none_of_it_hears_none_of_it(
    grown: Path, prefect_here: Server, silent: str
) -> None:
    ran = ratchet(grown, "run", batch(grown / "b3.jsonl", 3), "--task", "mood", silent)
    assert (ran.code, ran.err, ran.phases) == (0, "", ())


def test_counted_work_outside_a_batch_is_a_phase(grown: Path) -> None:
    ran = ratchet(grown, "backup", grown.parent / "copy")
    assert (ran.code, ran.err, ran.phases) == (0, "", ("copying",))
