from __future__ import annotations

import re
from typing import Any

import pytest

from components.training.layer_choice import Trial, decide, depth_worth_its_seconds


def trial(layers: int, right: int, seconds: float) -> Trial:
    return Trial(layers, right, 1000, seconds)


def test_going_deeper_must_bring_a_point_for_each_doubling_of_the_seconds() -> None:
    four = [trial(1, 751, 7), trial(2, 767, 12), trial(3, 782, 18), trial(6, 792, 39)]
    assert decide(four).layers == 3
    assert decide([*four[:3], trial(6, 794, 39)]).layers == 6
    assert decide([trial(1, 790, 5), trial(2, 780, 10)]).layers == 1
    assert decide([trial(1, 0, 5), trial(2, 0, 5)]).layers == 1


def test_a_depth_that_is_passed_over_does_not_hide_a_deeper_one() -> None:
    assert decide([trial(1, 700, 4), trial(2, 705, 8), trial(3, 750, 12)]).layers == 3


def test_depths_are_tried_on_real_training_and_the_reason_names_each(
    base: Any, stream: Any, make_rows: Any
) -> None:
    told: list[tuple[int, int]] = []
    items = make_rows(["good", "bad"], 110)
    layers, why = depth_worth_its_seconds(base, items, stream.settings, lambda *at: told.append(at))
    assert layers in (1, 2)
    assert why.startswith("more layers must bring 1 points for each doubling of the seconds (1: ")
    assert "2: " in why
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert "two tries of a depth were up to" in why


def test_a_try_that_the_machine_slowed_down_does_not_decide(
    base: Any, stream: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try of the second depth takes 40 times as long as it would on an idle machine."""
    now, laps = 0.0, iter([1.0, 40.0, 1.0, 1.0])

    def clock() -> float:
        nonlocal now, starts
        starts = not starts
        now += 0.0 if starts else next(laps)
        return now

    starts = False
    monkeypatch.setattr("components.training.layer_choice.time.process_time", clock)
    _, why = depth_worth_its_seconds(base, make_rows(["good", "bad"], 110), stream.settings)
    assert re.search(r"1: \S+ % in 2 s, 2: \S+ % in 2 s", why), why
    assert "up to 3900 % apart" in why


@pytest.mark.parametrize("count", [2, 90])
def test_too_few_rows_to_tell_are_said(base: Any, stream: Any, make_rows: Any, count: int) -> None:
    layers, why = depth_worth_its_seconds(base, make_rows(["good", "bad"], count), stream.settings)
    assert layers == 2  # the tiny base has no third
    assert why == f"the first batch has too few rows to decide ({2 * count})"
