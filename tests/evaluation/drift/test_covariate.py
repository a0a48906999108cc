"""Texts that look different: found, at a fixed sample size, on rows not fitted to."""

from __future__ import annotations

import numpy as np

from components.evaluation.drift import Side
from tests.evaluation.sides import compared, drifted, embeddings, find, side


def test_texts_of_another_kind_are_found_by_both_tests_and_by_name() -> None:
    found = find(compared(side(1, 300), side(2, 250, shift=1.5)))
    assert {"domain_classifier", "mmd"} <= drifted(found)
    assert found["domain_classifier"].n == 200
    assert (found["domain_classifier"].effect or 0) > 0.7
    assert found["mmd"].sentence.startswith("Drift: the batch's texts differ")


def test_the_classifier_is_judged_on_rows_that_it_was_not_fitted_to() -> None:
    effects = [
        find(compared(side(2 * seed, 60), side(2 * seed + 1, 60)))["domain_classifier"].effect
        for seed in range(20)
    ]
    assert 0.45 < np.mean([effect or 0 for effect in effects]) < 0.55


def test_the_rows_that_moved_are_the_examples_and_their_label_is_named() -> None:
    kept, moved = side(2, own=["a"] * 100), side(3, own=["b"] * 100, shift=2.5)
    batch = Side(
        [*kept.items, *moved.items],
        [*kept.contents, *moved.contents],
        [*kept.labels, *moved.labels],
        np.concatenate([kept.embeddings, moved.embeddings]),
    )
    found = find(compared(side(1), batch))
    for name in ("domain_classifier", "mmd"):
        assert found[name].drifted
        assert len(set(found[name].examples) & set(moved.items)) >= 4
    assert found["domain_classifier"].classes[0].name == "b"
    assert "mostly rows labelled b" in found["domain_classifier"].sentence


def test_a_larger_spread_is_found_by_the_discrepancy() -> None:
    batch = side(2)
    wide = embeddings(200, 2) * np.linspace(0.2, 3, 200)[:, None]
    wider = Side(batch.items, batch.contents, batch.labels, wide)
    assert find(compared(side(1), wider))["mmd"].drifted
