from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.demo.tiny_base import write_tiny_base
from components.model import frozen as module
from components.model.activation_cache import ActivationCache
from components.model.adapters import METHODS
from components.model.adapters.method import no_sample
from components.model.base import Base, load_base
from components.model.classifier import Classifier, make_body
from components.model.encoding import pad, pooled, tokenise
from components.model.frozen import POOLED, Frozen
from components.model.layers import Boundary, layers_read, means_of, split_fault
from components.model.placement import Placement
from components.model.quiet_loading import quiet_transformers
from components.settings import LoraSettings, ModelSettings, Settings

PLAIN = Placement("cpu", "float32", 64, 1)
HALF = replace(PLAIN, precision="bfloat16")
CUT, INSIDE = Boundary(1), Boundary(1, attention=True)
TEXTS = ["it was good", "so " * 40, "x", "", "it was bad " * 9, "a b c", "meow " * 20, "it so was"]


@pytest.fixture
def cache(tmp_path: Path) -> ActivationCache:
    return ActivationCache(tmp_path / "activations", 10_000_000)


def states(frozen: Frozen, rows: list[list[int]]) -> bytes:
    return frozen.states(rows, 64).contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("cut", [CUT, INSIDE], ids=str)
@pytest.mark.parametrize("placement", [PLAIN, HALF], ids=["float32", "bfloat16"])
def test_kept_and_computed_states_are_the_same_bits(
    base: Base, cache: ActivationCache, placement: Placement, cut: Boundary
) -> None:
    rows = tokenise(base, TEXTS, 64)
    computed = states(Frozen(base, placement, cut, None), rows)
    for _ in ("cold", "warm"):
        kept = Frozen(base, placement, cut, cache)
        kept.prepare(rows)
        assert len(kept._found) == len({tuple(row) for row in rows})
        assert states(kept, rows) == computed


def test_kept_states_that_the_base_does_not_give_clear_the_cache(
    base: Base, cache: ActivationCache
) -> None:
    rows = tokenise(base, TEXTS, 64)
    frozen = Frozen(base, PLAIN, CUT, cache)
    right = states(frozen, rows)
    frozen.prepare(rows)
    forged = {key: -value.view(frozen.dtype) for key, value in frozen._found.items()}
    cache.clear()
    assert cache.put(forged)  # with checksums that fit
    again = Frozen(base, PLAIN, CUT, cache)
    again.prepare(rows)
    assert states(again, rows) == right
    assert cache.get(list(forged)).keys() == forged.keys()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.parametrize("placement", [PLAIN, HALF], ids=["float32", "bfloat16"])
def test_states_do_not_depend_on_the_company(
    base: Base, placement: Placement, data: st.DataObject
) -> None:
    rows = tokenise(base, TEXTS, 64)
    frozen = Frozen(base, placement, data.draw(st.sampled_from([CUT, INSIDE])), None)
    alone = [states(frozen, [row]) for row in rows]
    company = data.draw(st.lists(st.sampled_from(range(8)), min_size=1, max_size=30))
    assert states(frozen, [rows[n] for n in company]) == b"".join(alone[n] for n in company)


