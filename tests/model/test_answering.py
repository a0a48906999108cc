from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from components.errors import ConfigError, Corrupted
from components.model.adapters import METHODS
from components.model.adapters.method import no_sample
from components.model.answering import deciding_parts, kind_of, open_version, predict
from components.model.base import Base
from components.model.bundle import json_part, open_bundle
from components.model.placement import Placement
from components.model.tensors import read_tensors
from tests.made_bundles import LABELS, PLAIN, made_bundle, resealed, settings_for

TEXTS = ["it was good", "bad", "", "so so so ugly"]
ALONE = Placement("cpu", "float32", 128, 1, alone=True)


def test_a_folder_and_a_base_give_what_the_gate_asks(base: Base, tmp_path: Path) -> None:
    bundle = made_bundle(base, tmp_path)
    version, seen = open_version(bundle.folder, base), predict(base, bundle, TEXTS, PLAIN)
    assert version.labels == tuple(LABELS)
    assert (version.answer(TEXTS).probabilities == seen.probabilities).all()
    assert version.parts("any") == deciding_parts(bundle, "any")


def test_a_text_alone_gets_the_answer_that_it_gets_in_company(base: Base, tmp_path: Path) -> None:
    bundle = made_bundle(base, tmp_path)
    alone, seen = open_version(bundle.folder, base, ALONE), predict(base, bundle, TEXTS, PLAIN)
    told: list[tuple[int, int]] = []
    found = alone.answer(TEXTS, lambda done, total: told.append((done, total)))
    assert found.labels == seen.labels
    assert found.probabilities == pytest.approx(seen.probabilities, abs=1e-5)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert alone.answer([]).probabilities.shape == (0, 3)


@pytest.mark.parametrize("method", [name for name, each in METHODS.items() if each.merge])
def test_a_merged_adapter_leaves_the_weights_of_the_base_alone(base: Base, method: str) -> None:
    before = {name: weight.clone() for name, weight in base.model.state_dict().items()}
    model = METHODS[method].attach(base.fork(PLAIN), settings_for(method), no_sample)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += 0.1
    ids = torch.tensor([[2, 40, 50, 3]])
    expected = model(input_ids=ids).last_hidden_state
    merge = METHODS[method].merge
    assert merge is not None
    merged = merge(model)
    assert type(merged) is type(base.model)
    found = merged(input_ids=ids).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert all(torch.equal(before[name], w) for name, w in base.model.state_dict().items())
    assert not torch.equal(base.model(input_ids=ids).last_hidden_state, expected)


def test_a_changed_bundle_is_not_opened(base: Base, tmp_path: Path) -> None:
    bundle = made_bundle(base, tmp_path)
    (bundle.folder / "labels.json").write_text("[]")
    with pytest.raises(Corrupted, match=r"labels\.json was changed"):
        open_version(bundle.folder, base)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (
            {"kind": "oracle"},
            r"has the kind 'oracle'; this version of Ratchet has classifier, experts, pool\.",
        ),
        ({"adapter": {"method": "magic"}}, r"has the adapter method 'magic'; .* lora"),
        (
            {"head": "many"},
            r"has the head 'many'; this version of Ratchet has fourier, linear, plain, projected\.",
        ),
    ],
    ids=["kind", "method", "head"],
)
def test_a_kind_that_is_not_known_here_is_refused_and_never_guessed(
    base: Base, tmp_path: Path, said: dict[str, Any], complaint: str
) -> None:
    bundle = made_bundle(base, tmp_path, said=said)
    for ask in (
        kind_of,
        lambda it: deciding_parts(it, "mood"),
        lambda it: open_version(it.folder, base),
    ):
        with pytest.raises(ConfigError, match=complaint) as refused:
            ask(bundle)
        assert refused.value.remedy == "Use the version of Ratchet that wrote it, or a newer one."


def test_what_decides_answers_is_all_but_what_only_learns(base: Base, tmp_path: Path) -> None:
    plain = deciding_parts(made_bundle(base, tmp_path), "mood")
    router = made_bundle(base, tmp_path, more=[json_part("router", "answers", {"mood": 1})])
    fisher = made_bundle(base, tmp_path, more=[json_part("fisher", "learns", {"mood": 1})])
    assert deciding_parts(fisher, "mood") == plain != deciding_parts(router, "mood")
    assert deciding_parts(made_bundle(base, tmp_path, seed=1), "mood") != plain


@pytest.mark.parametrize(
    ("file", "lost"),
    [("adapter/adapter_model.safetensors", "lora_A"), ("head.safetensors", "bias")],
)
def test_tensors_that_a_version_lacks_are_not_made_up(
    base: Base, tmp_path: Path, file: str, lost: str
) -> None:
    bundle = made_bundle(base, tmp_path)
    left = {
        name: each for name, each in read_tensors(bundle.folder / file).items() if lost not in name
    }
    digest = resealed(bundle, file, save(left))
    with pytest.raises(Corrupted, match=rf"{file}: missing, .*{lost}"):
        open_version(tmp_path / digest, base)


@pytest.mark.parametrize("labels", [LABELS[:-1], [*LABELS, "great"]])
def test_labels_that_the_head_has_no_rows_for_are_refused(
    base: Base, tmp_path: Path, labels: list[str]
) -> None:
    digest = resealed(made_bundle(base, tmp_path), "labels.json", json.dumps(labels))
    with pytest.raises(Corrupted, match=r"head\.safetensors: .*: bias, weight"):
        open_version(tmp_path / digest, base)


def test_no_way_to_start_an_adapter_writes_into_the_shared_base(base: Base, tmp_path: Path) -> None:
    bundle = made_bundle(base, tmp_path)
    before, file = predict(base, bundle, TEXTS, PLAIN), "adapter/adapter_config.json"
    config = json.loads((bundle.folder / file).read_text()) | {"init_lora_weights": "pissa"}
    other = open_bundle(tmp_path, resealed(bundle, file, json.dumps(config)))
    open_version(other.folder, base)
    again = open_version(bundle.folder, base, PLAIN).answer(TEXTS)
    assert (again.probabilities == before.probabilities).all()
