"""How alpha is shared out over the decisions of one exam."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gate.spending import share, wear


@given(st.integers(0, 2000), st.integers(1, 500))
def test_the_shares_add_up_to_the_wear_and_never_to_more_than_all(
    served: int, halfway: int
) -> None:
    spent = sum(share(each, halfway) for each in range(served))
    assert spent == pytest.approx(wear(served, halfway))
    assert spent < 1


def test_half_of_alpha_is_spent_when_an_exam_is_worn() -> None:
    assert wear(100, 100) == 0.5
