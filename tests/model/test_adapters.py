from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from components.errors import ConfigError
from components.model.adapters import METHODS
from components.model.adapters.composing import compose
from components.model.adapters.fused_lora import FusedLinear
from components.model.adapters.method import WEIGHTS, Method, no_sample, trainable_weights
from components.model.adapters.targets import target_pattern
from components.model.base import Base
from components.model.placement import Placement
from components.model.tensors import read_tensors
from components.settings import LoraSettings
from tests.made_bundles import settings_for

PLAIN = Placement("cpu", "float32", 64, 1)


def matched(base: Base, **values: Any) -> list[str]:
    pattern = target_pattern(base.model, LoraSettings(**values))
    return [name for name, _ in base.model.named_modules() if re.fullmatch(pattern, name)]


def test_all_linear_of_the_top_layer_leaves_the_layers_below_alone(base: Base) -> None:
    names = matched(base, layers=1, target_modules="all-linear")
    assert len(names) == 6
    assert all(name.startswith("encoder.layer.1.") for name in names)
    assert len(matched(base, layers="all", target_modules="all-linear")) == 12


def test_a_list_of_targets_matches_by_the_end_of_the_name(base: Base) -> None:
    assert matched(base, layers=1, target_modules=["query", "attention.output.dense"]) == [
        "encoder.layer.1.attention.self.query",
        "encoder.layer.1.attention.output.dense",
    ]


def test_a_target_that_fits_nothing_is_answered_with_the_names_that_do(base: Base) -> None:
    with pytest.raises(ConfigError, match=r"'q_proj'.*attention\.self\.query"):
        matched(base, target_modules=["q_proj"])
    with pytest.raises(ConfigError, match="'uery'"):
        matched(base, target_modules=["uery"])


def test_more_layers_than_there_are_means_all(base: Base) -> None:
    assert matched(base, layers=9) == matched(base, layers="all")


@pytest.mark.parametrize(
    ("family", "found"),
    [
        ("BertModel", ["intermediate.dense"]),
        ("LlamaModel", ["mlp.gate_proj", "mlp.up_proj"]),
        ("GPT2Model", ["mlp.c_fc"]),
        ("ModernBertModel", ["mlp.Wi"]),
    ],
)
def test_feed_forward_finds_the_widening_modules_outside_of_attention(
    family: str, found: list[str]
) -> None:
    kind = getattr(transformers, family)
    with torch.device("meta"):
        model = kind(kind.config_class(vocab_size=50, pad_token_id=0))
    pattern = target_pattern(model, LoraSettings(target_modules="feed-forward", layers=1))
    names = [name for name, _ in model.named_modules() if re.fullmatch(pattern, name)]
    assert [".".join(name.split(".")[-2:]) for name in names] == found


CASES: dict[str, dict[str, Any]] = {
    "lora": {},
    "lora dora": {"variant": "dora"},
    "lora rslora": {"variant": "rslora"},
    "lora pissa": {"variant": "pissa"},
    "lora corda": {"variant": "corda"},
    "lora eva": {"variant": "eva"},
    "bottleneck houlsby": {"placement": "houlsby", "drop_layers": 1, "layers": "all"},
    "hiwi weight": {"part": "weight"},
    "full all": {"layers": "all"},
    **{method: {} for method in METHODS if method != "lora"},
}
"""Every method, and the variants of some; settings by case."""

IDS = torch.tensor([[2, 40, 50, 3]])


def states(model: Any) -> torch.Tensor:
    """What a model makes of the text's own tokens."""
    found: torch.Tensor = model(input_ids=IDS).last_hidden_state
    return found[:, -IDS.shape[1] :]


def sample() -> list[dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 100, (8, 64), generator=draw)
    return [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}]


@dataclass
class Case:
    """A method with settings, on a base that it fits."""

    name: str
    base: Base
    method: Method
    settings: Any

    def attach(self) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.method.attach(self.base.fork(PLAIN), self.settings, sample)

    def moved(self) -> Any:
        """An adapter whose trained weights are somewhere else."""
        model, draw = self.attach(), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in trainable_weights(model):
                weight += 0.1 * torch.rand(weight.shape, generator=draw)
        return model


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, base: Base, decoder: Base, biased: Base) -> Case:
    name = request.param
    method = METHODS[name.split()[0]]
    settings = settings_for(name.split()[0], **{"layers": 1, "rank": 4} | CASES[name])
    own = next(each for each in (base, biased, decoder) if not method.refusal(each.model, settings))
    return Case(name, own, method, settings)


