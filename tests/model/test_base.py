from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from components.demo.tiny_base import write_tiny_base
from components.digest import file_digest, json_digest
from components.errors import ConfigError
from components.model import base as base_module
from components.model.answering import open_version
from components.model.base import Base, load_base, read_base
from components.model.base_lookup import base_digest
from components.model.encoding import tokenise
from components.model.frozen import embed
from components.model.placement import Placement
from components.settings import ModelSettings
from tests.made_bundles import made_bundle

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


CORPUS = "||it was good|IT WAS GOOD|Crème brûlée|ÀÉÎ|漢字|🙂 \u0301|so\x00\tbad\n|it's".split("|")
CORPUS += [" ", "so " * 300, "a" * 300, "don't, stop-it!", "ПРИВЕТ мир", "xyz\u200bxyz"]
UNDIGESTED: dict[str, dict[str, Any]] = {
    "case": {"tokenizer_config": {"tokenizer_class": "BertTokenizer", "do_lower_case": False}},
    "length": {"tokenizer_config": {"model_max_length": 5}},
    "pad": {"tokenizer_config": {"pad_token": "good"}},
    "sides": {"tokenizer_config": {"truncation_side": "left", "padding_side": "left"}},
    "prefix": {"tokenizer_config": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}},
    "added": {
        "tokenizer_config": {
            "added_tokens_decoder": {"1": {"content": "was", "special": True, "lstrip": True}}
        }
    },
    "other file": {"tokenizer_config": {"fast_tokenizer_files": ["tokenizer.5.0.0.json"]}},
    "special": {"special_tokens_map": {"pad_token": "good", "additional_special_tokens": ["was"]}},
    "added file": {"added_tokens": {"it": 1}},
}


@pytest.mark.parametrize("name", UNDIGESTED)
def test_no_file_that_the_digest_does_not_cover_decides_an_answer(
    copy: Path, tmp_path: Path, name: str
) -> None:
    digest = base_digest(copy)
    before = read_base("copy", digest, copy)
    bundle = made_bundle(before, tmp_path / "bundles")
    told = open_version(bundle.folder, before).answer(CORPUS).probabilities
    other = json.loads((copy / "tokenizer.json").read_text())
    other["normalizer"]["lowercase"] = False
    (copy / "tokenizer.5.0.0.json").write_text(json.dumps(other))
    for file, values in UNDIGESTED[name].items():
        path = copy / f"{file}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | values))
    after = read_base("copy", digest, copy)
    for limit in (4, 16, 128):
        assert tokenise(after, CORPUS, limit) == tokenise(before, CORPUS, limit)
    assert (after.max_tokens, after.pad_id) == (before.max_tokens, before.pad_id)
    assert (open_version(bundle.folder, after).answer(CORPUS).probabilities == told).all()


def test_a_tokenizer_that_cannot_be_read_is_named(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"The tokenizer\.json at .* is not a tokenizer"):
        load_base(at(copy), copy)


@pytest.mark.parametrize("kind", ["BertTokenizer", "GPT2Tokenizer", "T5Tokenizer"])
def test_tokens_are_those_of_the_stock_tokenizer_where_its_files_agree(
    tiny: Path, copy: Path, kind: str
) -> None:
    import transformers

    words = {word: place for place, word in enumerate(json_words(tiny))}
    own: dict[str, Any] = {
        "BertTokenizer": {"vocab": words},
        "GPT2Tokenizer": {"vocab": byte_words(), "merges": [("Ġ", "w"), ("a", "s")]},
        "T5Tokenizer": {"vocab": [("<pad>", 0.0), ("</s>", 0.0), *scored(words)]},
    }[kind]
    getattr(transformers, kind)(**own).save_pretrained(copy)
    stock = transformers.AutoTokenizer.from_pretrained(copy)
    assert type(stock).__name__ == kind
    base = read_base("copy", base_digest(copy), copy)
    for limit in (4, 16, 128):
        wanted = stock(CORPUS, truncation=True, max_length=limit)["input_ids"]
        assert tokenise(base, CORPUS, limit) == [ids or [base.pad_id] for ids in wanted]


def json_words(folder: Path) -> list[str]:
    return list(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])


def byte_words() -> dict[str, int]:
    from tokenizers.pre_tokenizers import ByteLevel

    words = [*sorted(ByteLevel.alphabet()), "Ġw", "as", "<|endoftext|>"]
    return {word: place for place, word in enumerate(words)}


def scored(words: dict[str, int]) -> list[tuple[str, float]]:
    return [("▁", -1.0), *((word, -2.0 - place) for word, place in words.items())]


def test_an_adapter_beside_the_weights_is_not_a_part_of_the_base(copy: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    adapted = get_peft_model(
        AutoModel.from_pretrained(copy), LoraConfig(target_modules="all-linear")
    )
    for weight in adapted.parameters():
        if weight.requires_grad:
            weight.data += 0.3
    adapted.save_pretrained(copy)
    alone = copy / "adapter_config.json"
    about = alone.read_text()
    alone.unlink()
    digest = base_digest(copy)
    before = read_base("copy", digest, copy).model.state_dict()
    alone.write_text(about)
    after = read_base("copy", digest, copy).model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_shards_themselves_say_what_is_in_them(copy: Path) -> None:
    """No digest covers the list of shards that lies beside them."""
    from safetensors.torch import load_file, save_file

    (copy / "model.safetensors").rename(tmp := copy / "whole")
    weights = load_file(tmp)
    names = sorted(weights)
    for place, part in enumerate((names[::2], names[1::2]), start=1):
        shard = {name: weights[name] for name in part}
        save_file(shard, copy / f"model-0000{place}-of-00002.safetensors")
    (copy / "model.safetensors.index.json").write_text("{}")
    found = read_base("copy", base_digest(copy), copy).model.state_dict()
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in names)


@pytest.mark.parametrize("family", ["RobertaModel", "MPNetModel", "BertModel"])
def test_the_longest_input_is_the_one_that_the_architecture_takes(
    tiny: Path, tmp_path: Path, family: str
) -> None:
    import transformers

    config = getattr(transformers, family).config_class(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=66,
        pad_token_id=1,
    )
    getattr(transformers, family)(config).save_pretrained(tmp_path / family)
    shutil.copy(tiny / "tokenizer.json", tmp_path / family)
    base = read_base(family, base_digest(tmp_path / family), tmp_path / family)
    assert base.max_tokens == (66 if family == "BertModel" else 64)
    embed(base, ["so " * 100], replace(PLAIN, max_tokens=base.max_tokens))
    with pytest.raises((IndexError, RuntimeError)):
        base.model(torch.full((1, base.max_tokens + 1), 9))


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
