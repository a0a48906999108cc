"""Bugs that are planted to prove that the simulator finds them.

Concept: each replaces a real function by one with a fault that people do make. A recorded seed
finds it within `LIMIT` operations; the same seed without it finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 200
DROPPED_ONE_IN = 5
APART = "fresh process,damage,older copy"
NO_ARRIVALS = (
    "reconcile,rollback,release,holdout add,watch,settings,look,drop caches,keep a copy,"
    "growing file,write slowly,drop what is not a file"
)


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug. `seed` finds it, as one of `laws`; `without`: what plays no part."""

    plant: Callable[[], None]
    seed: int
    laws: tuple[str, ...]
    without: str = APART


def skip_the_copy_check() -> None:
    """Remove what was copied, and do not look whether it grew meanwhile."""
    from components.pipeline import incoming

    def let_go(source: Path, _: Any) -> bool:
        source.unlink(missing_ok=True)
        return True

    incoming.let_go = let_go


def unlink_early() -> None:
    """Remove a file from data/incoming before its arrival is recorded."""
    from components.pipeline import incoming, staging

    def stage(source: Path, folder: Path, max_megabytes: int) -> staging.Staged:
        staged = staging.stage(source, folder, max_megabytes)
        source.unlink()
        return staged

    incoming.stage = stage


def drop_the_outcome() -> None:
    """Lose one outcome in a few: the event is not appended, and nobody notices."""
    from components.ledger.ledger import Ledger

    append, seen = Ledger.append, 0

    def forgetful(self: Any, kind: str, payload: dict[str, Any], lease: Any) -> Any:
        nonlocal seen
        seen += kind.endswith(".done")
        if kind.endswith(".done") and seen % DROPPED_ONE_IN == 0:
            return None
        return append(self, kind, payload, lease)

    Ledger.append = forgetful  # type: ignore[method-assign]


BUGS = {
    "skip-copy-check": Bug(skip_the_copy_check, seed=1, laws=("lost",)),
    "unlink-early": Bug(unlink_early, seed=1, laws=("lost",), without=f"{APART},{NO_ARRIVALS}"),
    "drop-outcome": Bug(drop_the_outcome, seed=1, laws=("versions", "stuck", "interrupted")),
}


def plant(name: str) -> None:
    """Plant a bug in this process and all that it forks."""
    BUGS[name].plant()


def prove_all(folder: Path, side_by_side: int) -> list[dict[str, Any]]:
    """Run each bug under its recorded seed, with it and without; return what was found."""
    from tests.faults.runs import Plan, run_all

    def job(name: str, planted: str | None) -> tuple[Plan, int]:
        without = frozenset(BUGS[name].without.split(","))
        place = folder / name / ("with" if planted else "without")
        return Plan(place, operations=LIMIT, without=without, bug=planted), BUGS[name].seed

    jobs = [job(name, planted) for name in BUGS for planted in (name, None)]
    found = run_all(jobs, folder, side_by_side)
    return [_proof(name, *found[2 * i : 2 * i + 2]) for i, name in enumerate(BUGS)]


def _proof(name: str, planted: dict[str, Any], sound: dict[str, Any]) -> dict[str, Any]:
    return {
        "bug": name,
        "seed": BUGS[name].seed,
        "operations_with": planted["number"],
        "operations_without": sound["number"],
        "found": "; ".join(planted["wrong"][:2]),
        "found_without": "; ".join(sound["wrong"][:2]),
        "found_as_recorded": _is_of(planted["wrong"], BUGS[name].laws) and not sound["wrong"],
    }


def _is_of(wrong: list[str], laws: tuple[str, ...]) -> bool:
    return any(each.startswith(law) for each in wrong for law in laws)
