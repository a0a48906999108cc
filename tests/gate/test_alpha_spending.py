"""How alpha is shared out over looks at one batch and over the candidates of a task."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gate.alpha_spending import (
    FAR,
    NOTICED,
    OVERUSED_AFTER,
    count,
    look_share,
    share,
    spent,
)
from components.gate.paired_statistics import score
from components.gate.verdicts import Rules

RULES = Rules(3.0, 6.0)


@given(st.integers(0, 2000))
def test_the_shares_add_up_to_what_is_spent_and_never_to_more_than_all(turned_away: int) -> None:
    together = sum(share(each) for each in range(turned_away))
    assert together == pytest.approx(spent(turned_away))
    assert together < 1


def test_an_overused_exam_passes_at_less_than_a_hundredth() -> None:
    assert share(OVERUSED_AFTER) < 0.01 < share(OVERUSED_AFTER - 1)


def test_the_looks_at_a_batch_share_alpha() -> None:
    assert [look_share(look) for look in range(4)] == pytest.approx([0.8, 0.1, 0.05, 0.025])
    assert 0.999999 < sum(look_share(look) for look in range(30)) <= 1


def test_what_was_held_counts_only_while_its_items_are_in_use() -> None:
    assert count(0, []) == 0
    assert count(1, [1.0, 1.0, 0.5]) == 3.5
    assert count(1, [0.0, 0.0]) == 1


def test_passing_and_moving_together_keep_to_alpha() -> None:
    passing = sum(RULES.anchor_alpha(spent_) / NOTICED for spent_ in range(5000))
    assert passing + RULES.horizon * RULES.move_alpha == pytest.approx(RULES.alpha, rel=1e-3)


def test_earlier_examinations_keep_the_levels_that_they_were_decided_at() -> None:
    told = {"margin_points": 3.0, "anchor_margin_points": 6.0, "checks": {}}
    earlier = Rules.from_json(told)
    assert earlier.anchor_alpha(0) == pytest.approx(0.05 / 2 * 2 / 3)
    assert earlier.move_alpha == 0.05 / 200
    assert Rules.from_json(asdict(RULES)) == RULES
    assert Rules.from_json(asdict(earlier)) == earlier


@pytest.mark.parametrize("items", [150, 400, 1000, 2000])
@pytest.mark.parametrize("churn", [0.07, 0.1, 0.25])
def test_a_bad_candidate_spends_at_least_so_often_as_the_proof_takes(
    items: int, churn: float
) -> None:
    from scipy.special import ndtr

    random, margin = np.random.default_rng(items), 0.06
    for loss in (0.06, 0.065, 0.07):
        draws = random.multinomial(
            items, [(churn + loss) / 2, (churn - loss) / 2, 1 - churn], 40_000
        )
        statistic = score(draws[:, 0], draws[:, 1], items, margin)
        far = (ndtr(statistic) > FAR) & (ndtr(-statistic) > RULES.alpha)
        for level in (RULES.anchor_alpha(0), RULES.anchor_alpha(2)):
            passed = (ndtr(statistic) <= level).mean()
            assert passed <= 1.15 * level * far.mean() / NOTICED + 0.001


@pytest.mark.parametrize("step", [0.0, 0.02, 0.03, 0.04, 0.05, 0.06])
@pytest.mark.parametrize("tasks", [1, 5])
def test_the_proof_holds_also_where_the_comparison_with_the_champion_rejects(
    step: float, tasks: int
) -> None:
    """In the normal limit; `step`: true loss against the champion, its margin being 0.03."""
    from scipy.special import ndtri

    one, other = np.random.default_rng(0).standard_normal((2, 400_000))
    bar = -ndtri(RULES.alpha / (2 * tasks))
    for items in (150, 400, 1000, 2000):
        for loss in (0.06, 0.07, 0.09):
            churns = np.maximum([0.05, 0.2], [step, loss])
            spread = np.sqrt((churns - np.square([step, loss])) / items)
            shared = np.sqrt(churns[0] / churns[1])
            champion = (step - 0.03) / spread[0] + one
            anchor = (loss - 0.06) / spread[1] + shared * one + np.sqrt(1 - shared**2) * other
            far = (anchor > ndtri(FAR)) & (champion <= bar) & (anchor <= bar)
            for told in (0, 1):
                level = RULES.anchor_alpha(told)
                passed = (anchor < ndtri(level)) & (champion < ndtri(0.04))
                assert passed.mean() <= level * far.mean() / NOTICED + 2e-4
