from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from components.training import loop
from components.training.guard import Guard
from components.training.learner import Learner
from components.training.loop import descend
from components.training.strategies import STRATEGIES

Seen = list[tuple[Learner, set[int]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Every learner of the test, and the rows that it was trained on."""
    found: Seen = []

    class Watching(Guard):
        def loss(self, given: Any) -> Any:
            found[-1][1].update(given.rows.tolist())
            return super().loss(given)

    def fit(learner: Learner, guard: Guard, progress: Any) -> None:
        found.append((learner, set()))
        descend(learner, guard, progress)

    monkeypatch.setitem(
        STRATEGIES, "replay", replace(STRATEGIES["replay"], fit=fit, guard=Watching)
    )
    return found


def patient(stream: Any) -> Any:
    training = stream.settings.training.model_copy(update={"patience": 1, "epochs": 1})
    return stream.settings.model_copy(update={"training": training})


def test_replayed_rows_are_marked_in_the_order_of_items(
    stream: Any, make_rows: Any, seen: Seen
) -> None:
    first, second = make_rows(["good", "bad"], 8), make_rows(["cat", "dog"], 8, "pets")
    stream.teach("b", second, stream.teach("a", first))
    (alone, _), (learner, trained) = seen
    assert not alone.replayed.any()
    marked = {item.digest for item, old in zip(learner.items, learner.replayed, strict=True) if old}
    assert marked == {item.digest for item in first}
    assert len(learner.replayed) == len(learner.items) == len(first) + len(second)
    assert learner.train_rows == sorted(trained) == list(range(len(learner.items)))
    assert learner.looked_at == ()


def test_each_round_goes_through_all_new_rows_and_others_of_the_remembered(
    stream: Any, make_rows: Any, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_rows(["good", "bad"], 30), make_rows(["cat", "dog"], 8, "pets")
    parent = stream.teach("a", first)
    update = {"min_steps": 16, "epochs": 2, "batch_size": 8}
    training = stream.settings.training.model_copy(update=update)
    batches: list[list[int]] = []
    taken = loop._update
    monkeypatch.setattr(loop, "_update", lambda *at: (batches.append(at[3]), taken(*at))[1])
    strategy = stream.settings.strategy.model_copy(update={"replay_ratio": 1.0})
    settings = stream.settings.model_copy(update={"training": training, "strategy": strategy})
    stream.teach("b", second, parent, settings=settings)
    learner, _ = seen[-1]
    new = {row for row in learner.train_rows if not learner.replayed[row]}
    epochs = [{row for batch in batches[at : at + 4] for row in batch} for at in (0, 4, 8, 12)]
    assert len(batches) == 16 and all(new <= rows and len(rows) == 32 for rows in epochs)
    assert epochs[0] == epochs[1] and epochs[2] == epochs[3]
    assert epochs[0] & epochs[2] == new and epochs[0] | epochs[2] == {*learner.train_rows}


def test_a_row_that_is_new_and_replayed_counts_as_new(
    stream: Any, make_rows: Any, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = replace(STRATEGIES["replay"], replay=lambda situation: situation.memory)
    monkeypatch.setitem(STRATEGIES, "replay", everything)
    items = make_rows(["good", "bad"], 8)
    stream.teach("b", items[:3], stream.teach("a", items))
    learner = seen[-1][0]
    new = {item.digest for item in items[:3]}
    assert [bool(old) for old in learner.replayed] == [
        item.digest not in new for item in learner.items
    ]


def test_a_tenth_is_looked_at_and_never_trained_on(stream: Any, make_rows: Any, seen: Seen) -> None:
    stream.teach("a", make_rows(["good", "bad"], 150), settings=patient(stream))
    learner, trained = seen[0]
    drawn = list(range(300))
    random.Random(f"{learner.seed}:slice").shuffle(drawn)
    assert learner.looked_at == tuple(sorted(drawn[:30]))
    assert learner.train_rows == sorted(trained) == sorted(drawn[30:])
