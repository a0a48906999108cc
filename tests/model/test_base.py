from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from components.demo.tiny_base import write_tiny_base
from components.digest import file_digest, json_digest
from components.errors import ConfigError
from components.model import base as base_module
from components.model.base import Base, load_base
from components.model.base_lookup import base_digest
from components.model.encoding import tokenise
from components.model.placement import Placement
from components.settings import ModelSettings

PLAIN = Placement("cpu", "float32", 64, 1)


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def at(folder: Path, **values: Any) -> ModelSettings:
    return ModelSettings(base=str(folder), **values)


def test_the_digest_covers_weights_config_and_tokenizer_and_nothing_else(copy: Path) -> None:
    names = ["config.json", "model.safetensors", "tokenizer.json"]
    before = base_digest(copy)
    assert before == json_digest([[name, file_digest(copy / name)] for name in names])
    (copy / "README.md").write_text("words")
    assert base_digest(copy) == before
    for name in names:
        kept = (copy / name).read_bytes()
        (copy / name).write_bytes(kept + b" ")
        assert base_digest(copy) != before, name
        (copy / name).write_bytes(kept)


def test_a_relative_folder_starts_at_the_root(copy: Path) -> None:
    base = load_base(ModelSettings(base="copy"), copy.parent)
    assert (base.name, base.folder, base.hidden_size) == ("copy", copy, 32)


def test_no_machine_path_becomes_the_name(copy: Path) -> None:
    assert load_base(at(copy), Path("/nowhere")).name == "copy"


def test_the_pinned_digest_is_held(copy: Path) -> None:
    pinned = base_digest(copy)
    assert load_base(at(copy, base_digest=pinned), copy).digest == pinned
    with pytest.raises(ConfigError, match=r"base_digest"):
        load_base(at(copy, base_digest="0" * 64), copy)


def test_weights_that_change_on_the_disk_are_noticed_although_loaded(copy: Path) -> None:
    first = load_base(at(copy), copy)
    write_tiny_base(copy, ["other"], seed=5)
    assert load_base(at(copy), copy).digest != first.digest


def test_a_base_is_loaded_once(copy: Path) -> None:
    assert load_base(at(copy), copy) is load_base(at(copy), copy)


def test_pickled_weights_are_refused_by_name(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pickled weights \(pytorch_model.bin\)"):
        load_base(at(copy), copy)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_part_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ConfigError, match=name):
        load_base(at(copy), copy)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        load_base(at(tmp_path / "absent"), tmp_path)


def test_incomplete_weights_are_refused_rather_than_filled_with_noise(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(ConfigError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        load_base(at(copy), copy)


def test_more_tokens_than_the_base_takes_are_refused(copy: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_tokens.*129.*128"):
        load_base(at(copy, max_tokens=129), copy)


@pytest.mark.parametrize("side", ["Right", "Left", None])
@pytest.mark.parametrize("told", ["right", "left"])
def test_texts_are_cut_where_the_digested_tokenizer_says(
    copy: Path, side: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in tokenizer_config.json changes no answer: no digest covers it."""
    monkeypatch.setattr(base_module, "_LOADED", {})
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    if side:
        cut = {"direction": side, "max_length": 64, "strategy": "LongestFirst", "stride": 0}
        tokenizer["truncation"] = cut
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    about = json.loads((copy / "tokenizer_config.json").read_text())
    about |= {"truncation_side": told, "padding_side": told}
    (copy / "tokenizer_config.json").write_text(json.dumps(about))
    base = load_base(at(copy, max_tokens=64), copy)
    for _ in range(2):
        [whole] = tokenise(base, ["a b c d e f g h"], 64)
        [short] = tokenise(base, ["a b c d e f g h"], 6)
        kept = whole[-5:-1] if side == "Left" else whole[1:5]
        assert short == [whole[0], *kept, whole[-1]]


def test_the_base_is_frozen_and_forks_share_its_weights(base: Base) -> None:
    fork = base.fork(PLAIN)
    assert not base.model.training
    assert not any(weight.requires_grad for weight in base.model.parameters())
    pairs = list(zip(base.model.parameters(), fork.parameters(), strict=True))
    assert all(mine is theirs for mine, theirs in pairs)
    assert not set(map(id, base.model.modules())) & set(map(id, fork.modules()))


def test_the_tiny_base_is_the_same_every_time_and_follows_its_seed(tmp_path: Path) -> None:
    digests = [
        base_digest(write_tiny_base(tmp_path / name, ["b", "a", "word"], seed=seed))
        for name, seed in [("one", 1), ("again", 1), ("two", 2)]
    ]
    assert digests[0] == digests[1] != digests[2]


def test_the_tiny_base_knows_its_words_and_spells_the_others(base: Base) -> None:
    assert base.tokenizer.tokenize("It was lovely") == ["it", "was", "lovely"]
    assert base.tokenizer.tokenize("xyz") == ["x", "##y", "##z"]


def test_a_decoder_without_a_pad_token_works(tiny: Path, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaModel

    from components.model.frozen import embed

    folder = tmp_path / "llama"
    torch.manual_seed(0)
    LlamaModel(
        LlamaConfig(
            vocab_size=400,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)
    shutil.copy(tiny / "tokenizer.json", folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64})
    )
    base = load_base(at(folder, max_tokens=64), folder)
    assert base.tokenizer.pad_token_id is None
    texts = ["it was good", "it was " + "so " * 30]
    together = embed(base, texts, PLAIN)
    assert (together[1] == embed(base, texts[1:], PLAIN)[0]).all()
