"""The table of strategies: what each of them holds to, and what the outline lets one do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from components.items import Item
from components.model.bundle import Bundle, Part, json_part, tensors_part
from components.model.classifier import load_classifier
from components.model.encoding import infer, tokenise
from components.model.heads import HEADS
from components.model.placement import placement_of
from components.settings import Settings
from components.training.candidate import replayed_refs
from components.training.guard import Guard
from components.training.learner import Learner
from components.training.memory import MemoryRef, remembered
from components.training.strategies import STRATEGIES
from components.training.strategies.replay import settled
from components.training.strategies.strategy import Features, Situation

Rows = Callable[..., tuple[Item, ...]]

FEW = {"memory_items": 12}
CASES: dict[str, tuple[dict[str, Any], int, str]] = {
    "sequential": ({}, 0, "lora"),
    "replay": (FEW, 12, "lora"),
    "replay dark": ({**FEW, "logits_weight": 0.5}, 12, "lora"),
    "joint": ({}, 64, "lora"),
    "ewc": ({"fisher_rows": 4}, 0, "lora"),
    "lwf": ({}, 0, "lora"),
    "olora": ({}, 0, "lora"),
    "osf": ({}, 0, "osf"),
    "experts": ({}, 0, "lora"),
    "experts mahalanobis": ({"router": "mahalanobis"}, 0, "prompt"),
    "pool": ({}, 0, "lora"),
    "pool prompt": ({}, 0, "prompt"),
    "merge": ({}, 0, "lora"),
    "merge ties": ({"how": "ties", "start": "base"}, 0, "ia3"),
    "merge dare": ({"how": "dare"}, 0, "lora"),
    "merge slao": ({"how": "slao"}, 0, "lora"),
    "task_vectors": (FEW, 12, "lora"),
    "analytic": ({"size": 64}, 0, "head"),
    "analytic adapted": ({"size": 64, "features": "fourier", "adapt": "first"}, 0, "lora"),
    "analytic contrastive": ({"size": 64, "solver": "contrastive"}, 0, "head"),
    "hybrid": ({**FEW, "size": 64, "enough_percent": 100.0, "growth": 1.0}, 12, "lora"),
    "prototype": ({}, 0, "head"),
    "prototype lda": ({"solver": "lda"}, 0, "head"),
}
"""Case -> settings of the strategy that it begins with, how many rows it may remember under them,
and an adapter method."""


@pytest.fixture(params=CASES)
def row(request: pytest.FixtureRequest, any_stream: Any) -> Any:
    """A stream under one strategy of the table."""
    values, bound, method = CASES[request.param]
    stream = any_stream(method)
    own = {"method": request.param.split()[0], **values}
    stream.settings = Settings.model_validate(stream.settings.model_dump() | {"strategy": own})
    stream.bound, stream.name = bound, request.param
    return stream


def test_every_strategy_is_tested() -> None:
    assert {name.split()[0] for name in CASES} == STRATEGIES.keys()


def test_the_same_lesson_twice_is_the_same_bundle(row: Any, make_rows: Rows) -> None:
    first, second = make_rows(["good", "bad"], 8), make_rows(["cat", "dog"], 8, "pets")
    digests = set()
    for turn in (1, -1):
        parent = row.teach("a", first[::turn])
        digests.add((parent.digest, row.teach("b", second[::turn], parent).digest))
    assert len(digests) == 1


def test_only_remembered_rows_are_replayed_and_only_trained_ones_remembered(
    row: Any, make_rows: Rows
) -> None:
    first, second = make_rows(["good", "bad"], 8), make_rows(["good", "cat"], 8)
    parent = row.teach("a", first)
    memory = remembered(parent)
    assert {ref.item for ref in memory} <= {item.digest for item in first}
    refs = replayed_refs(row.lesson("b", second, parent), row.settings)
    assert set(refs) <= set(memory)
    assert {ref.item for ref in refs}.isdisjoint(item.digest for item in second)
    later = {ref.item for ref in remembered(row.teach("b", second, parent))}
    assert later <= {ref.item for ref in memory} | {item.digest for item in second}


def test_the_memory_stays_within_its_bound(row: Any, make_rows: Rows) -> None:
    parent = None
    for batch, labels in (("a", ["good", "bad"]), ("b", ["cat", "dog"])):
        parent = row.teach(batch, make_rows(labels, 16), parent)
        assert len(remembered(parent)) <= row.bound


def test_a_version_goes_on_from_its_parent(row: Any, make_rows: Rows) -> None:
    parent = row.teach("a", make_rows(["good", "bad"], 8))
    child = row.teach("b", make_rows(["cat"], 8), parent)
    third = row.teach("c", make_rows(["dog"], 8), child)
    assert (child.state["parent"], third.state["parent"]) == (parent.digest, child.digest)
    assert third.labels == ("bad", "good", "cat", "dog")
    fresh = row.teach("b", make_rows(["cat"], 8))
    assert child.answering() not in (parent.answering(), fresh.answering())


def install(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Let the `replay` row do something else."""
    monkeypatch.setitem(STRATEGIES, "replay", replace(STRATEGIES["replay"], **fields))


