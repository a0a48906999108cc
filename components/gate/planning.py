"""What the current exams can detect: statistical power before there is a candidate.

Concept: a candidate's answers to an exam differ from the champion's on a share of the items
(the churn), for the better and for the worse. Given that share and a true loss, the counts
are a trinomial sample; drawn many times and judged as the gate judges, they say how often an
update like that would be promoted, held or rejected.

Promise: the verdicts are those of `paired_statistics`, on arrays; the same seed gives the same
figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from components.exam_names import task_of
from components.gate.paired_statistics import (
    EXACT_ITEMS,
    POWER,
    Changes,
    detectable_loss,
    holm_rows,
    limits,
    loss_p_value,
    p_values_not_above,
    score,
    upper_quantile,
)
from components.gate.verdicts import Rules

ROUNDS = 4000
"""Updates that are drawn for a forecast: a share is known to 0.8 points (standard error)."""

LABEL_ROUNDS = 400
"""First updates that are drawn to forecast labels."""

TIES = 0.3
"""Share of the inputs that two versions label differently of which both labels are wrong: so it
was on the rated sentences."""

Loss = Literal["everywhere", "on one task"]


@dataclass(frozen=True, slots=True)
class Sitting:
    """An exam as it will be sat.

    Args:
        exam: its name.
        items: how many.
        churn: share of items whose answer an update changes.
        anchor_churn: share of items that the champion answers otherwise than the anchor.
        charged: what the next candidate is charged for: `alpha_spending.count`.
        anchored: it is sat against the anchor as well.
        decides: it must be passed; what only backs another exam of its task can reject alone.
    """

    exam: str
    items: int
    churn: float
    anchor_churn: float = 0.0
    charged: float = 0.0
    anchored: bool = True
    decides: bool = True

    @property
    def size(self) -> int:
        """How many items it has, as `sources.choose` asks."""
        return self.items

    @property
    def in_batch(self) -> bool:
        """True: a plan is for batches of every task."""
        return True


@dataclass(frozen=True, slots=True)
class Forecast:
    """How often an update would be promoted, held and rejected; shares that add up to 1."""

    promoted: float
    held: float
    rejected: float


@dataclass(frozen=True, slots=True)
class LabelForecast:
    """How many labels a harmless update is asked for, of inputs that were not answered before.

    Args:
        churn: share of the inputs that it labels otherwise than the champion.
        median: in half of the updates, no more.
        nine_in_ten: in nine of ten, no more.
        none: share of the updates that need no label, in [0, 1].
    """

    churn: float
    median: int
    nine_in_ten: int
    none: float


@dataclass(frozen=True, slots=True)
class Found:
    """What one comparison says of many updates; arrays of one shape.

    Args:
        passed: the loss is shown within the margin, at the comparison's own level.
        beyond: it is shown above the margin, at alpha.
        p_values: one-sided, against "the loss is the margin or less".
    """

    passed: Any
    beyond: Any
    p_values: Any


def outcomes(
    worse: Any, better: Any, items: int, margin: float, alpha: float, level: Any = None
) -> Found:
    """Return what is found for arrays of counts.

    Args:
        worse: counts, any shape.
        better: counts, of the same shape.
        items: of the exam.
        margin: tolerated loss, in (0, 1].
        alpha: level of the rules.
        level: of letting pass, a number or of the shape of the counts; None for alpha.
    """
    levels = np.asarray(alpha if level is None else level)
    p_values = loss_p_values(worse, better, items, margin)
    if items <= EXACT_ITEMS:
        within = loss_p_values(better, worse, items, -margin)
        return Found(within <= levels, p_values <= alpha, p_values)
    passed = np.zeros(np.shape(worse), bool)
    for each in np.unique(levels):
        limit = limits(items, margin, float(each))[0]
        passed |= (levels == each) & (score(worse, better, items, limit) < -upper_quantile(each))
    beyond = score(better, worse, items, -limits(items, margin, alpha)[1]) < -upper_quantile(alpha)
    return Found(passed, beyond, p_values)


def loss_p_values(worse: Any, better: Any, items: int, margin: float = 0.0) -> Any:
    """Return `loss_p_value` of arrays of counts: against "the loss is `margin` or less"."""
    pairs, places = np.unique(worse * (items + 1) + better, return_inverse=True)
    lost, gained = np.divmod(pairs, items + 1)
    if items > EXACT_ITEMS:
        found = p_values_not_above(gained, lost, items, -margin)
    else:
        each = zip(lost.tolist(), gained.tolist(), strict=True)
        found = np.array([_exactly(*counts, items, margin) for counts in each])
    return found[places.reshape(np.shape(worse))]


def forecast(
    exams: Sequence[Sitting],
    loss: float,
    rules: Rules,
    seed: int = 0,
    where: Loss = "on one task",
    rounds: int = ROUNDS,
) -> Forecast:
    """Return what the gate would do with updates that truly lose `loss` (in [0, 1]).

    At the first look at each; on the exams of one task, each task as likely, or on all. The
    champion is taken to be as good as the anchor; drift and new tasks are left out.
    """
    if not exams:
        return Forecast(1.0, 0.0, 0.0)
    random = np.random.default_rng(seed)
    tasks = list(dict.fromkeys(task_of(exam.exam) for exam in exams))
    hit = random.integers(len(tasks), size=rounds)
    found: list[Found] = []
    for exam in exams:
        here = hit == tasks.index(task_of(exam.exam))
        lost = np.where((where == "everywhere") | here, loss, 0.0)
        sat = _sit(exam, lost[:, None], rules, random)
        found += sat if exam.decides else map(_not_asked, sat)
    rejected, promoted = decide(found, rules.at_look(0).alpha)
    shares = promoted.mean(), (~promoted & ~rejected).mean(), rejected.mean()
    return Forecast(*map(float, shares))


def _not_asked(found: Found) -> Found:
    """Return what only backs the exam that decides: it need not pass, but can reject."""
    return replace(found, passed=np.ones_like(found.passed))


def decide(found: Sequence[Found], alpha: float) -> tuple[Any, Any]:
    """Return which updates are rejected and which promoted.

    `found`: arrays of shape (updates, comparisons), side by side all comparisons of an update.
    """
    passed, beyond, p_values = (
        np.concatenate([getattr(each, name) for each in found], axis=-1)
        for name in ("passed", "beyond", "p_values")
    )
    rejected = (beyond & (holm_rows(p_values) <= alpha)).any(axis=-1)
    return rejected, passed.all(axis=-1) & ~rejected


def _sit(exam: Sitting, loss: Any, rules: Rules, random: np.random.Generator) -> Iterator[Found]:
    """Yield what is found against the champion and against the anchor, for drawn updates."""
    worse, better = draw(exam.items, exam.churn, loss, random)
    margin, alpha = rules.margin_points / 100, rules.at_look(0).alpha
    yield outcomes(worse, better, exam.items, margin, alpha)
    if not exam.anchored:
        return
    before = draw(exam.items, exam.anchor_churn, np.zeros_like(loss), random)
    worse, better = _fitting(worse + before[0], better + before[1], exam.items)
    margin = rules.anchor_margin_points / 100
    yield outcomes(worse, better, exam.items, margin, alpha, rules.anchor_alpha(exam.charged))


def _fitting(worse: Any, better: Any, items: int) -> tuple[Any, Any]:
    """Return the counts with so many pairs of worse and better undone that they fit the items."""
    excess = np.maximum(0, -((items - worse - better) // 2))
    return worse - excess, better - excess


def draw(items: int, usual_churn: float, loss: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """Return drawn (worse, better) for an array of true losses.

    The churn is at least the loss: what is lost was changed.
    """
    churn = np.maximum(usual_churn, loss)
    changed = random.binomial(items, churn)
    share = np.divide(churn + loss, 2 * churn, out=np.full_like(churn, 0.5), where=churn > 0)
    worse = random.binomial(changed, share)
    return worse, changed - worse


def labels_asked(inputs: int, churn: float, rules: Rules, seed: int = 0) -> LabelForecast:
    """Return what first updates that lose nothing are asked of a pool of `inputs`.

    One by one, in an order drawn by chance, until no open label could change the verdict, as
    `pools` decides it. The anchor is the champion still.
    """
    random = np.random.default_rng(seed)
    margin, alpha = rules.margin_points / 100, rules.at_look(0).alpha
    differing = random.binomial(inputs, churn, LABEL_ROUNDS)[:, None]
    steps = np.arange(int(differing.max()) + 1)
    chances = [(1 - TIES) / 2, (1 - TIES) / 2, TIES]
    said = random.choice([1, -1, 0], (LABEL_ROUNDS, len(steps)), p=chances)
    said[(steps == 0) | (steps > differing)] = 0  # before the first label, and after the last
    worse, better = np.cumsum(said == 1, axis=1), np.cumsum(said == -1, axis=1)
    unknown = np.maximum(differing - steps, 0)
    worst = outcomes(worse + unknown, better, inputs, margin, alpha)
    best = outcomes(worse, better + unknown, inputs, margin, alpha)
    certain = worst.passed | best.beyond | ~(best.passed | worst.beyond)
    labels = (certain | (unknown == 0)).argmax(axis=1)
    median, nine_in_ten = np.quantile(labels, [0.5, 0.9], method="higher")
    return LabelForecast(churn, int(median), int(nine_in_ten), float((labels == 0).mean()))


def detectable_points(exam: Sitting, alpha: float) -> float:
    """Return the smallest true loss, in points, that the exam notices in 4 cases of 5."""
    changed = round(exam.churn * exam.items)
    middle = Changes(changed // 2, changed - changed // 2, exam.items)
    return 100 * detectable_loss(middle, alpha)


def items_needed(exam: Sitting, exams: int, rules: Rules, power: float = POWER) -> int:
    """Return how many items an exam needs to let harmless updates pass, one among `exams`.

    Each of them passes an exam with chance `power ** (1 / exams)`, so all exams together with
    chance `power`. Found by drawing, in steps of 2 % from 9/10 of the normal limit upwards.
    """
    wanted, spread = power ** (1 / max(1, exams)), NormalDist()
    tests = (
        (exam.churn, rules.margin_points, rules.at_look(0).alpha),
        (
            exam.churn + exam.anchor_churn,
            rules.anchor_margin_points,
            rules.anchor_alpha(exam.charged),
        ),
    )
    limits = (
        (upper_quantile(level) + spread.inv_cdf(wanted)) ** 2 * churn / (points / 100) ** 2
        for churn, points, level in tests
    )
    items = max(2, int(0.9 * max(limits)))
    while True:
        random, none = np.random.default_rng(0), np.zeros(20 * ROUNDS)
        sat = _sit(replace(exam, items=items), none, rules, random)
        if np.logical_and.reduce([each.passed for each in sat]).mean() >= wanted:
            return items
        items += max(1, items // 50)


@lru_cache(maxsize=10_000)
def _exactly(worse: int, better: int, items: int, margin: float) -> float:
    return loss_p_value(Changes(worse, better, items), margin)
