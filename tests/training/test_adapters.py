from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from components.errors import ConfigError
from components.settings import AdapterSettings
from components.training.adapters import METHODS
from components.training.adapters.method import target_pattern
from components.training.base import Base


def matched(base: Base, **values: Any) -> list[str]:
    pattern = target_pattern(base.model, AdapterSettings(**values))
    return [name for name, _ in base.model.named_modules() if re.fullmatch(pattern, name)]


def test_all_linear_of_the_top_layer_leaves_the_layers_below_alone(base: Base) -> None:
    names = matched(base, layers=1)
    assert len(names) == 6
    assert all(name.startswith("encoder.layer.1.") for name in names)
    assert len(matched(base, layers="all")) == 12


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


def test_more_layers_than_there_are_is_refused(base: Base) -> None:
    with pytest.raises(ConfigError, match=r"`adapter.layers` is 3, but the base has 2 layers"):
        matched(base, layers=3)


@pytest.mark.parametrize("method", METHODS)
def test_a_fresh_adapter_changes_no_answer_and_alone_is_trainable(base: Base, method: str) -> None:
    ids = torch.tensor([[2, 40, 50, 3]])
    before = base.model(input_ids=ids).last_hidden_state
    model = METHODS[method].attach(base.fork(), AdapterSettings(layers=1))
    assert torch.equal(model(input_ids=ids).last_hidden_state, before)
    own = {id(weight) for weight in base.model.parameters()}
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    assert trainable
    assert not any(id(weight) in own for weight in trainable)


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_adapter_answers_the_same_after_loading(
    base: Base, method: str, tmp_path: Path
) -> None:
    ids = torch.tensor([[2, 40, 50, 3]])
    model = METHODS[method].attach(base.fork(), AdapterSettings())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += torch.rand(weight.shape, generator=generator)
    METHODS[method].save(model, "name", tmp_path / "adapter")
    again = METHODS[method].load(base.fork(), tmp_path / "adapter", False)
    expected = model(input_ids=ids).last_hidden_state
    assert torch.equal(again(input_ids=ids).last_hidden_state, expected)
    assert not torch.equal(base.model(input_ids=ids).last_hidden_state, expected)
    assert not any(weight.requires_grad for weight in again.parameters())


def test_the_saved_config_names_the_base_and_no_path(base: Base, tmp_path: Path) -> None:
    model = METHODS["lora"].attach(base.fork(), AdapterSettings())
    METHODS["lora"].save(model, base.name, tmp_path / "adapter")
    text = (tmp_path / "adapter" / "adapter_config.json").read_text()
    assert json.loads(text)["base_model_name_or_path"] == "tiny"
    assert str(base.folder) not in text
    assert str(base.folder.parent) not in text
