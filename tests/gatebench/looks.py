"""A champion that is fine, looked at a thousand times.

Each look comes after five more items of its exam; the champion and the ancestor it is held
against are equally good and differ on 6 % of the items. *watch*: the anytime-valid test of
`ratchet watch`. *each look*: the usual test at the same level, repeated each time. Below that, the
same for a champion that really lost 3 points, and after how many items `watch` reports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.gate import anytime
from components.gate.paired_statistics import Changes
from components.gate.planning import outcomes
from tests.page import Check, Section, opening

LOOKS, ITEMS_A_LOOK, STREAMS, CHURN, ALPHA = 1000, 5, 400, 0.06, 0.05
TRUE_LOSS = 0.03


def counts(loss: float, seed: int) -> tuple[Any, Any]:
    """Return cumulated (worse, better), (streams, looks)."""
    random = np.random.default_rng(seed)
    size = (STREAMS, LOOKS)
    changed = random.binomial(ITEMS_A_LOOK, CHURN, size)
    worse = random.binomial(changed, (CHURN + loss) / (2 * CHURN))
    return worse.cumsum(1), (changed - worse).cumsum(1)


def first_alarms(worse: Any, better: Any) -> list[int | None]:
    """Return at which number of items `watch` names a loss, stream by stream; None: never."""
    found: list[int | None] = []
    for losses, gains in zip(worse, better, strict=True):
        items = (
            ITEMS_A_LOOK * (place + 1)
            for place, (a, b) in enumerate(zip(losses, gains, strict=True))
            if anytime.shows_loss(Changes(int(a), int(b), ITEMS_A_LOOK * (place + 1)), ALPHA)
        )
        found.append(next(items, None))
    return found


def each_look(worse: Any, better: Any) -> float:
    """Return the share of streams in which the usual test alarms at some look."""
    sizes = ITEMS_A_LOOK * np.arange(1, LOOKS + 1)
    alarmed = np.zeros(STREAMS, bool)
    for place, items in enumerate(sizes):
        if items > 60:  # below, the usual test is enumerated; it would only add alarms
            found = outcomes(worse[:, place], better[:, place], int(items), 1.0, ALPHA)
            alarmed |= found.p_values <= ALPHA
    return float(alarmed.mean())


def measure(folder: Path, plots: Path) -> Section:
    """Look."""
    fine, bad = counts(0.0, 1), counts(TRUE_LOSS, 2)
    alarms, seen = first_alarms(*fine), first_alarms(*bad)
    false = 100 * sum(each is not None for each in alarms) / STREAMS
    usual = 100 * each_look(*fine)
    noticed = sorted(each for each in seen if each is not None)
    checks = [Check("false alarms over all looks", false, "at most", 100 * ALPHA, " %")]
    text = "\n\n".join(
        [
            opening(__doc__),
            f"{STREAMS} champions, {LOOKS:,} looks each. Falsely alarmed: *watch* {false:.1f} %,"
            f" *each look* {usual:.1f} %. Of champions that lost 3 points,"
            f" {100 * len(noticed) / STREAMS:.1f} % were detected, after"
            f" {int(np.median(noticed)):,} items (median)."
            if noticed
            else "Nothing was noticed.",
        ]
    )
    return Section("Looking again and again", checks, text)
