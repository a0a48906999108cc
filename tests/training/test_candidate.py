from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from components.errors import ConfigError, DataRejected, NeedsHuman
from components.items import Item, make_item, write_items
from components.model import adapters
from components.model.adapters.method import peft_method
from components.model.adapters.targets import target_pattern
from components.model.bundle import Part, State, open_bundle
from components.model.classifier import load_classifier
from components.model.placement import Placement
from components.model.progress import silent
from components.model.tensors import write_tensors
from components.settings import SequentialSettings, Settings
from components.training import candidate
from components.training.candidate import lesson_key
from components.training.guard import Guard
from components.training.strategies import STRATEGIES
from components.training.strategies.strategy import Strategy

Rows = Callable[..., tuple[Item, ...]]
PLAIN = Placement("cpu", "float32", 128, 1)


def answers(base: Any, bundle: Any, items: tuple[Item, ...]) -> list[str]:
    found = load_classifier(base, bundle, PLAIN).logits([item.text for item in items], silent)
    return [bundle.labels[place] for place in found.argmax(axis=1)]


def accuracy(base: Any, bundle: Any, items: tuple[Item, ...]) -> float:
    right = zip(answers(base, bundle, items), items, strict=True)
    return sum(answer == item.label for answer, item in right) / len(items)


def with_adapter(settings: Settings, **values: Any) -> Settings:
    return settings.model_copy(update={"adapter": settings.adapter.model_copy(update=values)})


def test_a_batch_is_learned_and_replay_keeps_what_came_before(
    base: Any, stream: Any, make_rows: Rows
) -> None:
    first, second = make_rows(["good", "bad"], 40), make_rows(["cat", "dog"], 40, "pets")
    champion = stream.teach("a", first)
    assert accuracy(base, champion, first) > 0.9
    kept = stream.teach("b", second, champion)
    none = SequentialSettings(update_share=1.0)
    bare = stream.settings.model_copy(update={"strategy": none})
    lost = stream.teach("b", second, champion, settings=bare)
    assert accuracy(base, kept, second) > 0.8
    assert accuracy(base, kept, first) > 0.9 > accuracy(base, lost, first)
    assert kept.labels == ("bad", "good", "cat", "dog")
    assert kept.state["trained"] == {"new": {"pets": 80}, "replayed": {"default": 80}, "steps": 120}
    assert kept.state["parent"] == champion.digest


def test_the_same_lesson_gives_the_same_bundle_in_any_row_order(
    stream: Any, make_rows: Rows
) -> None:
    items = make_rows(["good", "bad"], 12)
    digest = stream.teach("a", items).digest
    before = torch.random.get_rng_state()
    torch.manual_seed(99)
    assert stream.teach("a", items[::-1]).digest == digest
    torch.random.set_rng_state(before)
    assert [path.name for path in stream.bundles.iterdir()] == [digest]


FRESH = """
import json, sys
from dataclasses import replace
from pathlib import Path
from components.items import read_items
from components.settings import Settings
from components.model.base import load_base
from components.model.bundle import open_bundle
from components.training.candidate import Lesson, learn, replayed_refs
from components.model.answering import predict
from components.model.placement import placement_of

folder = Path(sys.argv[1])
items = read_items(folder / "items.jsonl")
seen = {item.digest: item for item in items}
for values in json.loads(sys.argv[2]):
    settings = Settings.model_validate(values)
    base = load_base(settings.model, folder)
    parent = None
    for batch, rows in (("a", items[:30]), ("b", items[30:])):
        lesson = Lesson(batch * 64, tuple(rows), parent, {}, "0" * 64, ())
        refs = replayed_refs(lesson, settings)
        lesson = replace(lesson, replayed=tuple(seen[ref.item] for ref in refs))
        parent = learn(base, folder / sys.argv[3], lesson, settings)
    found = predict(base, parent, [item.text for item in items], placement_of(settings))
    print(parent.digest, found.probabilities.tobytes().hex())
"""


