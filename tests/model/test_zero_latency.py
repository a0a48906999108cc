"""PaFi and HiWi (Liao, Meng and Monz 2023): what they choose, and what they store."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from components.errors import Corrupted
from components.model.adapters import METHODS
from components.model.adapters.method import CONFIG, WEIGHTS, no_sample
from components.model.adapters.pafi import places_of, smallest
from components.model.base import Base
from components.model.placement import Placement
from components.model.tensors import read_tensors
from tests.made_bundles import settings_for

PLAIN = Placement("cpu", "float32", 64, 1)


@pytest.fixture(scope="module")
def minilm() -> Any:
    """A model of MiniLM-L6's shape with random weights, no bias of which is zero."""
    config = transformers.BertConfig(
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        vocab_size=30522,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = transformers.BertModel(config, add_pooling_layer=False)
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight += 0.1 * torch.randn(weight.shape)
    return model.requires_grad_(False)


@pytest.mark.parametrize("size", [8, 256])
def test_hiwi_stores_11520_biases_of_minilm_whatever_was_trained(
    minilm: Any, tmp_path: Path, size: int
) -> None:
    whole = sum(weight.numel() for weight in minilm.parameters())
    fork = copy.deepcopy(minilm)
    model = METHODS["hiwi"].attach(fork, settings_for("hiwi", size=size), no_sample)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert trained == 2 * size * 11_520
    METHODS["hiwi"].save(model, "minilm", tmp_path / "hiwi")
    stored = sum(tensor.numel() for tensor in read_tensors(tmp_path / "hiwi" / WEIGHTS).values())
    assert stored == 11_520
    assert round(100 * stored / whole, 3) == 0.051


def test_pafi_chooses_the_smallest_weights_over_all_modules(base: Base) -> None:
    settings = settings_for("pafi", share=0.01)
    found = places_of(base.fork(PLAIN), settings)
    whole = torch.cat([base.model.get_parameter(name).abs().flatten() for name in found])
    chosen = torch.cat(
        [base.model.get_parameter(n).abs().flatten()[places] for n, places in found.items()]
    )
    assert len(chosen) == round(0.01 * len(whole))
    rest = sorted(whole.tolist())[len(chosen) :]
    assert float(chosen.max()) <= rest[0]
    assert len({len(places) for places in found.values()}) > 1, "not so many of each module"


def test_on_one_module_pafi_chooses_what_peft_s_super_tuning_does(base: Base) -> None:
    from peft import SupertuningConfig, get_peft_model

    name, share = "encoder.layer.1.intermediate.dense", 1 / 32
    config = SupertuningConfig(target_modules=[name], sparsity=1 - share, select_top=False)
    model: Any = get_peft_model(base.fork(PLAIN), config)
    module = model.base_model.model.get_submodule(name)
    theirs = {int(place) for place in module.supertuning_indices["default"].flatten().tolist()}
    ours = smallest(base.model, [f"{name}.weight"], share)[f"{name}.weight"].tolist()
    assert set(ours) == theirs


def test_equal_magnitudes_are_chosen_in_order() -> None:
    model = torch.nn.Linear(4, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -1.0, 1.0, 5.0], [-1.0, 0.5, 1.0, 1.0]]))
    assert smallest(model, ["weight"], 3 / 8)["weight"].tolist() == [0, 1, 5]


def test_pafi_stores_values_alone_and_knows_its_places_again(base: Base, tmp_path: Path) -> None:
    method, settings = METHODS["pafi"], settings_for("pafi", share=0.01)
    model = method.attach(base.fork(PLAIN), settings, no_sample)
    method.save(model, "tiny", tmp_path / "pafi")
    values = read_tensors(tmp_path / "pafi" / WEIGHTS)
    places = places_of(base.fork(PLAIN), settings)
    assert {name: len(own) for name, own in values.items()} == {
        name: len(own) for name, own in places.items()
    }
    config = tmp_path / "pafi" / CONFIG
    told = config.read_text()
    config.write_text(told.replace('"places":"', '"places":"0'))
    with pytest.raises(Corrupted, match="other places than the base's smallest weights"):
        method.load(base.fork(PLAIN), tmp_path / "pafi", False)


@pytest.mark.parametrize("method", ["pafi", "hiwi", "bitfit", "full", "osf", "ln_tuning"])
def test_what_answers_in_place_is_the_bases_own_graph(
    biased: Base, tmp_path: Path, method: str
) -> None:
    own = METHODS[method]
    model = own.attach(biased.fork(PLAIN), settings_for(method), no_sample)
    own.save(model, "biased", tmp_path / "one")
    served = own.load(biased.fork(PLAIN), tmp_path / "one", False)
    kinds = [type(module) for module in biased.model.modules()]
    assert [type(module) for module in served.modules()] == kinds
