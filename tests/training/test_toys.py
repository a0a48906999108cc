"""A new method and a new strategy, each in fewer than forty lines, as CONTRIBUTING.md has it."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from components.model.adapters import METHODS
from components.model.adapters.in_place import in_place_method, value_of
from components.model.adapters.method import WEIGHTS
from components.model.answering import load_version, open_version
from components.model.bundle import Bundle, State
from components.model.tensors import read_tensors, write_tensors
from components.training.guard import Guard
from components.training.learner import Learner
from components.training.memory import MemoryRef
from components.training.strategies import STRATEGIES
from components.training.strategies.strategy import Strategy


def last_biases(fork: nn.Module, settings: Any) -> list[str]:
    """A method: the last layer's biases alone."""
    names = [name for name, _ in fork.named_parameters() if name.endswith(".bias")]
    return names[-2:]


class Settled(Guard):
    """A strategy: what the head says of earlier labels stays as it was."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self.known = len(learner.parent.labels) if learner.parent else 0
        self.before = [weight[: self.known].detach().clone() for weight in learner.head_weights()]

    def after_update(self) -> None:
        """Put the rows of earlier labels back."""
        with torch.no_grad():
            for weight, before in zip(self.learner.head_weights(), self.before, strict=True):
                weight[: self.known] = before

    def finish(self, memory: tuple[MemoryRef, ...]) -> State:
        """Return how many labels were settled."""
        return State({"settled": self.known})


@pytest.fixture
def stream(any_stream: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stream of the toy method under the naive strategy: each has the row of another one."""
    monkeypatch.setitem(METHODS, "head", in_place_method(last_biases, shape=()))
    made = any_stream("head")
    values = made.settings.model_dump() | {"strategy": {"method": "sequential"}}
    made.settings = type(made.settings).model_validate(values)
    return made


def taught(stream: Any, make_rows: Any) -> tuple[Bundle, Bundle]:
    parent = stream.teach("a", make_rows(["good", "bad"], 8))
    return parent, stream.teach("b", make_rows(["cat"], 8), parent)


def test_each_toy_has_fewer_than_forty_lines() -> None:
    for toy in (last_biases, Settled):
        assert len(inspect.getsource(toy).splitlines()) < 40


def test_a_toy_method_learns_weights_that_change_answers_once_they_are_loaded(
    stream: Any, make_rows: Any, tmp_path: Path
) -> None:
    parent, version = taught(stream, make_rows)
    assert version.labels == ("bad", "good", "cat")
    assert version.answering_bytes() < 20_000
    names = last_biases(stream.base.model, None)
    plain = {name: value_of(stream.base.model, name) for name in names}
    first, second = (read_tensors(each.adapter / WEIGHTS) for each in (parent, version))
    assert len(names) == 2 and first.keys() == second.keys() == plain.keys()
    for name in names:
        assert (first[name] - plain[name]).abs().max() > 1e-3
        assert (second[name] - first[name]).abs().max() > 1e-4

    texts = [item.text for item in make_rows(["good", "bad", "cat"], 8)]
    away = Path(shutil.copytree(version.folder, tmp_path / "away" / version.digest))
    learned = open_version(away, stream.base).answer(texts).probabilities
    assert np.array_equal(learned, load_version(stream.base, version).answer(texts).probabilities)
    write_tensors(version.adapter / WEIGHTS, plain)
    without = load_version(stream.base, version).answer(texts).probabilities
    assert np.abs(np.log(learned) - np.log(without)).max() > 0.1


def test_a_toy_strategy_shows_in_what_a_version_knows(
    stream: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(parent: Bundle, version: Bundle) -> float:
        before, after = parent.head_tensors()["weight"], version.head_tensors()["weight"]
        assert after[len(before) :].abs().max() > 1e-2  # the new label is learned in any case
        return float((after[: len(before)] - before).abs().max())

    assert moved(*taught(stream, make_rows)) > 1e-2
    monkeypatch.setitem(STRATEGIES, "sequential", Strategy(keeps="A number.", guard=Settled))
    parent, version = taught(stream, make_rows)
    assert moved(parent, version) < 1e-6
    assert [each.strategy_state().values for each in (parent, version)] == [
        {"settled": 0},
        {"settled": 2},
    ]
