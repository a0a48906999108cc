"""Concept drift: the champion's errors on new rows, over all looks at one champion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import fisher_exact

from components.evaluation.drift.concept import _strata, concept, excess_p_value
from components.evaluation.drift.findings import Measured
from components.evaluation.drift.samples import Answered, Chance
from components.settings.drift import DriftPolicies, DriftSettings
from tests.evaluation.sides import Past, compared, find, side

HELD: Answered = {"t": {"a": (100, 20), "b": (100, 20)}}


def told(answered: Answered, since: Sequence[Answered] = (), held: Answered = HELD) -> Measured:
    past = Past(held=held, answered=answered, since=since)
    found = concept(compared(side(1, 5), side(2, 5), past), Chance(20, 0))
    assert isinstance(found, Measured)
    return found


def test_turned_labels_are_found_and_the_label_is_named() -> None:
    past = Past(held=HELD, answered={"t": {"a": (60, 14), "b": (60, 40)}})
    found = find(compared(side(1), side(2), past))["concept"]
    assert found.drifted and found.effect == pytest.approx(100 * 30 / 120)
    assert "54 of 120 wrong, mostly b (40 of 60)" in found.sentence
    assert found.classes[0].name == "b"


@pytest.mark.parametrize(
    ("wrong", "asks"), [(28, "note"), (32, "hold")], ids=["moved", "contradicts"]
)
def test_labels_that_contradict_by_far_hold_the_batch(wrong: int, asks: str) -> None:
    past = Past(held=HELD, answered={"t": {"a": (100, wrong), "b": (100, 42)}})
    found = find(compared(side(1), side(2), past))["concept"]
    assert found.drifted and found.effect == pytest.approx((wrong + 42 - 40) / 2)
    assert found.policy == asks
    limit = {"note": "5.0", "hold": "15.0"}[asks]
    assert f"; the limit is {limit} points (" in found.sentence, "the one that decided"
    assert ("if the labels are wrong, send the rows again" in found.remedy) == (asks == "hold")
    ignored = DriftSettings(policies=DriftPolicies(concept="ignore"))
    assert "concept" not in find(compared(side(1), side(2), past), ignored)


def test_other_shares_of_harder_labels_are_no_concept_drift() -> None:
    held = {"t": {"easy": (300, 15), "hard": (300, 150)}}
    assert told({"t": {"easy": (10, 0), "hard": (190, 95)}}, held=held).p_value > 0.3


def test_in_one_label_the_test_is_that_of_fisher() -> None:
    given = told({"t": {"a": (50, 19)}})
    expected = fisher_exact([[19, 31], [20, 80]], alternative="greater")
    assert given.p_value == pytest.approx(2 * expected.pvalue)


def test_fewer_errors_are_no_drift() -> None:
    found = told({"t": {"a": (60, 2), "b": (60, 3)}})
    assert found.effect == 0 and found.p_value > 0.9


def test_evidence_adds_up_over_batches_but_each_look_costs() -> None:
    somewhat: Answered = {"t": {"a": (60, 19), "b": (60, 19)}}
    held = {"t": {"a": (600, 120), "b": (600, 120)}}
    looks = [told(somewhat, [somewhat] * before, held).p_value for before in range(8)]
    assert looks[7] < looks[0] / 20
    nothing: Answered = {}
    assert told(somewhat, [nothing] * 3).p_value == pytest.approx(
        min(1.0, 4 * 5 / 2 * told(somewhat).p_value)
    )


def test_a_bad_batch_before_does_not_make_a_sound_one_drift() -> None:
    sound, bad = {"t": {"a": (80, 16), "b": (80, 16)}}, {"t": {"a": (80, 70), "b": (80, 70)}}
    past = Past(held=HELD, answered=sound, since=[bad])
    assert not find(compared(side(1), side(2), past))["concept"].drifted


def test_the_order_of_the_batches_before_changes_nothing() -> None:
    one, other = {"t": {"a": (30, 9)}}, {"t": {"b": (40, 3)}}
    now = {"t": {"a": (30, 9), "b": (30, 9)}}
    assert told(now, [one, other]) == told(now, [other, one])


def test_over_many_looks_at_one_champion_false_alarms_stay_below_alpha() -> None:
    random, alarms = np.random.default_rng(0), 0
    for _ in range(300):
        held = {"t": {"a": (150, int(random.binomial(150, 0.25)))}}
        since: list[Answered] = []
        for _ in range(12):
            now = {"t": {"a": (40, int(random.binomial(40, 0.25)))}}
            given = compared(side(1, 5), side(2, 5), Past(held=held, answered=now, since=since))
            p = excess_p_value(_strata(given)) * (len(since) + 1) * (len(since) + 2)
            if p <= 0.2:
                alarms += 1
                break
            since.append(now)
    assert alarms <= 60


@pytest.mark.parametrize("answered", [{}, {"u": {"a": (90, 9)}}, {"t": {"new": (90, 90)}}])
def test_rows_unlike_any_held_out_row_say_nothing(answered: Answered) -> None:
    past = Past(held=HELD, answered=answered)
    found = find(compared(side(1), side(2), past))["concept"]
    assert not found.examined and "0 answers to held-out rows" in found.sentence
