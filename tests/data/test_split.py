"""The wall between training and holdouts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.split import HELD_OUT, Split, split_items
from components.items import Item, make_item

ROOT = Path(__file__).parents[2]
NONE: frozenset[str] = frozenset()
BATCH = [make_item(f"message number {i}", "ab"[i % 2], "mail") for i in range(1000)]
ITEMS = st.builds(make_item, st.text(min_size=1, max_size=3), st.sampled_from("ab"), st.just("t"))


def nears(items: tuple[Item, ...]) -> frozenset[str]:
    return frozenset(item.near for item in items)


def split_all(items: Iterable[Item], fraction: float, *others: Any) -> Split:
    """Split with one fraction for every task."""
    items = list(items)
    return split_items(items, {item.task: fraction for item in items}, *others)


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
    held, trained, once_held = data.draw(known), data.draw(known), data.draw(known)
    split = split_all(items, fraction, seed, held, trained, once_held)
    blocked = tuple(item for item, _ in split.blocked)
    sides = (*split.train, *split.holdout, *blocked)
    assert sorted(sides, key=str) == sorted(items, key=str)
    assert not nears(split.train) & nears(split.holdout)
    assert not nears(split.train) & (held | (once_held - trained))
    assert not nears(split.holdout) & (held | trained)
    assert nears(blocked) <= held
    shuffled = data.draw(st.permutations(items))
    assert split_all(shuffled, fraction, seed, held, trained, once_held) == split
    again = split_all(items, fraction, seed, held, trained, once_held | nears(split.holdout))
    assert again == split, "what a killed run held out changes nothing in the next"


@given(
    counts=st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(1, 40)),
    fraction=st.floats(0.01, 0.9),
    seed=st.integers(0, 99),
)
def test_every_label_with_two_texts_is_on_both_sides_and_gives_its_share(
    counts: dict[str, int], fraction: float, seed: int
) -> None:
    batch = [make_item(f"{label} {n}", label, "t") for label, k in counts.items() for n in range(k)]
    split = split_all(batch, fraction, seed, NONE, NONE)
    held, train = (Counter(i.label for i in side) for side in (split.holdout, split.train))
    for label, count in counts.items():
        if count > 1:
            assert held[label] and train[label]
            near = abs(held[label] - fraction * count) <= 0.5001
            assert near or 1 in (held[label], train[label])
            assert fraction > 0.5 or held[label] <= max(1, count / 2)


def test_near_duplicates_with_other_labels_stand_on_one_side() -> None:
    signs = (":)", ":(")
    batch = [make_item(f"place {n} {sign}", sign, "t") for n in range(100) for sign in signs]
    split = split_all(batch, 0.2, 0, NONE, NONE)
    assert not nears(split.train) & nears(split.holdout)
    assert Counter(item.label for item in split.holdout) == {":)": 20, ":(": 20}


def test_labels_of_a_single_text_give_their_share_together() -> None:
    batch = [make_item(f"number {n}", f"label {n}", "t") for n in range(100)]
    assert len(split_all(batch, 0.2, 0, NONE, NONE).holdout) == 20
    assert not split_all(batch[:2], 0.2, 0, NONE, NONE).holdout


def test_what_was_trained_on_is_no_part_of_the_share() -> None:
    trained = frozenset(item.near for item in BATCH[:900])
    split = split_all(BATCH, 0.2, 0, NONE, trained)
    assert len(split.holdout) == 20 and not nears(split.holdout) & trained


def test_a_text_that_was_held_out_before_is_held_out_again() -> None:
    before = split_all(BATCH[:100], 0.5, 0, NONE, NONE)
    again = split_all(BATCH[:100], 0.2, 0, NONE, NONE, nears(before.holdout))
    assert again == before
    trained = nears(before.holdout)
    assert not split_all(BATCH[:100], 0.0, 0, NONE, frozenset(trained), frozenset(trained)).holdout


def test_the_seed_draws_anew() -> None:
    split = split_all(BATCH, 0.2, 0, NONE, NONE)
    assert len(split.holdout) == 200
    assert nears(split_all(BATCH, 0.2, 1, NONE, NONE).holdout) != nears(split.holdout)


def test_each_task_has_its_fraction() -> None:
    other = [replace(item, task="chat") for item in BATCH]
    split = split_items([*BATCH[:500], *other[500:]], {"mail": 0.1, "chat": 0.4}, 0, NONE, NONE)
    assert Counter(item.task for item in split.holdout) == {"mail": 50, "chat": 200}


@pytest.mark.parametrize(("fraction", "held_out"), [(0.0, 0), (0.9, 900)])
def test_the_ends_of_the_range_are_exact(fraction: float, held_out: int) -> None:
    assert len(split_all(BATCH, fraction, 0, NONE, NONE).holdout) == held_out


def test_the_smallest_draws_are_held_out_whatever_else_is_in_the_batch() -> None:
    whole = nears(split_all(BATCH, 0.3, 7, NONE, NONE).holdout)
    part = [item for item in BATCH if item.near in whole or item.label == "a"]
    assert nears(split_all(part, 0.3, 7, NONE, NONE).holdout) < whole


def test_near_duplicates_of_a_held_out_text_are_blocked_with_a_reason() -> None:
    held = frozenset({make_item("Good  DAY!", "a", "mail").near})
    item = make_item("good day", "a", "mail")
    split = split_all([item, *BATCH], 0.2, 0, held, NONE)
    assert split.blocked == ((item, HELD_OUT),)


def test_a_text_that_was_trained_on_and_held_out_never_trains_again() -> None:
    item = make_item("good day", "a", "mail")
    both = frozenset({item.near})
    assert split_all([item], 0.5, 0, both, both).blocked == ((item, HELD_OUT),)


def test_sides_are_sorted_by_digest() -> None:
    split = split_all(BATCH, 0.5, 0, NONE, NONE)
    for side in (split.train, split.holdout):
        digests = [item.digest for item in side]
        assert digests == sorted(digests)


def test_a_fresh_process_draws_the_same_sides() -> None:
    code = (
        "import json; from components.data.split import split_items;"
        "from components.items import make_item;"
        "items = [make_item(f'message number {i}', 'ab'[i % 2], 'mail') for i in range(1000)];"
        "split = split_items(items, {'mail': 0.2}, 3, frozenset(), frozenset());"
        "print(json.dumps([item.digest for item in split.holdout]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    expected = split_all(BATCH, 0.2, 3, NONE, NONE).holdout
    assert json.loads(found) == [item.digest for item in expected]
