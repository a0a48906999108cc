"""P-values of one batch, adjusted together; words, told together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.drift.findings import adjust
from components.evaluation.drift.words import moved_words

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def test_the_adjustment_is_that_of_benjamini_and_hochberg() -> None:
    found = adjust([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.02, 0.04, 0.04, 0.02])  # R: p.adjust(..., "BH")


@given(P_VALUES)
def test_no_p_value_gets_smaller_and_their_order_stays(p_values: list[float]) -> None:
    found = adjust(p_values)
    assert all(p <= adjusted <= 1 for p, adjusted in zip(p_values, found, strict=True))
    for one, other in zip(
        *(sorted(zip(p_values, found, strict=True))[k:] for k in (0, 1)), strict=False
    ):
        assert one[1] <= other[1]


@given(P_VALUES, st.randoms())
def test_the_order_of_the_checks_changes_nothing(p_values: list[float], random: object) -> None:
    order = list(range(len(p_values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = adjust([p_values[place] for place in order])
    found = adjust(p_values)
    assert mixed == [found[place] for place in order]


def test_words_that_became_more_frequent_come_first_and_the_sides_can_be_exchanged() -> None:
    before = ["the old river runs slowly"] * 40
    now = ["the new voucher runs slowly"] * 40
    words = moved_words(before, now)
    assert set(words.more) == {"new", "voucher"} and set(words.less) == {"old", "river"}
    back = moved_words(now, before)
    assert (back.more, back.less) == (words.less, words.more)


def test_a_word_of_two_texts_is_never_told() -> None:
    secret = ["hunter hunter hunter hunter hunter hunter"] * 2
    assert "hunter" not in moved_words(["plain words"] * 50, [*["plain words"] * 50, *secret]).more
    assert "hunter" in moved_words(["plain words"] * 50, secret + secret[:1]).more


@given(st.lists(st.text(max_size=30), max_size=20), st.lists(st.text(max_size=30), max_size=20))
def test_any_texts_at_all_have_words_or_none(one: list[str], other: list[str]) -> None:
    words = moved_words(one, other)
    assert len(words.more) <= 8 and len(words.less) <= 8
    assert not set(words.more) & set(words.less)
