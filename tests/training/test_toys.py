"""A new method and a new strategy, each in fewer than forty lines, as CONTRIBUTING.md has it."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from components.model.adapters import METHODS
from components.model.adapters.in_place import in_place_method
from components.training.guard import Guard
from components.training.strategies import STRATEGIES
from components.training.strategies.strategy import Strategy


def last_bias(fork: nn.Module, settings: Any) -> list[str]:
    """A method: the last layer's biases alone."""
    names = [name for name, _ in fork.named_parameters() if name.endswith(".bias")]
    return names[-2:]


class Timid(Guard):
    """A strategy: gradients are halved."""

    def before_update(self) -> None:
        for weight in self.learner.weights():
            if weight.grad is not None:
                weight.grad *= 0.5


def test_a_toy_method_and_a_toy_strategy_are_a_row_each(
    any_stream: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "head", in_place_method(last_bias, shape=()))
    monkeypatch.setitem(STRATEGIES, "sequential", Strategy(keeps="Nothing.", guard=Timid))
    stream = any_stream("head")
    values = stream.settings.model_dump() | {"strategy": {"method": "sequential"}}
    stream.settings = type(stream.settings).model_validate(values)
    version = stream.teach("b", make_rows(["cat"], 8), stream.teach("a", make_rows(["good"], 8)))
    assert version.labels == ("good", "cat")
    assert version.answering_bytes() < 20_000
