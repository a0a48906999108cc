"""Texts far out: their share against the share that is expected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.evaluation.drift.outliers import _shrunk, outliers
from components.evaluation.drift.samples import Chance
from tests.evaluation.sides import compared, embeddings, find, side


def test_a_fifth_of_far_texts_is_found_and_they_are_the_examples() -> None:
    batch = side(2)
    vectors = batch.embeddings.copy()
    vectors[::5, -1] += 3
    found = find(compared(side(1), replace(batch, embeddings=vectors)))["outliers"]
    assert found.drifted and 0.19 < (found.effect or 0) < 0.35
    assert set(found.examples) <= set(batch.items[::5])


def test_more_of_the_same_lies_as_far_out_as_before() -> None:
    shares, sure = [], 0
    for seed in range(60):
        told = outliers(compared(side(2 * seed), side(2 * seed + 1)), Chance(20, seed))
        assert not isinstance(told, str)
        shares.append(told.effect)
        sure += told.p_value < 0.1
    assert 0.03 < np.mean(shares) < 0.07
    assert sure <= 14  # 6 are expected


def test_the_shrunk_covariance_is_that_of_ledoit_and_wolf() -> None:
    covariance = __import__("pytest").importorskip("sklearn.covariance")
    rows = embeddings(120, 5)
    rows -= rows.mean(axis=0)
    expected = covariance.ledoit_wolf(rows, assume_centered=True)[0]
    assert np.allclose(_shrunk(rows), expected, atol=1e-9)