def test_rows_that_kernels_treat_unlike_are_computed_alone(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, shapes = tokenise(base, TEXTS, 64), []
    whole = module.forward_of(base, PLAIN, CUT)

    def uneven(ids: Any, mask: Any) -> Any:
        shapes.append(len(ids))
        return whole(ids, mask) + torch.arange(len(ids)).reshape(-1, 1, 1)

    monkeypatch.setattr(module, "forward_of", lambda *_: uneven)
    module.rows_are_alike.cache_clear()
    try:
        frozen = Frozen(base, PLAIN, CUT, None)
        together = states(frozen, rows)
        assert together == b"".join(states(frozen, [row]) for row in rows)
        assert set(shapes[-len(rows) :]) == {1}
    finally:
        module.rows_are_alike.cache_clear()


def test_a_cache_without_room_changes_nothing_but_the_work(base: Base, tmp_path: Path) -> None:
    rows = tokenise(base, TEXTS, 64)
    small = Frozen(base, PLAIN, CUT, ActivationCache(tmp_path / "small", 8000))
    small.prepare(rows)
    assert 0 < len(small._found) < len(rows)
    assert states(small, rows) == states(Frozen(base, PLAIN, CUT, None), rows)


def test_another_base_format_or_view_never_shares_a_row(
    base: Base, cache: ActivationCache, tmp_path: Path
) -> None:
    other = load_base(
        ModelSettings(base=str(write_tiny_base(tmp_path / "other", ["it", "was"], seed=9))),
        tmp_path,
    )
    row = tokenise(base, ["it was good"], 64)
    views = [
        Frozen(base, PLAIN, CUT, cache),
        Frozen(base, HALF, CUT, cache),
        Frozen(base, PLAIN, INSIDE, cache),
        Frozen(base, PLAIN, POOLED, cache),
        Frozen(base, replace(PLAIN, max_tokens=32), CUT, cache),
        Frozen(base, replace(PLAIN, threads=2), CUT, cache),
        Frozen(other, PLAIN, CUT, cache),
    ]
    assert len({view._key(row[0]) for view in views}) == len(views)


@pytest.mark.parametrize(
    ("modules", "layers", "below"),
    [
        ("all-linear", 1, Boundary(1)),
        ("feed-forward", 1, INSIDE),
        ("feed-forward", "all", Boundary(0, attention=True)),
    ],
)
def test_the_model_behind_the_boundary_gives_what_the_whole_model_gives(
    base: Base, modules: str, layers: Any, below: Boundary
) -> None:
    rows = tokenise(base, TEXTS, 64)
    adapter = Settings().adapter.model_copy(update={"layers": layers, "target_modules": modules})

    def attach(fork: Any) -> Any:
        torch.manual_seed(0)
        model = METHODS["lora"].attach(fork, adapter, no_sample)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight += torch.rand(weight.shape, generator=generator) / 10
        return model

    body = make_body(base, PLAIN, attach, None)
    assert body.lower is not None and body.lower.view == below
    cut = Classifier(base, body, torch.nn.Identity(), (), PLAIN).features(rows, 64)
    whole = pooled(attach(base.fork(PLAIN)), *pad(rows, 64, base.pad_id))
    torch.testing.assert_close(cut, whole, atol=1e-5, rtol=1e-5)
    bare = pooled(base.model, *pad(rows, 64, base.pad_id))
    assert float((whole - bare).detach().abs().max()) > 1e-2


@pytest.mark.parametrize("kind", ["prompt", "lowest layer"])
def test_an_adapter_that_reaches_below_every_layer_is_not_cut(base: Base, kind: str) -> None:
    def attach(fork: Any) -> Any:
        if kind == "lowest layer":
            changed = {"layers": "all", "target_modules": "all-linear"}
            return METHODS["lora"].attach(
                fork, Settings().adapter.model_copy(update=changed), no_sample
            )
        from peft import PromptTuningConfig, TaskType, get_peft_model

        prompt = PromptTuningConfig(task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=3)
        with quiet_transformers():
            return get_peft_model(fork, prompt)

    body = make_body(base, PLAIN, attach, None)
    assert (body.lower, body.upper) == (None, None)
    assert body.uncut == "the adapter changes the input or the lowest layer"


def test_a_model_that_hands_more_than_states_upwards_is_not_cut(base: Base) -> None:
    class Leaky(torch.nn.Module):
        """A layer whose answer depends on how often layer 0 ran since."""

        def __init__(self, layer: Any, told: list[float]) -> None:
            super().__init__()
            self.layer, self.told = layer, told

        def forward(self, hidden: Any, *args: Any, **kwargs: Any) -> Any:
            self.told[0] += float(hidden.abs().mean())
            return self.layer(hidden, *args, **kwargs) + self.told[0]

    model = base.fork(PLAIN)
    told = [0.0]
    for place, layer in enumerate(model.encoder.layer):
        model.encoder.layer[place] = Leaky(layer, told)
    odd = replace(base, model=model)
    assert "passes more than hidden states" in str(split_fault(odd, CUT))
    assert split_fault(base, CUT) is None


FAMILIES = ["LlamaModel", "GPT2Model", "ModernBertModel", "RobertaModel", "DistilBertModel"]


@pytest.mark.parametrize("family", FAMILIES)
def test_other_architectures_are_cut_as_well(family: str, tiny: Path, tmp_path: Path) -> None:
    kind = getattr(transformers, family)
    own = {
        "DistilBertModel": {"dim": 32, "hidden_dim": 64, "n_layers": 3, "n_heads": 2},
        "LlamaModel": {"intermediate_size": 64, "num_attention_heads": 2},
        "GPT2Model": {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": 64},
        "ModernBertModel": {"intermediate_size": 64, "num_attention_heads": 2, "pad_token_id": 0},
        "RobertaModel": {"intermediate_size": 64, "num_attention_heads": 2, "pad_token_id": 0},
    }[family]
    usual = {"hidden_size": 32, "num_hidden_layers": 3}
    shape = {} if family in ("GPT2Model", "DistilBertModel") else usual
    config = kind.config_class(
        vocab_size=400,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        **own,
        **shape,
    )
    folder = tmp_path / family
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny / name, folder)
    other = load_base(ModelSettings(base=str(folder), max_tokens=32), folder)
    assert split_fault(other, Boundary(2)) is None
    behind_attention = split_fault(other, Boundary(1, attention=True))
    assert (behind_attention is None) == (family == "RobertaModel")
    rows = tokenise(other, TEXTS, 32)
    found = {}
    for placement in (replace(PLAIN, max_tokens=32), replace(HALF, max_tokens=32)):
        states = Frozen(other, placement, Boundary(2), None).states(rows, 32)
        assert (states.shape, states.dtype) == ((len(TEXTS), 32, 32), placement.dtype)
        found[placement.precision] = states.float()
    torch.testing.assert_close(found["bfloat16"], found["float32"], atol=0.1, rtol=0.1)
    assert float(found["float32"].abs().max()) > 0
    ids, mask = pad(rows, 32, other.pad_id)
    with torch.inference_mode():
        whole = other.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    weights = mask[..., None] / mask.sum(1)[:, None, None]
    wanted = [(state * weights).sum(1) for state in (*whole.hidden_states[1:3], whole[0])]
    features = Frozen(other, replace(PLAIN, max_tokens=32), POOLED, None).features(rows, 3)
    torch.testing.assert_close(torch.from_numpy(features), torch.cat(wanted, 1), atol=1e-5, rtol=0)


def test_means_are_read_evenly_between_the_middle_and_the_top() -> None:
    found = {n: layers_read(stack_of(n)) for n in (1, 2, 3, 6, 12, 24)}
    assert found == {
        1: [1],
        2: [1, 2],
        3: [1, 2, 3],
        6: [3, 4, 5, 6],
        12: [6, 8, 10, 12],
        24: [12, 16, 20, 24],
    }


def stack_of(count: int) -> torch.nn.Module:
    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList(torch.nn.Identity() for _ in range(count))
    model.config = type("Config", (), {"num_hidden_layers": count})()
    return model


def test_who_reads_fewer_means_reads_the_upper_ones(base: Base, cache: ActivationCache) -> None:
    frozen, rows = Frozen(base, PLAIN, POOLED, cache), tokenise(base, TEXTS, 64)
    frozen.prepare(rows)
    both, last = frozen.features(rows, 2), frozen.features(rows)
    assert means_of(base) == 2
    assert (both.shape[1], last.shape[1]) == (2 * base.hidden_size, base.hidden_size)
    assert (both[:, base.hidden_size :] == last).all()


def test_an_adapted_model_gives_the_same_means_whole_and_cut(
    base: Base, cache: ActivationCache
) -> None:
    rows, adapter = tokenise(base, TEXTS, 64), LoraSettings(layers=1)

    def attach(fork: torch.nn.Module) -> torch.nn.Module:
        torch.manual_seed(0)
        model = METHODS["lora"].attach(fork, adapter, no_sample).eval()
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)
        return model

    found = {}
    for means, alone in ((2, False), (2, True), (1, False)):
        placement = replace(PLAIN, alone=alone)
        body = make_body(base, placement, attach, cache, means)
        head = torch.nn.Identity()
        head.means = means
        with torch.inference_mode():
            own = Classifier(base, body, head, (), placement).features(rows, 64)
        cut = body.lower.view if body.lower else None
        found[means, alone] = (cut, own)
    assert [cut for cut, _ in found.values()] == [CUT, None, INSIDE]
    both, whole, last = (own for _, own in found.values())
    torch.testing.assert_close(both, whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(both[:, base.hidden_size :], last, atol=1e-5, rtol=1e-5)
    assert not torch.equal(both[:, : base.hidden_size], last)
