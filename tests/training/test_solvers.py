"""Heads in closed form, each against a reference that sees the rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.training import solvers
from components.training.solvers import (
    NEVER,
    SOLVERS,
    chosen_strength,
    left_out,
    sharpness,
)
from components.training.sums import Sums, no_sums

LABELS, SIZE = 3, 6


def rows(seed: int = 0, count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % LABELS
    centres = torch.randn(LABELS, SIZE, generator=draw, dtype=torch.float64)
    noise = torch.randn(count, SIZE, generator=draw, dtype=torch.float64)
    return centres[targets] + noise, targets


def loaded(gram: np.ndarray, strength: float) -> np.ndarray:
    return gram + strength * np.diag(gram).mean() * np.eye(len(gram))


def test_ridge_is_ridge_regression_on_indicators_with_an_intercept() -> None:
    x, y = rows()
    weight, bias = SOLVERS["ridge"](Sums.of(x, y, LABELS), 0.1, 0.0)
    about, wanted = (x - x.mean(0)).numpy(), np.eye(LABELS)[y.numpy()]
    reference = np.linalg.solve(loaded(about.T @ about, 0.1), about.T @ wanted).T
    np.testing.assert_allclose(weight.numpy(), reference, atol=1e-9)
    scores = (x @ weight.T + bias).numpy()
    np.testing.assert_allclose(scores.mean(0), wanted.mean(0), atol=1e-9)


def test_lda_is_the_nearest_mean_by_mahalanobis_distance() -> None:
    x, y = rows()
    weight, bias = SOLVERS["lda"](Sums.of(x, y, LABELS), 0.05, 1.0)
    means = np.stack([x[y == label].mean(0).numpy() for label in range(LABELS)])
    apart = x.numpy() - means[y.numpy()]
    precision = np.linalg.inv(loaded(apart.T @ apart / (len(x) - LABELS), 0.05))
    away = x.numpy()[:, None] - means[None]
    distances = np.einsum("nld,de,nle->nl", away, precision, away)
    found = (x @ weight.T + bias).argmax(1).numpy()
    assert (found == distances.argmin(1)).all()


def test_balanced_ridge_weighs_each_label_by_the_power_of_its_count() -> None:
    x, y = rows(count=90)
    keep = (y != 2) | (torch.arange(90) < 30)
    x, y = x[keep], y[keep]
    # About their means all labels' rows lie alike, so that the sums say what weighted rows would.
    parts = []
    for label in range(LABELS):
        own = x[y == label]
        spread = own - own.mean(0)
        alike = torch.linalg.inv(torch.linalg.cholesky(spread.T @ spread / len(own)))
        parts.append(spread @ alike.T + own.mean(0))
    x, y = torch.cat(parts), torch.cat([y[y == label] for label in range(LABELS)])
    counts = torch.bincount(y).double()
    heavy = counts[y] ** -0.5 / (counts**0.5).sum()
    mean = (heavy[:, None] * x).sum(0)
    about, wanted = (x - mean).numpy(), np.eye(LABELS)[y.numpy()]
    gram = about.T @ (heavy[:, None].numpy() * about)
    reference = np.linalg.solve(loaded(gram, 0.1), about.T @ (heavy[:, None].numpy() * wanted)).T
    weight, bias = SOLVERS["ridge"](Sums.of(x, y, LABELS), 0.1, 0.5)
    np.testing.assert_allclose(weight.numpy(), reference, atol=1e-9)
    shares = (counts**0.5 / (counts**0.5).sum()).numpy()
    np.testing.assert_allclose(bias.numpy(), shares - reference @ mean.numpy(), atol=1e-9)


def test_a_label_that_later_rows_lack_keeps_more_of_its_answers_where_labels_are_balanced() -> None:
    x, y = rows(seed=3, count=90)
    more, others = rows(seed=3, count=900)
    later = Sums.of(x, y, LABELS).plus(Sums.of(more[others != 2], others[others != 2], LABELS))
    answered = []
    for balance in (0.0, 0.5, 1.0):
        weight, bias = SOLVERS["ridge"](later, 0.1, balance)
        answered.append(int(((x @ weight.T + bias).argmax(1) == 2).sum()))
    assert answered[0] < answered[1] < answered[2]


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_tells_labels_apart_and_never_answers_one_without_rows(solver: str) -> None:
    x, y = rows(count=90)
    weight, bias = SOLVERS[solver](Sums.of(x, y, LABELS).grown(LABELS + 1), 0.1, 0.5)
    logits = x @ weight.T + bias
    assert float((logits.argmax(1) == y).double().mean()) > 0.7
    assert bool((logits[:, LABELS] == NEVER).all())


@settings(deadline=None)
@given(st.permutations(range(60)), st.integers(1, 59))
def test_batches_add_up_in_any_order_and_come_out_again(order: list[int], cut: int) -> None:
    x, y = rows()
    one, other = order[:cut], order[cut:]
    parts = [Sums.of(x[own], y[own], LABELS) for own in (one, other)]
    whole, together = Sums.of(x, y, LABELS), parts[1].plus(parts[0])
    left = together.minus(parts[1])
    for name in ("gram", "by_label", "counts"):
        torch.testing.assert_close(getattr(together, name), getattr(whole, name), atol=1e-9, rtol=0)
        torch.testing.assert_close(getattr(left, name), getattr(parts[0], name), atol=1e-9, rtol=0)


def test_sums_come_back_from_their_tensors() -> None:
    x, y = rows()
    sums = Sums.of(x, y, LABELS)
    again = Sums.from_tensors(sums.tensors())
    assert all(torch.equal(getattr(again, n), getattr(sums, n)) for n in ("by_label", "counts"))
    torch.testing.assert_close(again.gram, sums.gram, atol=1e-12, rtol=0)
    assert sums.tensors()["gram"].shape == (SIZE * (SIZE + 1) // 2,)
    assert no_sums(SIZE, LABELS).rows == 0


def test_left_out_is_what_solving_again_without_each_row_says() -> None:
    x, y = rows()
    sums, strength = Sums.of(x, y, LABELS), 0.1
    found = left_out(sums, strength, x, y)
    about, wanted = (x - x.mean(0)).numpy(), np.eye(LABELS)[y.numpy()]
    gram, share = about.T @ about, wanted.mean(0)
    matrix = loaded(gram, strength)
    for row in range(len(x)):
        own = about[row]
        without = matrix - np.outer(own, own)
        cross = about.T @ (wanted - share) - np.outer(own, wanted[row] - share)
        scores = own @ np.linalg.solve(without, cross) + share
        assert bool(found[row]) == (int(scores.argmax()) == int(y[row]))


def test_the_chosen_strength_has_the_least_cross_validation_score() -> None:
    noisy = torch.randn(80, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x, y = rows(count=80)
    strong = chosen_strength(Sums.of(noisy, y, LABELS))
    weak = chosen_strength(Sums.of(20 * x, y, LABELS))
    assert strong > weak
    assert {strong, weak} <= set(solvers.STRENGTHS)


def test_sharpness_is_the_factor_with_the_least_cross_entropy() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 3, generator=draw, dtype=torch.float64)
    drawn = torch.multinomial((2.0 * logits).softmax(1), 1, generator=draw).flatten()
    assert sharpness(logits, drawn) == pytest.approx(2.0, rel=0.15)
