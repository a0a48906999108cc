"""How alpha is shared out over the candidates that one exam turned away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gate.alpha_spending import OVERUSED_AFTER, share, spent


@given(st.integers(0, 2000))
def test_the_shares_add_up_to_what_is_spent_and_never_to_more_than_all(turned_away: int) -> None:
    together = sum(share(each) for each in range(turned_away))
    assert together == pytest.approx(spent(turned_away))
    assert together < 1


def test_an_overused_exam_passes_at_less_than_a_hundredth() -> None:
    assert share(OVERUSED_AFTER) < 0.01 < share(OVERUSED_AFTER - 1)
