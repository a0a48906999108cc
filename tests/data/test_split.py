"""The wall between training and holdouts."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.split import HELD_OUT, split_items
from components.items import Item, make_item

ROOT = Path(__file__).parents[2]
NONE: frozenset[str] = frozenset()
BATCH = [make_item(f"message number {i}", "ab"[i % 2], "mail") for i in range(1000)]
ITEMS = st.builds(make_item, st.text(min_size=1, max_size=3), st.sampled_from("ab"), st.just("t"))


def nears(items: tuple[Item, ...]) -> set[str]:
    return {item.near for item in items}


@given(
    items=st.lists(ITEMS, max_size=30),
    fraction=st.floats(0, 0.9),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_the_wall_holds_for_any_batch(
    items: list[Item], fraction: float, seed: int, data: st.DataObject
) -> None:
    known = (
        st.frozensets(st.sampled_from([item.near for item in items])) if items else st.just(NONE)
    )
    held, trained = data.draw(known), data.draw(known)
    split = split_items(items, fraction, seed, held, trained)
    blocked = tuple(item for item, _ in split.blocked)
    sides = (*split.train, *split.holdout, *blocked)
    assert sorted(sides, key=str) == sorted(items, key=str)
    assert not nears(split.train) & nears(split.holdout)
    assert not nears(split.train) & held
    assert not nears(split.holdout) & (held | trained)
    assert nears(blocked) <= held
    shuffled = data.draw(st.permutations(items))
    assert split_items(shuffled, fraction, seed, held, trained) == split


def test_the_share_is_close_to_the_fraction_and_the_seed_draws_anew() -> None:
    split = split_items(BATCH, 0.2, 0, NONE, NONE)
    assert 160 <= len(split.holdout) <= 240
    assert nears(split_items(BATCH, 0.2, 1, NONE, NONE).holdout) != nears(split.holdout)


@pytest.mark.parametrize(("fraction", "held_out"), [(0.0, 0), (1.0, 1000)])
def test_the_ends_of_the_range_are_exact(fraction: float, held_out: int) -> None:
    assert len(split_items(BATCH, fraction, 0, NONE, NONE).holdout) == held_out


def test_an_item_keeps_its_side_whatever_else_is_in_the_batch() -> None:
    whole = nears(split_items(BATCH, 0.3, 7, NONE, NONE).holdout)
    part = random.Random(1).sample(BATCH, 100)
    assert nears(split_items(part, 0.3, 7, NONE, NONE).holdout) == whole & {i.near for i in part}


def test_near_duplicates_of_a_held_out_text_are_blocked_with_a_reason() -> None:
    held = frozenset({make_item("Good  DAY!", "a", "mail").near})
    item = make_item("good day", "a", "mail")
    split = split_items([item, *BATCH], 0.2, 0, held, NONE)
    assert split.blocked == ((item, HELD_OUT),)


def test_a_text_that_was_trained_on_and_held_out_never_trains_again() -> None:
    item = make_item("good day", "a", "mail")
    both = frozenset({item.near})
    assert split_items([item], 0.5, 0, both, both).blocked == ((item, HELD_OUT),)


def test_sides_are_sorted_by_digest() -> None:
    split = split_items(BATCH, 0.5, 0, NONE, NONE)
    for side in (split.train, split.holdout):
        digests = [item.digest for item in side]
        assert digests == sorted(digests)


def test_a_fresh_process_draws_the_same_sides() -> None:
    code = (
        "import json; from components.data.split import split_items;"
        "from components.items import make_item;"
        "items = [make_item(f'message number {i}', 'ab'[i % 2], 'mail') for i in range(1000)];"
        "split = split_items(items, 0.2, 3, frozenset(), frozenset());"
        "print(json.dumps([item.digest for item in split.holdout]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    expected = split_items(BATCH, 0.2, 3, NONE, NONE).holdout
    assert json.loads(found) == [item.digest for item in expected]
