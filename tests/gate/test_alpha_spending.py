"""How alpha is shared out over the candidates that one exam refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gate.alpha_spending import WORN_AFTER, share, wear


@given(st.integers(0, 2000))
def test_the_shares_add_up_to_the_wear_and_never_to_more_than_all(refusals: int) -> None:
    spent = sum(share(each) for each in range(refusals))
    assert spent == pytest.approx(wear(refusals))
    assert spent < 1


def test_a_worn_exam_passes_at_less_than_a_hundredth() -> None:
    assert share(WORN_AFTER) < 0.01 < share(WORN_AFTER - 1)
