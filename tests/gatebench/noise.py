"""What is assumed, and what becomes of it: exact labels, independent items.

First updates of one task, churn 5 %, at the level of a first look; 20,000 per cell. *Wrong labels*:
so many of the answers given are wrong, each by itself, and turn a loss into a gain or the other way
round (two labels, the worst case). A random tenth of the questions is asked twice; where the two
answers conflict it is taken as "cannot tell": a loss for PASS, a gain for FAIL. *Corrected*:
besides, half of the conflict rate is taken for the share of wrong answers, and so many answers are
moved from better to worse for PASS, and the other way round for FAIL; the rate is of all questions
asked twice so far: by this decision alone, or by twenty like it. *Clusters*: items come in fives
that change together, as rows of one conversation do; *one of five*: one item a cluster is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.gatebench.gates import GATE, MARGIN, above_p, first_look, within_p
from tests.page import Check, Section, opening

ROUNDS, CHURN = 20_000, 0.05
ITEMS, WRONG = (625, 1000, 2000), (0.0, 0.05, 0.1)
TWICE, BEFORE, CLUSTER = 0.1, 19, 5
WAYS = ("as given", "corrected, this decision's rate", "corrected, twenty decisions' rate")


def decided(worse: Any, better: Any, items: int) -> tuple[Any, Any]:
    """Return which counts pass and which fail; each may be a pair: for PASS, for FAIL."""
    passed = within_p((worse[0], better[0]), items, MARGIN) <= first_look()
    failed = above_p((worse[1], better[1]), items, MARGIN) <= GATE.alpha
    return passed, failed & ~passed


def noisy(items: int, loss: float, wrong: float, way: str, rounds: int) -> tuple[float, float]:
    """Return the shares promoted and rejected."""
    random = np.random.default_rng(items)
    chances = [(CHURN + loss) / 2, (CHURN - loss) / 2, 1 - CHURN]
    counts = random.multinomial(items, chances, rounds)
    asked = counts[:, :2]
    twice = random.binomial(asked, TWICE)
    conflicts = random.binomial(twice, 2 * wrong * (1 - wrong))
    # asked twice without a conflict: both are wrong, or neither
    both = random.binomial(twice - conflicts, wrong**2 / (wrong**2 + (1 - wrong) ** 2))
    flipped = both + random.binomial(asked - twice, wrong)
    told = asked - conflicts - flipped + flipped[:, ::-1]
    unknown, seen = conflicts.sum(1), twice.sum(1)
    doubt = unknown.copy()
    if way == WAYS[2]:
        others = random.binomial(BEFORE * items, CHURN * TWICE, rounds)
        doubt = doubt + random.binomial(others, 2 * wrong * (1 - wrong))
        seen = seen + others
    moved = np.zeros(rounds, int)
    if way != WAYS[0]:
        rate = np.divide(doubt, seen, out=np.zeros(rounds), where=seen > 0)
        moved = np.ceil(rate / 2 * told.sum(1) - 1e-9).astype(int)
    down, up = np.minimum(moved, told[:, 1]), np.minimum(moved, told[:, 0])
    worse = (told[:, 0] + unknown + down, told[:, 0] - up)
    better = (told[:, 1] - down, told[:, 1] + unknown + up)
    passed, failed = decided(worse, better, items)
    return float(passed.mean()), float(failed.mean())


def clustered(items: int, loss: float, kept: int, rounds: int) -> tuple[float, float]:
    """Return the shares promoted and rejected; `kept`: items counted of each cluster."""
    random = np.random.default_rng(items)
    chances = [(CHURN + loss) / 2, (CHURN - loss) / 2, 1 - CHURN]
    counts = kept * random.multinomial(items // CLUSTER, chances, rounds)
    pair = [(counts[:, place],) * 2 for place in (0, 1)]
    passed, failed = decided(pair[0], pair[1], items // CLUSTER * kept)
    return float(passed.mean()), float(failed.mean())


def measure(folder: Path, plots: Path) -> Section:
    """Break the assumptions one by one."""
    by_noise = {
        (items, wrong, way): (
            noisy(items, MARGIN, wrong, way, ROUNDS)[0],
            *noisy(items, 0.0, wrong, way, ROUNDS),
        )
        for items in ITEMS
        for wrong in WRONG
        for way in (WAYS if wrong else WAYS[:1])
    }
    by_cluster = {
        (items, kept): (
            clustered(items, MARGIN, kept, ROUNDS)[0],
            *clustered(items, 0.0, kept, ROUNDS),
        )
        for items in ITEMS
        for kept in (CLUSTER, 1)
    }
    exact = 100 * max(each[0] for (_, wrong, _), each in by_noise.items() if not wrong)
    repaired = 100 * max(each[0] for (_, _, way), each in by_noise.items() if way == WAYS[2])
    single = 100 * max(each[0] for (_, kept), each in by_cluster.items() if kept == 1)
    checks = [
        Check("a loss of 3 promoted, labels exact", exact, "at most", 5.0, " %"),
        Check("the same, up to 10 % wrong, corrected over twenty", repaired, "at most", 5.0, " %"),
        Check("the same, clusters of five, one of five kept", single, "at most", 5.0, " %"),
    ]
    text = "\n\n".join([opening(__doc__), _noise(by_noise), _clusters(by_cluster)])
    return Section("Wrong labels, and items that change together", checks, text)


def _noise(found: dict[Any, Any]) -> str:
    rows = [
        "| inputs | wrong labels | counts | a loss of 3 promoted | harmless promoted / rejected |",
        "|---|---|---|---|---|",
    ]
    for (items, wrong, way), (let_in, promoted, rejected) in found.items():
        rows.append(
            f"| {items:,} | {100 * wrong:g} % | {way} | {100 * let_in:.1f} % |"
            f" {100 * promoted:.1f} / {100 * rejected:.1f} % |"
        )
    return "\n".join(rows)


def _clusters(found: dict[Any, Any]) -> str:
    rows = [
        "| inputs, in fives | counted | a loss of 3 promoted | harmless promoted / rejected |",
        "|---|---|---|---|",
    ]
    for (items, kept), (let_in, promoted, rejected) in found.items():
        what = "all" if kept == CLUSTER else "one of five"
        rows.append(
            f"| {items:,} | {what} | {100 * let_in:.1f} % |"
            f" {100 * promoted:.1f} / {100 * rejected:.1f} % |"
        )
    return "\n".join(rows)
