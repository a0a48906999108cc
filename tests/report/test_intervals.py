from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.report.intervals import common_axis, interval

points = st.floats(-100, 100) | st.none()
verdicts = st.fixed_dictionaries(
    {name: points for name in ("effect_points", "lower_points", "upper_points", "margin_points")}
)


@given(st.lists(verdicts, max_size=6))
def test_zero_and_every_number_lie_strictly_on_the_axis(rows):
    drawn = [interval(row) for row in rows]
    axis = common_axis(drawn)

    numbers = [0.0]
    for each in drawn:
        numbers += [n for n in (each.effect, each.low, each.high, each.limit) if n is not None]
    assert all(0 < axis.percent(number) < 100 for number in numbers)


@given(verdicts)
def test_a_loss_becomes_a_change_by_its_sign_and_the_bounds_change_places(row):
    drawn = interval(row)

    assert (drawn.effect is None) == (row["effect_points"] is None)
    if row["upper_points"] is not None:
        assert drawn.low == -row["upper_points"]
    if row["lower_points"] is not None:
        assert drawn.high == -row["lower_points"]