def test_a_fresh_adapter_changes_no_answer_and_alone_is_trainable(case: Case) -> None:
    before, model = states(case.base.model), case.attach()
    near = torch.allclose(states(model), before, atol=1e-5)
    assert near == (case.method.neutral or case.settings.method == "head")
    own = {id(weight) for weight in case.base.model.parameters()}
    trainable = trainable_weights(model)
    assert bool(trainable) == (case.settings.method != "head")
    assert not any(id(weight) in own for weight in trainable)


def test_attaching_and_training_leave_the_shared_base_as_it_was(case: Case) -> None:
    before = {name: tensor.clone() for name, tensor in case.base.model.state_dict().items()}

    def is_as_it_was() -> bool:
        now = case.base.model.state_dict()
        same = all(torch.equal(now[name], tensor) for name, tensor in before.items())
        return same and now.keys() == before.keys()

    model = case.attach()
    assert is_as_it_was()
    weights = trainable_weights(model)
    if weights:
        first = [weight.detach().clone() for weight in weights]
        optimizer = torch.optim.AdamW(weights, lr=0.1)
        states(model).pow(3).sum().backward()
        optimizer.step()
        case.method.after_step(model, 1, 1)
        assert any(not torch.equal(*pair) for pair in zip(weights, first, strict=True))
    assert is_as_it_was()
    assert not any(weight.requires_grad for weight in case.base.model.parameters())


def test_a_saved_adapter_answers_the_same_after_loading(case: Case, tmp_path: Path) -> None:
    case.method.save(case.moved(), "name", tmp_path / "one")
    again = case.method.load(case.base.fork(PLAIN), tmp_path / "one", False)
    trained = case.method.load(case.base.fork(PLAIN), tmp_path / "one", True).eval()
    assert not any(weight.requires_grad for weight in again.parameters())
    changes = not torch.allclose(states(again), states(case.base.model), atol=1e-4)
    assert changes == (case.settings.method != "head")
    torch.testing.assert_close(states(trained), states(again), rtol=1e-4, atol=1e-4)
    if case.settings.method not in ("osf", "bottleneck"):  # these round, and leave out the lowest
        torch.testing.assert_close(states(case.moved().eval()), states(again), rtol=0, atol=1e-6)