class Growing(Guard):
    """Draws the expert's numbers towards 1."""

    def loss(self, given: Any) -> Any:
        expert = self.learner.opened["expert"].tensors["w"]
        return super().loss(given) + ((expert - 1) ** 2).sum()


def test_a_strategy_opens_a_part_that_answers_and_one_that_learns(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Any, dict[str, Any]]] = []

    def start(learner: Learner) -> tuple[Part, ...]:
        parent = learner.parent
        pool = parent.read_json("pool.json") if parent else []
        tensors = parent.tensors("expert") if parent else {"w": torch.zeros(2)}
        given.append((pool, {name: tensor.clone() for name, tensor in tensors.items()}))
        tensors["w"].requires_grad_()
        return (
            tensors_part("expert", "answers", tensors),
            json_part("pool", "learns", [*pool, len(learner.items)]),
        )

    install(monkeypatch, start=start, guard=Growing)
    first = stream.teach("a", make_rows(["good", "bad"], 8))
    second = stream.teach("b", make_rows(["cat"], 8), first)
    assert first.role("expert.safetensors") == "answers"
    assert first.role("pool.json") == "learns"
    assert "expert.safetensors" in first.answering()["files"]
    assert "pool.json" not in first.answering()["files"]
    assert (second.read_json("pool.json"), given[1][0]) == ([16, 24], [16])
    kept = first.tensors("expert")["w"]
    assert torch.equal(given[1][1]["w"], kept)
    assert 0 < float(kept[0]) < float(second.tensors("expert")["w"][0]) <= 1


