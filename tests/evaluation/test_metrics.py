"""The measures of continual learning, by hand and by law."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.metrics import (
    AccuracyMatrix,
    average_accuracy,
    average_incremental_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
)

STREAM = AccuracyMatrix(
    tasks=("a", "b", "c"),
    learned_at=(0, 1, 2),
    rows=((0.9, 0.4, 0.3), (0.95, 0.8, 0.35), (0.85, 0.7, 0.75)),
)


def test_a_stream_worked_out_by_hand() -> None:
    assert average_accuracy(STREAM) == pytest.approx((0.85 + 0.7 + 0.75) / 3)
    assert average_accuracy(STREAM, 0) == pytest.approx(0.9)
    assert average_incremental_accuracy(STREAM) == pytest.approx((0.9 + 0.875 + 2.3 / 3) / 3)
    assert forgetting(STREAM) == pytest.approx(((0.95 - 0.85) + (0.8 - 0.7)) / 2)
    assert backward_transfer(STREAM) == pytest.approx(((0.85 - 0.9) + (0.7 - 0.8)) / 2)
    assert forward_transfer(STREAM, (0.3, 0.3, 0.3)) == pytest.approx((0.1 + 0.05) / 2)


def test_a_cell_not_examined_is_left_out_and_never_zero() -> None:
    holes = AccuracyMatrix(
        ("a", "b", "c"), (0, 1, 2), ((0.9, None, None), (None, 0.8, None), (0.85, None, 0.75))
    )
    assert average_accuracy(holes) == pytest.approx(0.8)
    assert forgetting(holes) == pytest.approx(0.05)
    assert backward_transfer(holes) == pytest.approx(-0.05)
    assert forward_transfer(holes, (0.3, 0.3, 0.3)) is None


def test_one_step_has_nothing_to_forget() -> None:
    one = AccuracyMatrix(("a",), (0,), ((0.9,),))
    assert average_accuracy(one) == 0.9
    assert (forgetting(one), backward_transfer(one), forward_transfer(one, (0.5,))) == (None,) * 3


def test_a_task_that_got_better_than_ever_counts_as_negative_forgetting() -> None:
    better = AccuracyMatrix(("a", "b"), (0, 1), ((0.6, None), (0.8, 0.9)))
    assert forgetting(better) == pytest.approx(-0.2)


def test_two_tasks_learned_at_one_step_both_count() -> None:
    both = AccuracyMatrix(("a", "b"), (0, 0), ((0.9, 0.8), (0.7, 0.7)))
    assert forgetting(both) == pytest.approx(0.15)


@pytest.mark.parametrize(
    "wrong",
    [
        (("a",), (0, 1), ((0.5,),)),
        (("a",), (0,), ((0.5, 0.5),)),
        (("a",), (0,), ((1.5,),)),
        (("a",), (0,), ((float("nan"),),)),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(wrong: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"hold|outside"):
        AccuracyMatrix(*wrong)  # type: ignore[arg-type]


@st.composite
def streams(draw: st.DrawFn) -> AccuracyMatrix:
    steps = draw(st.integers(1, 5))
    cell = st.floats(0, 1)
    rows = tuple(tuple(draw(cell) for _ in range(steps)) for _ in range(steps))
    return AccuracyMatrix(tuple("abcde"[:steps]), tuple(range(steps)), rows)


@settings(deadline=None)
@given(streams())
def test_forgetting_is_at_least_the_loss_since_learning(matrix: AccuracyMatrix) -> None:
    lost, transfer = forgetting(matrix), backward_transfer(matrix)
    assert (lost is None) == (transfer is None)
    assert lost is None or transfer is None or lost >= -transfer - 1e-12


@settings(deadline=None)
@given(streams())
def test_every_measure_stays_in_its_range(matrix: AccuracyMatrix) -> None:
    for value in (average_accuracy(matrix), average_incremental_accuracy(matrix)):
        assert value is not None and -1e-12 <= value <= 1 + 1e-12
    for change in (forgetting(matrix), backward_transfer(matrix)):
        assert change is None or -1 <= change <= 1