def test_fresh_processes_write_the_same_bytes_and_give_the_same_answers(
    tmp_path: Path, settings: Settings, make_rows: Rows
) -> None:
    write_items(tmp_path / "items.jsonl", make_rows(["good", "bad"], 30))
    variants = [
        with_adapter(settings, **adapter).model_dump()
        for adapter in ({}, {"dropout": 0.2, "layers": "all"})
    ]
    for values in variants:
        values["training"] |= {"threads": 2, "epochs": 2}
    command = [sys.executable, "-c", FRESH, str(tmp_path), json.dumps(variants)]
    runs = [
        subprocess.run(
            [*command, f"bundles{seed}"],
            env=os.environ | {"PYTHONHASHSEED": seed, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
    assert len(set(runs[0].stdout.split())) == 4
    assert [run.stderr for run in runs] == ["", ""]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_answers_the_same_and_refuses_to_train_on_threads(
    base: Any, stream: Any, make_rows: Rows, tmp_path: Path
) -> None:
    from components.model.answering import predict

    items = make_rows(["good", "bad"], 12)
    bundle = stream.teach("a", items)
    texts = [item.text for item in items]
    both = replace(PLAIN, threads=2)
    expected = predict(base, bundle, texts, both).probabilities.tobytes()
    two = stream.settings.training.model_copy(update={"threads": 2})
    child = os.fork()
    if child == 0:
        status = 1
        try:
            same = predict(base, bundle, texts, both).probabilities.tobytes() == expected
            stream.teach("b", items, settings=stream.settings.model_copy(update={"training": two}))
        except ConfigError:
            status = 0 if same else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_two_bundles_over_one_base_do_not_touch_each_other(
    base: Any, stream: Any, make_rows: Rows
) -> None:
    items = make_rows(["good", "bad"], 12)
    weights = {name: weight.clone() for name, weight in base.model.state_dict().items()}
    champion = stream.teach("a", items)
    model = load_classifier(base, champion, PLAIN)
    before = model.logits([item.text for item in items], silent)
    candidate = stream.teach("b", make_rows(["cat", "dog"], 12), champion)
    load_classifier(base, candidate, PLAIN)
    assert (model.logits([item.text for item in items], silent) == before).all()
    after = base.model.state_dict()
    assert weights.keys() == after.keys()
    assert all(torch.equal(weights[name], after[name]) for name in weights)


@pytest.mark.parametrize(
    "change",
    [
        {"batch": "f" * 64},
        {"wall": "f" * 64},
        {"anchors": {"t": "f" * 64}},
        {"items": (make_item("x", "y", "t"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_decides_the_bytes_decides_the_key(
    base: Any, stream: Any, make_rows: Rows, change: dict[str, Any]
) -> None:
    lesson = stream.lesson("a", make_rows(["good", "bad"], 4))
    key = lesson_key(base, lesson, stream.settings)
    assert key == lesson_key(base, lesson, stream.settings)
    assert key != lesson_key(base, replace(lesson, **change), stream.settings)
    assert key != lesson_key(base, lesson, stream.settings.model_copy(update={"seed": 7}))


def test_a_lesson_is_values_that_another_process_can_read(stream: Any, make_rows: Rows) -> None:
    first, second = make_rows(["good", "bad"], 4), make_rows(["cat", "dog"], 4)
    lesson = stream.lesson("b", second, stream.teach("a", first))
    lesson = replace(lesson, replayed=first)
    assert pickle.loads(pickle.dumps(lesson)) == lesson


def test_erased_rows_are_left_out_of_replay(stream: Any, make_rows: Rows) -> None:
    first = make_rows(["good", "bad"], 10)
    champion = stream.teach("a", first)
    for item in first[:5]:
        del stream.seen[item.digest]
    bundle = stream.teach("b", make_rows(["cat", "dog"], 10), champion)
    assert bundle.state["trained"]["replayed"] == {"default": 15}


def test_a_batch_without_training_rows_is_refused(stream: Any) -> None:
    with pytest.raises(DataRejected, match="no rows to train on"):
        stream.teach("a", ())


def test_another_adapter_shape_than_the_parents_is_refused(stream: Any, make_rows: Rows) -> None:
    items = make_rows(["good", "bad"], 4)
    champion = stream.teach("a", items)
    with pytest.raises(ConfigError, match=r"`adapter.rank` 8 -> 4"):
        stream.teach("b", items, champion, settings=with_adapter(stream.settings, rank=4))


def test_another_base_than_the_parents_is_refused(stream: Any, make_rows: Rows, base: Any) -> None:
    items = make_rows(["good", "bad"], 4)
    champion = stream.teach("a", items)
    stream.base = replace(base, digest="e" * 64)
    with pytest.raises(ConfigError, match="was trained on tiny"):
        stream.teach("b", items, champion)


def ia3(fork: Any, settings: Any) -> Any:
    from peft import IA3Config

    targets = target_pattern(fork, settings)
    return IA3Config(
        task_type="FEATURE_EXTRACTION", target_modules=targets, feedforward_modules=targets
    )


def prompts(fork: Any, settings: Any) -> Any:
    from peft import PromptTuningConfig

    return PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=4)


@pytest.mark.parametrize("config", [ia3, prompts])
def test_another_peft_method_is_one_row_of_the_table(
    base: Any, stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch, config: Any
) -> None:
    monkeypatch.setitem(adapters.METHODS, "other", peft_method(config))
    settings = with_adapter(stream.settings, method="other")
    items = make_rows(["good", "bad"], 16)
    parent = stream.teach("a", items, settings=settings)
    bundle = stream.teach("b", items, parent, settings=settings)
    assert stream.teach("b", items, parent, settings=settings).digest == bundle.digest
    assert accuracy(base, bundle, items) > 0.7


class Penalty(Guard):
    """Holds every weight near where the last batch left it, and passes its state on."""

    def __init__(self, learner: Any) -> None:
        super().__init__(learner)
        own = learner.classifier
        named = [*own.body.model.named_parameters(), *own.head.named_parameters()]
        self.weights = {name: weight for name, weight in named if weight.requires_grad}
        parent = learner.parent
        self.before = parent.strategy_state() if parent else State({"lessons": 0})

    def loss(self, given: Any) -> Any:
        pull = sum(
            ((self.weights[name][: len(old)] - old) ** 2).sum()
            for name, old in self.before.tensors.items()
        )
        return super().loss(given) + 1e4 * pull

    def finish(self, memory: Any) -> State:
        return State({"lessons": self.before.values["lessons"] + 1}, dict(self.weights))


def test_a_strategy_with_a_penalty_and_a_state_is_one_row_of_the_table(
    base: Any, stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = STRATEGIES["sequential"]
    monkeypatch.setitem(candidate.STRATEGIES, "sequential", replace(bare, guard=Penalty))
    none = SequentialSettings(update_share=1.0)
    settings = stream.settings.model_copy(update={"strategy": none})
    first = make_rows(["good", "bad"], 16)
    champion = stream.teach("a", first, settings=settings)
    bundle = stream.teach("b", make_rows(["cat", "dog"], 16), champion, settings=settings)
    state = open_bundle(stream.bundles, bundle.digest).strategy_state()
    assert state.values == {"lessons": 2}
    assert torch.allclose(state.tensors["bias"][:2], champion.head_tensors()["bias"], atol=0.05)


def analytic(learner: Any, guard: Any, progress: Any) -> None:
    """Ridge regression on the pooled features instead of gradients."""
    with torch.no_grad():
        given = learner.forward(range(len(learner.items)))
        wanted = torch.nn.functional.one_hot(given.targets).float()
        gram = given.features.T @ given.features + 0.01 * torch.eye(given.features.shape[1])
        learner.classifier.head.weight.copy_(torch.linalg.solve(gram, given.features.T @ wanted).T)
    progress(1, 1)


def test_a_strategy_that_solves_its_head_is_one_row_of_the_table(
    base: Any, stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare: Strategy = replace(STRATEGIES["replay"], fit=analytic)
    monkeypatch.setitem(candidate.STRATEGIES, "replay", bare)
    items = make_rows(["good", "bad"], 16)
    assert accuracy(base, stream.teach("a", items), items) > 0.9


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ("adapter", "base_model"),
        ("head", "bias|weight"),
        ("strategy", "fisher"),
        ("strategy", "strategy.json"),
        ("expert", "experts.0"),
        ("expert", "turns"),
        ("expert", "notes.json"),
    ],
)
def test_a_fit_that_leaves_a_nan_leaves_no_bundle(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch, broken: str, where: str
) -> None:
    nan = float("nan")

    def broken_at(place: str) -> float:
        return nan if place == where else 0.0

    class Remembering(Guard):
        def finish(self, memory: Any) -> State:
            fisher = torch.full((2,), broken_at("fisher"), dtype=torch.bfloat16)
            return State({"means": {"good": [broken_at("strategy.json")]}}, {"fisher": fisher})

    def write_expert(folder: Path) -> None:
        """Of these tensors the part itself declares none."""
        (folder / "expert").mkdir()
        turns = torch.complex(torch.zeros(1), torch.full((1,), broken_at("turns")))
        tensors = {"experts.0": torch.tensor([broken_at("experts.0")]), "turns": turns}
        (folder / "expert" / "notes.json").write_text(json.dumps(broken_at("notes.json")))
        write_tensors(folder / "expert" / "weights.safetensors", tensors)

    def fit(learner: Any, guard: Any, progress: Any) -> None:
        weights = {"adapter": learner.adapter_weights(), "head": learner.head_weights()}
        with torch.no_grad():
            for weight in weights.get(broken, [])[:1]:
                weight.view(-1)[0] = nan

    def start(learner: Any) -> tuple[Part, ...]:
        return (Part("expert", "answers", write_expert),)

    strategy = replace(STRATEGIES["replay"], fit=fit, guard=Remembering, start=start)
    monkeypatch.setitem(candidate.STRATEGIES, "replay", strategy)
    complaint = rf"diverged: the {broken} contains .* not a finite number \(.*({where}).*\)"
    with pytest.raises(NeedsHuman, match=complaint):
        stream.teach("a", make_rows(["good", "bad"], 8))
    assert not stream.bundles.exists() or not any(stream.bundles.iterdir())
