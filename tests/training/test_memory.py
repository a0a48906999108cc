from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from components.settings import ReplaySettings, TrainingSettings
from components.training.memory import MemoryRef, balanced
from components.training.strategies import STRATEGIES
from components.training.strategies.strategy import Situation

REFS = st.lists(
    st.builds(
        MemoryRef,
        batch=st.sampled_from("ab"),
        item=st.integers(0, 200).map(str),
        task=st.sampled_from(["t", "u"]),
        label=st.sampled_from(["x", "y", "z"]),
    ),
    max_size=80,
    unique_by=lambda ref: ref.item,
)


@given(refs=REFS, size=st.integers(0, 100), shuffled=st.randoms())
def test_balancing_ignores_order(refs: list[MemoryRef], size: int, shuffled: object) -> None:
    other = list(refs)
    shuffled.shuffle(other)  # type: ignore[attr-defined]
    assert balanced(refs, size, 0) == balanced(other, size, 0)


@given(refs=REFS, size=st.integers(0, 100))
def test_balancing_fills_the_size_and_no_group_starves(refs: list[MemoryRef], size: int) -> None:
    kept = balanced(refs, size, 0)
    assert len(kept) == min(size, len(refs))
    have = Counter((ref.task, ref.label) for ref in refs)
    got = Counter((ref.task, ref.label) for ref in kept)
    most = max(got.values(), default=0)
    assert all(got[group] >= min(have[group], most - 1) for group in have)


@given(refs=REFS, cut=st.integers(0, 80), size=st.integers(1, 40))
def test_a_dropped_row_does_not_come_back(refs: list[MemoryRef], cut: int, size: int) -> None:
    first, later = refs[:cut], refs[cut:]
    kept = balanced(first, size, 0)
    dropped = set(first) - set(kept)
    assert not dropped & set(balanced([*kept, *later], size, 0))


def test_another_key_samples_other_rows() -> None:
    refs = [MemoryRef("a", str(n), "t", "x") for n in range(100)]
    assert balanced(refs, 10, 0) != balanced(refs, 10, 1)


ONCE = TrainingSettings(min_steps=0)


def situation(
    new: int, memory: int, training: TrainingSettings = ONCE, **settings: float
) -> Situation:
    return Situation(
        new=tuple(MemoryRef("b", f"new{n}", "u", "x") for n in range(new)),
        memory=tuple(MemoryRef("a", f"old{n}", "t", "xy"[n % 2]) for n in range(memory)),
        settings=ReplaySettings(**settings),  # type: ignore[arg-type]
        seed=0,
        training=training,
    )


def unasked() -> Any:
    raise AssertionError("neither needs features")


def test_replay_draws_the_ratio_evenly_from_the_memory() -> None:
    drawn = STRATEGIES["replay"].replay(situation(20, 100, replay_ratio=0.5))
    assert Counter(ref.label for ref in drawn) == {"x": 5, "y": 5}


def test_a_small_batch_replays_other_rows_each_time_it_is_gone_through() -> None:
    training = TrainingSettings(epochs=3, min_steps=120, batch_size=32)
    small = situation(100, 1000, training, replay_ratio=1.0)  # 7 steps an epoch, so 18 of them
    assert small.rounds == 6
    assert len({ref.item for ref in STRATEGIES["replay"].replay(small)}) == 600
    assert situation(1280, 5000, training, replay_ratio=1.0).rounds == 1


def test_replay_takes_what_there_is_when_the_memory_is_small() -> None:
    assert len(STRATEGIES["replay"].replay(situation(20, 7, replay_ratio=1.0))) == 7


def test_replay_does_not_repeat_a_row_that_arrives_again() -> None:
    again = situation(5, 0)
    twice = Situation(again.new, again.new, again.settings, 0, ONCE)
    assert STRATEGIES["replay"].replay(twice) == ()


def test_the_memory_keeps_old_and_new_within_its_bound() -> None:
    kept = STRATEGIES["replay"].remember(situation(50, 50, memory_items=30), unasked)
    assert Counter((ref.task, ref.label) for ref in kept) == {
        ("t", "x"): 10,
        ("t", "y"): 10,
        ("u", "x"): 10,
    }


def test_without_a_strategy_nothing_is_replayed_or_kept() -> None:
    bare, given = STRATEGIES["sequential"], situation(5, 5)
    assert bare.replay(given) == bare.remember(given, unasked) == ()
