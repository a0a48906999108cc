from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from components.errors import ConfigError, Corrupted
from components.model.adapters import METHODS
from components.model.answering import deciding_parts, kind_of, open_version, predict
from components.model.base import Base
from components.model.bundle import json_part
from components.model.placement import Placement
from tests.made_bundles import LABELS, PLAIN, made_bundle, settings_for

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
    model = METHODS[method].attach(base.fork(PLAIN), settings_for(method))
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
        ({"kind": "oracle"}, r"has the kind 'oracle'; this version of Ratchet has classifier\."),
        ({"adapter": {"method": "magic"}}, r"has the adapter method 'magic'; .* lora"),
        ({"head": "many"}, r"has the head 'many'; this version of Ratchet has linear\."),
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