def test_saving_what_was_loaded_gives_the_same_bytes(case: Case, tmp_path: Path) -> None:
    case.method.save(case.moved(), "name", tmp_path / "one")
    loaded = case.method.load(case.base.fork(PLAIN), tmp_path / "one", True)
    case.method.save(loaded, "name", tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    if case.settings.method == "osf":  # takes the weights apart and puts them together
        one, two = (read_tensors(tmp_path / name / WEIGHTS) for name in ("one", "two"))
        assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    else:
        for name in files:
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_merged_adapter_is_a_plain_model_that_answers_the_same(
    case: Case, tmp_path: Path
) -> None:
    if case.method.merge is None:
        assert case.method.in_place == (case.method.extra_cost == "none")
        return
    model = case.moved()
    wanted = states(model.eval()).detach()
    merged = case.method.merge(model)
    torch.testing.assert_close(states(merged), wanted, rtol=1e-4, atol=1e-4)
    assert type(merged) is type(case.base.model)


def test_a_vector_that_is_read_can_be_written_again(case: Case) -> None:
    if case.method.vector is None:
        return
    model = case.moved().eval()
    before, vector = states(model).detach(), case.method.vector.read(model)
    fresh = case.attach().eval()
    case.method.vector.write(fresh, vector)
    torch.testing.assert_close(states(fresh), before, rtol=1e-3, atol=1e-3)


def test_a_base_that_does_not_fit_is_refused_in_words(base: Base, decoder: Base) -> None:
    def said(method: str, own: Base, **values: Any) -> str | None:
        return METHODS[method].refusal(own.model, settings_for(method, **values))

    assert "decoder (gpt2, llama, mistral)" in str(said("llama_adapter", base))
    assert "no biases" in str(said("bitfit", decoder))
    assert "all zero" in str(said("hiwi", base))
    assert "leaves out all 2" in str(said("bottleneck", base, layers="all", drop_layers=2))
    assert not any(said(method, base) for method in ("lora", "prefix", "pafi", "osf"))


def test_the_saved_config_names_the_base_and_no_path(base: Base, tmp_path: Path) -> None:
    model = METHODS["lora"].attach(base.fork(PLAIN), LoraSettings(), no_sample)
    METHODS["lora"].save(model, base.name, tmp_path / "adapter")
    text = (tmp_path / "adapter" / "adapter_config.json").read_text()
    assert json.loads(text)["base_model_name_or_path"] == "tiny"
    assert str(base.folder) not in text
    assert str(base.folder.parent) not in text


@pytest.mark.parametrize("width", [torch.float32, torch.bfloat16], ids=str)
def test_fused_lora_computes_what_peft_computes(base: Base, width: torch.dtype) -> None:
    from peft.tuners.lora.layer import Linear

    model = METHODS["lora"].attach(base.fork(PLAIN), LoraSettings(layers=1), no_sample)
    fused = next(module for module in model.modules() if isinstance(module, FusedLinear))
    fused.base_layer = copy.deepcopy(fused.base_layer).to(width)  # the base shares its weights
    with torch.no_grad():
        fused.lora_B["default"].weight.normal_()
    found = {}
    for kind in (FusedLinear, Linear):
        fused.__class__ = kind
        x = torch.linspace(-1, 1, 3 * 5 * 32).reshape(3, 5, 32).to(width).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=width is torch.bfloat16):
            y = fused(x)
        fused.zero_grad()
        (y.float() ** 2).sum().backward()
        assert x.grad is not None
        weights = [fused.lora_A["default"].weight.grad, fused.lora_B["default"].weight.grad]
        found[kind] = [y.detach().float(), x.grad.float(), *(w.clone() for w in weights)]
    share = 1e-5 if width is torch.float32 else 3e-2
    for mine, peft in zip(found[FusedLinear], found[Linear], strict=True):
        torch.testing.assert_close(mine, peft, rtol=share, atol=share * float(peft.abs().max()))


def test_lora_with_dropout_is_left_to_peft(base: Base) -> None:
    model = METHODS["lora"].attach(base.fork(PLAIN), LoraSettings(layers=1, dropout=0.1), no_sample)
    assert not any(isinstance(module, FusedLinear) for module in model.modules())


@pytest.mark.parametrize(
    ("method", "how"),
    [("lora", "weighted"), ("lora", "ties"), ("lora", "dare"), ("ia3", "weighted")],
)
def test_adapters_on_one_base_are_composed_and_the_parts_still_answer(
    base: Base, tmp_path: Path, method: str, how: Any
) -> None:
    settings, folders = settings_for(method, layers=1), []
    for number in range(2):
        own = Case(method, base, METHODS[method], settings).moved()
        with torch.no_grad():
            for weight in trainable_weights(own):
                weight *= 1 + number
        METHODS[method].save(own, base.name, tmp_path / str(number))
        folders.append(tmp_path / str(number))
    parts = [states(METHODS[method].load(base.fork(PLAIN), folder, False)) for folder in folders]
    alone = compose(base.fork(PLAIN), method, folders, [1.0, 0.0], "weighted")
    torch.testing.assert_close(states(alone), parts[0], rtol=1e-3, atol=1e-3)
    both = states(compose(base.fork(PLAIN), method, folders, [0.5, 0.5], how))
    assert all(not torch.allclose(both, part, atol=1e-3) for part in parts)
    again = [states(METHODS[method].load(base.fork(PLAIN), folder, False)) for folder in folders]
    assert all(torch.equal(*pair) for pair in zip(again, parts, strict=True))


def test_adapters_that_do_not_compose_are_refused_in_words(base: Base) -> None:
    with pytest.raises(ConfigError, match="method prompt can't be composed by ties"):
        compose(base.fork(PLAIN), "prompt", [], [], "ties")
