"""A tiny random base: a real BERT encoder of a few thousand weights, the same every time.

Concept: tests and the reference stream need a base that is a real transformer, costs
nothing, and never changes. The vocabulary is the given words plus single characters.

Promise: equal arguments write byte-equal files on one machine.
"""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path

from components.model.determinism import reproducible
from components.model.quiet_loading import quiet_transformers

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 128
SPREAD = 0.1
"""Spread of the weights: with BERT's 0.02 so narrow a model hardly tells words apart."""


def write_tiny_base(
    folder: Path,
    vocabulary: Sequence[str],
    seed: int = 0,
    hidden: int = 32,
    layers: int = 2,
    heads: int = 2,
) -> Path:
    """Write a random BERT encoder with its WordPiece tokenizer; return `folder`.

    Args:
        folder: is made; holds config.json, model.safetensors, tokenizer.json and
            tokenizer_config.json afterwards.
        vocabulary: words, lower-cased; other words fall apart into characters.
        seed: decides the weights.
        hidden: width of the hidden states, a multiple of `heads`.
        layers: transformer layers.
        heads: attention heads a layer.
    """
    from transformers import BertConfig, BertModel

    words = _pieces(vocabulary)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * hidden,
        max_position_embeddings=POSITIONS,
        initializer_range=SPREAD,
    )
    with reproducible(seed, threads=1):
        model = BertModel(config, add_pooling_layer=False)
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        model.save_pretrained(folder)
    _write_tokenizer(folder, words)
    return folder


def _pieces(vocabulary: Sequence[str]) -> list[str]:
    characters = string.ascii_lowercase + string.digits + string.punctuation
    continued = [f"##{c}" for c in string.ascii_lowercase + string.digits]
    words = [*SPECIAL, *characters, *continued, *sorted(word.lower() for word in vocabulary)]
    return list(dict.fromkeys(words))


def _write_tokenizer(folder: Path, words: Sequence[str]) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, ids[name]) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True))
    about = {f"{kind}_token": name for kind, name in names.items()}
    about |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": POSITIONS}  # type: ignore[dict-item]
    text = json.dumps(about, sort_keys=True, indent=1)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
