from __future__ import annotations

from typing import Any

import pytest

from components.training.depth import Trial, decide, shallowest


def trial(layers: int, right: int) -> Trial:
    return Trial(layers, right, 1000, 1.0)


def test_the_fewest_layers_within_half_a_point_of_the_best_are_taken() -> None:
    assert decide([trial(1, 750), trial(2, 779), trial(3, 780), trial(6, 784)]).layers == 2
    assert decide([trial(1, 750), trial(2, 778), trial(6, 784)]).layers == 6
    assert decide([trial(1, 790), trial(2, 780)]).layers == 1
    assert decide([trial(2, 0), trial(1, 0)]).layers == 1


def test_depths_are_tried_on_real_training_and_the_reason_names_each(
    base: Any, stream: Any, make_rows: Any
) -> None:
    told: list[tuple[int, int]] = []
    items = make_rows(["good", "bad"], 110)
    layers, why = shallowest(base, items, stream.settings, lambda *at: told.append(at))
    assert layers in (1, 2)
    assert why.startswith("the fewest layers within 0.5 points of the best (1: ")
    assert "2: " in why
    assert told == [(1, 2), (2, 2)]
    assert shallowest(base, items[::-1], stream.settings)[0] == layers


@pytest.mark.parametrize("count", [2, 90])
def test_too_few_rows_to_tell_are_said(base: Any, stream: Any, make_rows: Any, count: int) -> None:
    layers, why = shallowest(base, make_rows(["good", "bad"], count), stream.settings)
    assert layers == 2  # the tiny base has no third
    assert why == f"the first batch has too few rows to tell ({2 * count})"
