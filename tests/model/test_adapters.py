from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from components.errors import ConfigError
from components.model.adapters import METHODS
from components.model.adapters.fused_lora import FusedLinear
from components.model.adapters.method import target_pattern, trainable_weights
from components.model.base import Base
from components.model.placement import Placement
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


@pytest.mark.parametrize("method", METHODS)
def test_a_fresh_adapter_changes_no_answer_and_alone_is_trainable(base: Base, method: str) -> None:
    ids = torch.tensor([[2, 40, 50, 3]])
    before = base.model(input_ids=ids).last_hidden_state
    model = METHODS[method].attach(base.fork(PLAIN), settings_for(method, layers=1))
    assert torch.equal(model(input_ids=ids).last_hidden_state, before)
    own = {id(weight) for weight in base.model.parameters()}
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    assert trainable
    assert not any(id(weight) in own for weight in trainable)


@pytest.mark.parametrize("method", METHODS)
def test_attaching_and_training_leave_the_shared_base_as_it_was(base: Base, method: str) -> None:
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}

    def is_as_it_was() -> bool:
        now = base.model.state_dict()
        same = all(torch.equal(now[name], tensor) for name, tensor in before.items())
        return same and now.keys() == before.keys()

    model = METHODS[method].attach(base.fork(PLAIN), settings_for(method, layers=1))
    assert is_as_it_was()
    weights = trainable_weights(model)
    first = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.AdamW(weights, lr=0.1)
    model(input_ids=torch.tensor([[2, 40, 50, 3]])).last_hidden_state.pow(3).sum().backward()
    optimizer.step()
    METHODS[method].after_step(model, 1, 1)
    assert any(not torch.equal(*pair) for pair in zip(weights, first, strict=True))
    assert is_as_it_was()
    assert not any(weight.requires_grad for weight in base.model.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_adapter_answers_the_same_after_loading(
    base: Base, method: str, tmp_path: Path
) -> None:
    ids = torch.tensor([[2, 40, 50, 3]])
    model = METHODS[method].attach(base.fork(PLAIN), settings_for(method))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += torch.rand(weight.shape, generator=generator)
    METHODS[method].save(model, "name", tmp_path / "adapter")
    again = METHODS[method].load(base.fork(PLAIN), tmp_path / "adapter", False)
    expected = model(input_ids=ids).last_hidden_state
    assert torch.equal(again(input_ids=ids).last_hidden_state, expected)
    assert not torch.equal(base.model(input_ids=ids).last_hidden_state, expected)
    assert not any(weight.requires_grad for weight in again.parameters())


def test_the_saved_config_names_the_base_and_no_path(base: Base, tmp_path: Path) -> None:
    model = METHODS["lora"].attach(base.fork(PLAIN), LoraSettings())
    METHODS["lora"].save(model, base.name, tmp_path / "adapter")
    text = (tmp_path / "adapter" / "adapter_config.json").read_text()
    assert json.loads(text)["base_model_name_or_path"] == "tiny"
    assert str(base.folder) not in text
    assert str(base.folder.parent) not in text


@pytest.mark.parametrize("width", [torch.float32, torch.bfloat16], ids=str)
def test_fused_lora_computes_what_peft_computes(base: Base, width: torch.dtype) -> None:
    from peft.tuners.lora.layer import Linear

    model = METHODS["lora"].attach(base.fork(PLAIN), LoraSettings(layers=1))
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
    model = METHODS["lora"].attach(base.fork(PLAIN), LoraSettings(layers=1, dropout=0.1))
    assert not any(isinstance(module, FusedLinear) for module in model.modules())
