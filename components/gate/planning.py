"""What the exams at hand can tell: power before there is a candidate.

Concept: a candidate's answers to an exam differ from the champion's on a share of the items
(the churn), for the better and for the worse. Given that share and a true loss, the counts
are a trinomial sample; drawn many times and judged as the gate judges, they say how often an
update like that would be promoted, held or rejected.

Promise: the verdicts are `paired`'s own, on arrays; the same seed gives the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from components.gate import paired
from components.gate.paired import Changes
from components.gate.verdicts import Rules

ROUNDS = 4000
"""Updates that are drawn for a forecast: a share is known to 0.8 points (standard error)."""

Loss = Literal["everywhere", "on one task"]


@dataclass(frozen=True, slots=True)
class Sitting:
    """An exam as it will be sat. `churn`: share of items whose answer an update changes."""

    exam: str
    items: int
    churn: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """How often an update would be promoted, held and rejected; shares that add up to 1."""

    promoted: float
    held: float
    rejected: float


def outcomes(worse: Any, better: Any, items: int, margin: float, alpha: float) -> tuple[Any, Any]:
    """Return, for arrays of counts, whether the loss is shown within the margin, and p-values.

    Args:
        worse: counts, any shape.
        better: counts, of the same shape.
        items: of the exam.
        margin: tolerated loss, in (0, 1].
        alpha: level of the non-inferiority test.

    Returns:
        PASS or not, and the one-sided p-values against "no loss", each of the counts' shape.
    """
    if items > paired.EXACT_ITEMS:
        spread = NormalDist()
        within = paired.score(worse, better, items, margin) <= spread.inv_cdf(alpha)
        return within, _normal_tail(paired.score(worse, better, items, 0.0))
    pairs, places = np.unique(np.stack([worse, better]), axis=1, return_inverse=True)
    found = np.array([_exactly(int(a), int(b), items, margin) for a, b in pairs.T])
    found = found[places.reshape(np.shape(worse))]
    return found[..., 0] <= alpha, found[..., 1]


def forecast(
    exams: Sequence[Sitting],
    loss: float,
    rules: Rules,
    seed: int = 0,
    where: Loss = "on one task",
    rounds: int = ROUNDS,
) -> Forecast:
    """Return what the gate would do with updates that truly lose `loss` (in [0, 1]).

    On one exam, each as likely, or on all. The anchor is taken to be the champion, so its
    wider margin never decides; drift and new tasks are left out.
    """
    if not exams:
        return Forecast(1.0, 0.0, 0.0)
    random = np.random.default_rng(seed)
    hit = random.integers(len(exams), size=rounds)
    passed, values = [], []
    for place, exam in enumerate(exams):
        lost = np.where((where == "everywhere") | (hit == place), loss, 0.0)
        worse, better = draw(exam, lost, random)
        found = outcomes(worse, better, exam.items, rules.margin_points / 100, rules.alpha)
        passed.append(found[0])
        values.append(found[1])
    return tally(np.stack(passed, axis=-1), np.stack(values, axis=-1), rules.alpha)


def draw(exam: Sitting, loss: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """Return drawn (worse, better) for an array of true losses.

    The churn is at least the loss: what is lost was changed.
    """
    churn = np.maximum(exam.churn, loss)
    changed = random.binomial(exam.items, churn)
    share = np.divide(churn + loss, 2 * churn, out=np.full_like(churn, 0.5), where=churn > 0)
    worse = random.binomial(changed, share)
    return worse, changed - worse


def tally(passed: Any, p_values: Any, alpha: float) -> Forecast:
    """Return the shares of the gate's actions; both arrays are (updates, exams)."""
    failed = ~passed & (paired.holm_rows(p_values) <= alpha)
    rejected = failed.any(axis=-1)
    promoted = passed.all(axis=-1)
    shares = promoted.mean(), (~promoted & ~rejected).mean(), rejected.mean()
    return Forecast(*map(float, shares))


def detectable_points(exam: Sitting, alpha: float) -> float:
    """Return the smallest true loss, in points, that the exam notices in 4 cases of 5."""
    changed = round(exam.churn * exam.items)
    middle = Changes(changed // 2, changed - changed // 2, exam.items)
    return 100 * paired.detectable_loss(middle, alpha)


def items_needed(churn: float, exams: int, rules: Rules, power: float = paired.POWER) -> int:
    """Return how many items each of `exams` exams needs to let harmless updates pass.

    Each of them passes an exam with chance `power ** (1 / exams)`, so all exams together with
    chance `power`. Found by drawing, from the normal limit upwards in steps of 2 %.
    """
    wanted = power ** (1 / max(1, exams))
    margin, spread = rules.margin_points / 100, NormalDist()
    distance = spread.inv_cdf(1 - rules.alpha) + spread.inv_cdf(wanted)
    items = max(2, int(distance**2 * churn / margin**2))
    while True:
        random = np.random.default_rng(0)
        worse, better = draw(Sitting("", items, churn), np.zeros(20 * ROUNDS), random)
        if outcomes(worse, better, items, margin, rules.alpha)[0].mean() >= wanted:
            return items
        items += max(1, items // 50)


@lru_cache(maxsize=10_000)
def _exactly(worse: int, better: int, items: int, margin: float) -> tuple[float, float]:
    changes = Changes(worse, better, items)
    return paired.within_p_value(changes, margin), paired.loss_p_value(changes)


def _normal_tail(score: Any) -> Any:
    from scipy.special import ndtr

    return ndtr(-score)
