from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import NeedsHuman
from components.settings import TrainingSettings
from components.training import candidate, loop
from components.training.guard import Guard
from components.training.loop import bucketed, schedule
from components.training.strategies import STRATEGIES


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Guard]], None]:
    def install(guard: type[Guard]) -> None:
        table = {"replay": replace(STRATEGIES["replay"], guard=guard)}
        monkeypatch.setattr(candidate, "STRATEGIES", table)

    return install


@given(
    lengths=st.lists(st.integers(1, 128), min_size=1, max_size=300),
    size=st.integers(1, 32),
    seed=st.text(max_size=3),
)
def test_every_row_stands_in_exactly_one_batch(lengths: list[int], size: int, seed: str) -> None:
    batches = bucketed(lengths, size, seed)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert batches == bucketed(lengths, size, seed)


def test_batches_hold_like_lengths_in_an_order_that_is_not_sorted() -> None:
    lengths = [place % 50 + 1 for place in range(400)]
    batches = bucketed(lengths, 8, "s")
    spread = [max(lengths[r] for r in b) - min(lengths[r] for r in b) for b in batches]
    assert sum(spread) / len(spread) < 10
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts != sorted(firsts)
    assert batches != bucketed(lengths, 8, "t")


def test_progress_counts_every_step(stream: Any, make_rows: Any) -> None:
    told: list[tuple[int, int]] = []
    rows = make_rows(["good", "bad"], 75)
    stream.teach("a", rows, progress=lambda done, total: told.append((done, total)))
    assert told == [(step, 120) for step in range(1, 121)]


def test_a_diverging_loss_stops_and_names_the_learning_rates(
    stream: Any, make_rows: Any, guarded: Any
) -> None:
    class Exploding(Guard):
        def loss(self, given: Any) -> Any:
            return super().loss(given) * float("inf")

    guarded(Exploding)
    with pytest.raises(NeedsHuman, match=r"loss is inf at step 1 of 24.*learning_rate` 0.005"):
        stream.teach("a", make_rows(["good", "bad"], 16))


def test_weights_that_end_as_no_numbers_never_become_a_bundle(
    stream: Any, make_rows: Any, guarded: Any
) -> None:
    class Poisoned(Guard):
        steps = 0

        def before_update(self) -> None:
            self.steps += 1
            if self.steps == 12:
                bias: Any = self.learner.classifier.head.bias
                bias.grad.fill_(float("nan"))

    guarded(Poisoned)
    with pytest.raises(NeedsHuman, match=r"the head contains .* \(bias\).*learning_rate` 0.005"):
        stream.teach("a", make_rows(["good", "bad"], 8))
    assert not stream.bundles.exists() or not any(stream.bundles.iterdir())


@pytest.mark.parametrize(
    ("rows", "epochs", "steps"), [(1, 120, 120), (98, 30, 120), (1249, 3, 120), (1300, 3, 123)]
)
def test_a_small_batch_gets_more_epochs_until_it_has_enough_steps(
    rows: int, epochs: int, steps: int
) -> None:
    assert schedule(rows, TrainingSettings()) == (epochs, steps)


def test_the_steps_that_were_taken_are_recorded(stream: Any, make_rows: Any) -> None:
    training = stream.settings.training.model_copy(update={"min_steps": 31})
    settings = stream.settings.model_copy(update={"training": training})
    bundle = stream.teach("a", make_rows(["good", "bad"], 8), settings=settings)
    assert bundle.state["trained"]["steps"] == 31
    assert stream.teach("a", make_rows(["good", "bad"], 8)).state["trained"]["steps"] == 12


def test_the_full_rate_is_reached_by_the_middle_of_a_short_training(
    stream: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the whole training of a small batch lay inside `warmup_steps`."""
    paces: list[float] = []
    pace = loop._pace
    monkeypatch.setattr(loop, "_pace", lambda *at: paces.append(pace(*at)) or paces[-1])
    champion = stream.teach("a", make_rows(["good", "bad"], 8))
    training = stream.settings.training.model_copy(update={"warmup_steps": 60})
    settings = stream.settings.model_copy(update={"training": training})
    del paces[:]
    stream.teach("b", make_rows(["cat", "dog"], 8), champion, settings=settings)
    assert max(paces[: len(paces) // 2]) == 1.0
