"""The number format is chosen by the fastest runs, taken in turn, and says how sure it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from components.training import precision_choice
from components.training.precision_choice import MOST_ROUNDS, ROUNDS, compare, probe


class Machine:
    """Runs that take fake seconds; `load(now)` says how many times longer than on an idle one."""

    def __init__(self, patch: pytest.MonkeyPatch, load: Callable[[float], float]) -> None:
        self.now = 0.0
        self.load = load
        patch.setattr(precision_choice.time, "perf_counter", lambda: self.now)

    def run(self, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds * self.load(self.now)

        return run


def test_a_machine_that_was_busy_for_a_while_does_not_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process takes most of it during the first seven runs, as it once was for good."""
    busy = Machine(monkeypatch, lambda now: 5.0 if now < 25 else 1.0)
    speed = compare(busy.run(2.2), busy.run(1.0))
    assert speed.gain == pytest.approx(2.2) and len(speed.ratios) == ROUNDS
    assert speed.agreeing >= 9
    assert "of 10 rounds agree" in speed.sureness


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.2])
@pytest.mark.parametrize("seed", range(20))
def test_under_any_load_the_fastest_runs_tell_the_faster_format(
    monkeypatch: pytest.MonkeyPatch, gain: float, seed: int
) -> None:
    pick = random.Random(seed)
    noisy = Machine(monkeypatch, lambda _: 1 + pick.expovariate(2.0))
    speed = compare(noisy.run(gain), noisy.run(1.0))
    assert speed.gain == pytest.approx(gain, rel=0.25)
    assert ROUNDS <= len(speed.ratios) <= MOST_ROUNDS


def test_rounds_that_contradict_each_other_are_followed_by_more_and_this_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pick = random.Random(0)
    wild = Machine(monkeypatch, lambda _: pick.choice([1.0, 4.0]))
    speed = compare(wild.run(1.4), wild.run(1.0))
    assert len(speed.ratios) == MOST_ROUNDS and speed.agreeing < 0.8 * MOST_ROUNDS
    assert speed.sureness == (
        f"{speed.agreeing} of 60 rounds agree, from {min(speed.ratios):.1f} to "
        f"{max(speed.ratios):.1f} times as fast"
    )


def test_the_reason_says_how_sure_the_choice_is(base: Any, stream: Any) -> None:
    name, why = probe(base, stream.settings)
    assert name in ("float32", "bfloat16")
    assert "rounds agree, from " in why or "features differ" in why
