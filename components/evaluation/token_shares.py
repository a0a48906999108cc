"""What the base's tokenizer makes of texts: how many are cut, and how much of them is unknown.

Concept: the tokenizer file alone is read; neither the model nor PyTorch is loaded, so this can be
asked before anything is trained.

Promise: a text counts as cut exactly where a version cuts it: with its special tokens it is longer
than `max_tokens`. Of many texts a part is looked at, and how many is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigError
from components.model.base_lookup import TOKENIZER

SAMPLED_TEXTS = 2000
"""A share of so many texts is known to 1 point (standard error)."""

SAMPLED_CHARS = 2_000_000
"""Tokenizing so many characters takes about a second."""


@dataclass(frozen=True, slots=True)
class TokenShares:
    """What was found in `texts` texts.

    cut: share of the texts that are longer than `max_tokens`. unknown: share of the tokens that are
    the unknown one. per_letter: tokens a character, blanks counted. long: tokens of a text that
    19 of 20 texts do not exceed.
    """

    texts: int
    max_tokens: int
    cut: float
    unknown: float
    per_letter: float
    long: int


def token_shares(folder: Path, texts: Sequence[str], max_tokens: int) -> TokenShares:
    """Look at the first texts, up to `SAMPLED_TEXTS` or `SAMPLED_CHARS`.

    Args:
        folder: of the base.
        texts: at least one, in an order that says nothing about them.
        max_tokens: where a text is cut.

    Raises:
        ConfigError: `tokenizer.json` is not a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # `tokenizers` has no class of its own for what it cannot read
        raise ConfigError(
            f"The {TOKENIZER} at {folder} is not a tokenizer: {error}.",
            "Save the fast tokenizer there with save_pretrained().",
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    chosen = _sample(texts)
    found = tokenizer.encode_batch(chosen)
    lengths = sorted(len(each.ids) for each in found)
    name = getattr(tokenizer.model, "unk_token", None) or _named_unknown(tokenizer)
    own = [
        token
        for each in found
        for token, added in zip(each.tokens, each.special_tokens_mask, strict=True)
        if not added
    ]
    return TokenShares(
        texts=len(chosen),
        max_tokens=max_tokens,
        cut=sum(length > max_tokens for length in lengths) / len(lengths),
        unknown=own.count(name) / max(1, len(own)) if name else 0.0,
        per_letter=len(own) / max(1, sum(map(len, chosen))),
        long=lengths[max(0, -(-19 * len(lengths) // 20) - 1)],
    )


def _named_unknown(tokenizer: object) -> str | None:
    """Return the unknown token of a tokenizer whose model does not name it (Unigram)."""
    known = tokenizer.get_vocab()  # type: ignore[attr-defined]
    return next((name for name in ("<unk>", "[UNK]") if name in known), None)


def _sample(texts: Sequence[str]) -> list[str]:
    """Return the first texts within the limits, at least one; lone surrogates as versions do."""
    chosen: list[str] = []
    left = SAMPLED_CHARS
    for text in texts[:SAMPLED_TEXTS]:
        if chosen and len(text) > left:
            break
        chosen.append(text.encode("utf-8", "replace").decode())
        left -= len(text)
    return chosen