def test_an_opened_part_without_finite_numbers_leaves_no_bundle(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.errors import NeedsHuman

    broken = tensors_part("expert", "answers", {"w": torch.tensor([1.0, float("inf")])})
    install(monkeypatch, start=lambda learner: (broken,))
    with pytest.raises(NeedsHuman, match=r"the expert contains .* \(w\)"):
        stream.teach("a", make_rows(["good", "bad"], 4))
    assert not stream.bundles.exists() or not any(stream.bundles.iterdir())


NEAREST = 3


def herding(situation: Situation, features: Features) -> tuple[MemoryRef, ...]:
    """Keep the memory, and of each new label the rows nearest to its mean."""
    found, kept = features(), list(situation.memory)
    for label in {ref.label for ref in situation.new}:
        places = [place for place, ref in enumerate(situation.new) if ref.label == label]
        apart = (found[places] - found[places].mean(0)).norm(dim=1)
        kept += [situation.new[places[near]] for near in apart.argsort()[:NEAREST]]
    return tuple(sorted(kept))


def test_a_memory_can_keep_the_rows_nearest_to_their_labels_mean(
    base: Any, stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, remember=herding)
    settings = stream.settings.adapter.model_copy(update={"dropout": 0.3})
    stream.settings = stream.settings.model_copy(update={"adapter": settings})
    first, second = make_rows(["good", "bad"], 10), make_rows(["cat"], 10)
    parent = stream.teach("a", first)
    child = stream.teach("b", second, parent)
    assert remembered(child)[: 2 * NEAREST] == remembered(parent)
    for bundle, items in ((parent, first), (child, second)):
        for label in {item.label for item in items}:
            own = [item for item in items if item.label == label]
            found = answered_features(base, bundle, stream.settings, own)
            apart = (found - found.mean(0)).norm(dim=1)
            near = {own[place].digest for place in apart.argsort()[:NEAREST]}
            assert {ref.item for ref in remembered(bundle) if ref.label == label} == near


def answered_features(base: Any, bundle: Bundle, settings: Settings, items: list[Item]) -> Any:
    """Return the features that the version itself answers from."""
    loaded = load_classifier(base, bundle, placement_of(settings))
    rows = tokenise(base, [item.text for item in items], 128)
    return torch.from_numpy(infer(loaded.features, rows, 128))


def test_a_strategy_sees_new_rows_in_one_order_however_they_came(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, remember=lambda situation, features: situation.new[:3])
    items = make_rows(["good", "bad"], 4)
    assert stream.teach("a", items).digest == stream.teach("a", items[::-1]).digest


def test_features_are_not_computed_unless_asked_for(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unasked(*_: Any) -> Any:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(Learner, "features", unasked)
    stream.teach("a", make_rows(["good", "bad"], 4))


def test_asking_for_features_leaves_training_modes_as_they_were(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[bool]] = []

    def fit(learner: Learner, guard: Guard, progress: Any) -> None:
        for _ in range(2):
            seen.append([module.training for module in learner.model.modules()])
            learner.features([0])

    install(monkeypatch, fit=fit)
    dropout = stream.settings.adapter.model_copy(update={"dropout": 0.3})
    settings = stream.settings.model_copy(update={"adapter": dropout})
    stream.teach("a", make_rows(["good", "bad"], 4), settings=settings)
    assert seen[0] == seen[1]
    assert True in seen[0]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_settled_rows_are_taught_the_parents_answer(
    share: float, stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So at first, when the candidate is its parent, they ask for no change at all."""
    pulls: dict[int, float] = {}

    def fit(learner: Learner, guard: Guard, progress: Any) -> int:
        for row in learner.replayed.nonzero().flatten().tolist():
            guard.loss(learner.forward([row])).backward()
            weights = learner.head_weights()
            pulls[row] = max(float(weight.grad.abs().max()) for weight in weights)
            for weight in weights:
                weight.grad = None
        assert set(settled(learner)) < set(pulls), "those of the parent's own batch are not"
        kept = {row for row, pull in pulls.items() if pull < 1e-6}
        assert kept == (set(settled(learner)) if share == 1.0 else set())
        return 0

    every = make_rows(["good", "bad"], 24)
    first, second, third = every[::3], every[1::3], every[2::3]
    parent = stream.teach("b", second, stream.teach("a", first))
    own = stream.settings.strategy.model_copy(update={"distillation": share, "replay_ratio": 2.0})
    install(monkeypatch, fit=fit)
    settings = stream.settings.model_copy(update={"strategy": own})
    stream.teach("c", third, parent, settings=settings)
    assert len(pulls) == len(first) + len(second)


def test_no_row_is_settled_where_new_labels_compete(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = make_rows(["good", "bad"], 16)
    parent = stream.teach("b", every[::2], stream.teach("a", every[1::2]))
    install(monkeypatch, fit=lambda learner, *_: len(settled(learner)))
    assert stream.teach("c", make_rows(["cat"], 8), parent).state["trained"]["steps"] == 0


def test_hybrid_learns_its_adapter_again_once_there_is_far_more_to_learn_from(
    any_stream: Any, make_rows: Rows
) -> None:
    stream = any_stream("lora")
    own = {"method": "hybrid", "size": 64, "enough_percent": 100.0, "growth": 3.0}
    stream.settings = Settings.model_validate(stream.settings.model_dump() | {"strategy": own})
    steps, parent = [], None
    for name, labels, count in (("a", "good bad", 8), ("b", "cat dog", 8), ("c", "good bad", 24)):
        parent = stream.teach(name, make_rows(labels.split(), count), parent)
        steps.append(parent.state["trained"]["steps"])
    assert steps[0] > 0 and steps[1] == 0 and steps[2] > 0


def test_an_adapter_starts_alike_whatever_its_head_draws(
    any_stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = any_stream("lora")
    own = {"method": "analytic", "features": "plain"}
    stream.settings = Settings.model_validate(stream.settings.model_dump() | {"strategy": own})
    grow = HEADS["plain"]

    def spending(*given: Any) -> Any:
        torch.rand(7)
        return grow(*given)

    lesson = make_rows(["good", "bad"], 8)
    as_it_is = stream.teach("a", lesson)
    monkeypatch.setitem(HEADS, "plain", spending)
    assert stream.teach("a", lesson).files == as_it_is.files


def under(stream: Any, **own: Any) -> Settings:
    """Return the stream's settings with another strategy."""
    return Settings.model_validate(stream.settings.model_dump() | {"strategy": own})


def test_hybrid_keeps_what_a_strategy_without_memory_learned_before_it(
    any_stream: Any, make_rows: Rows
) -> None:
    stream = any_stream("lora")
    analytic = under(stream, method="analytic", size=64)
    hybrid = under(stream, method="hybrid", size=64)
    rows = make_rows(["good", "bad"], 32)
    first, later = rows[::2], rows[1::2]
    version = stream.teach("a", first, settings=analytic)
    for number, part in enumerate((later[::2], later[1::2])):
        version = stream.teach(f"b{number}", part, version, settings=hybrid, adapt=True)
        assert version.state["trained"]["steps"] == 0
    counts = version.strategy_state().tensors["counts"]
    assert counts.tolist() == [32.0, 32.0]
    own = stream.teach("a", first, settings=hybrid)
    after = stream.teach("b", later, own, settings=hybrid, adapt=True)
    assert after.state["trained"]["steps"] > 0


def test_another_solver_begins_anew_to_learn_how_sure_the_head_may_be(
    any_stream: Any, make_rows: Rows
) -> None:
    stream, told = any_stream("head"), list[list[str]]()
    version = None
    for batch, solver in (("a", "ridge"), ("b", "ridge"), ("c", "lda"), ("d", "ridge")):
        settings = under(stream, method="analytic", size=64, solver=solver)
        rows = make_rows(["good", "bad"], 64, batch)
        version = stream.teach(batch, rows, version, settings=settings)
        told.append([each[0][0] for each in version.strategy_state().values["sharpness"]])
    assert told == [["a"], ["a", "b"], ["c"], ["d"]]


def test_a_pool_has_all_its_keys_however_few_rows_the_first_batch_has(
    any_stream: Any, make_rows: Rows
) -> None:
    stream = any_stream("lora", rank=32)
    settings = under(stream, method="pool", modules=32, top=2)
    version = stream.teach("a", make_rows(["good", "bad"], 2), settings=settings)
    assert len(version.tensors("pool")["keys"]) == 32
