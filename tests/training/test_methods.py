"""What an adapter method may bring to the loop, each by a row put into the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from components.model import frozen
from components.model.activation_cache import ActivationCache
from components.model.adapters import METHODS
from components.model.adapters.method import WEIGHTS, Method
from components.model.answering import predict
from components.model.placement import placement_of
from components.model.tensors import read_tensors
from components.training.learner import Learner
from components.training.loop import descend
from components.training.strategies import STRATEGIES


@pytest.fixture
def adapted(stream: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Teach a batch with LoRA and something more; return the adapter's tensors by name."""

    def teach(**fields: Any) -> dict[str, torch.Tensor]:
        monkeypatch.setitem(METHODS, "lora", replace(METHODS["lora"], **fields))
        bundle = stream.teach("a", make_rows(["good", "bad"], 8))
        return read_tensors(bundle.adapter / WEIGHTS)

    return teach


def of(model: Any, part: str) -> list[torch.Tensor]:
    return [weight for name, weight in model.named_parameters() if part in name]


def test_a_penalty_is_a_term_of_the_loss(adapted: Any) -> None:
    def small(tensors: dict[str, torch.Tensor]) -> float:
        return sum(float(w.norm()) for name, w in tensors.items() if "lora_B" in name)

    free = small(adapted())
    held = small(adapted(penalty=lambda model: 1e3 * sum((w**2).sum() for w in of(model, "_B"))))
    assert held < free / 2


def test_groups_have_learning_rates_of_their_own(adapted: Any) -> None:
    first: list[torch.Tensor] = []

    def groups(model: Any) -> Any:
        first.extend(weight.detach().clone() for weight in of(model, "lora_A"))
        return [(of(model, "lora_A"), 0.0), (of(model, "lora_B"), 4.0)]

    found = adapted(groups=groups)
    kept = [weight for name, weight in sorted(found.items()) if "lora_A" in name]
    assert all(torch.equal(one, other) for one, other in zip(kept, first, strict=True))
    assert all(bool(weight.any()) for name, weight in found.items() if "lora_B" in name)


def test_a_weight_that_stands_in_no_group_is_a_defect(adapted: Any) -> None:
    with pytest.raises(AssertionError):
        adapted(groups=lambda model: [(of(model, "lora_A"), 1.0)])


def test_a_hook_after_each_step_may_change_the_weights(adapted: Any) -> None:
    told: list[tuple[int, int, bool]] = []

    def prune(model: Any, done: int, steps: int) -> None:
        told.append((done, steps, all(weight.grad is not None for weight in of(model, "lora_B"))))
        with torch.no_grad():
            for weight in of(model, "lora_B"):
                weight[:, 0] = 0.0

    found = adapted(after_step=prune)
    assert told == [(step, 12, True) for step in range(1, 13)]
    pruned = [weight for name, weight in found.items() if "lora_B" in name]
    assert pruned
    assert not any(bool(weight[:, 0].any()) for weight in pruned)
    assert all(bool(weight[:, 1].any()) for weight in pruned)


HEAD_ONLY = Method(
    attach=lambda fork, settings, sample: fork,
    save=lambda model, base, folder: None,
    load=lambda fork, folder, trainable: fork,
    shape=(),
)


def ridge(learner: Learner, guard: Any, progress: Any) -> None:
    """Solve the head on the pooled features."""
    found = learner.features(learner.train_rows)
    wanted = torch.nn.functional.one_hot(learner.targets[learner.train_rows]).float()
    gram = found.T @ found + 0.01 * torch.eye(found.shape[1])
    with torch.no_grad():
        learner.classifier.head.weight.copy_(torch.linalg.solve(gram, found.T @ wanted).T)


@pytest.mark.parametrize("fit", [ridge, descend])
def test_a_head_alone_reads_kept_features_and_computes_no_layer_again(
    base: Any,
    stream: Any,
    make_rows: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fit: Any,
) -> None:
    monkeypatch.setitem(METHODS, "lora", HEAD_ONLY)
    monkeypatch.setitem(STRATEGIES, "replay", replace(STRATEGIES["replay"], fit=fit))
    monkeypatch.setattr(frozen, "SAMPLED", 0)  # the few that are checked again at each use
    cache = ActivationCache(tmp_path / "activations", 10_000_000)
    items, passes = make_rows(["good", "bad"], 16), []
    watch = base.model.register_forward_hook(lambda *_: passes.append(1))
    try:
        first = stream.teach("a", items, cache=cache)
        assert passes
        passes.clear()
        second = stream.teach("b", items, first, cache=cache)
        assert not passes
    finally:
        watch.remove()
    assert (second.state["frozen"], second.state["uncut"]) == ("all layers", None)
    uncached = stream.teach("b", items, stream.teach("a", items))
    assert uncached.digest == second.digest
    texts = [item.text for item in items]
    found = predict(base, second, texts, placement_of(stream.settings)).labels
    right = sum(label == item.label for label, item in zip(found, items, strict=True))
    assert right > 0.8 * len(items)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_where_the_base_computes_in_bfloat16(
    any_stream: Any, make_rows: Any, method: str
) -> None:
    stream = any_stream(method)
    half = stream.settings.training.model_copy(update={"precision": "bfloat16"})
    settings = stream.settings.model_copy(update={"training": half})
    bundle = stream.teach("a", make_rows(["good", "bad"], 8), settings=settings)
    assert bundle.state["trained"]["steps"] > 0
