"""From texts to vectors: tokens, padding, mean pooling.

Concept: a vector is the mean of the last hidden states over a text's own tokens, which
works for encoders and decoders alike. Inference runs on batches of one fixed shape (`ROWS`
rows, a padded length that only the text's own length decides), so a text meets the same
kernels whatever company it arrives in.

Promise: permuting or thinning out the texts leaves each text's vector as it was. It is
bit-equal wherever a kernel treats all rows of one shape alike, as those we measured do;
a kernel that does not can differ by float noise (about 1e-6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from components.training.determinism import fixed_threads
from components.training.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from components.training.base import Base

ROWS = 8
"""Rows of every inference batch: on MiniLM 8 are as fast a token as 64, and 1 is half as fast."""


def tokenise(base: Base, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Return each text's token ids, cut to `max_tokens`, never empty.

    A lone surrogate, which no tokenizer takes, counts as a question mark.
    """
    if not texts:
        return []
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    encoded = base.tokenizer(
        clean, truncation=True, max_length=max_tokens, return_attention_mask=False
    )
    return [list(ids) or [base.pad_id] for ids in encoded["input_ids"]]


def padded_length(tokens: int, max_tokens: int) -> int:
    """Return the length that a text of `tokens` tokens is padded to, at most `max_tokens`.

    Steps of 8, 16, 32 and 64 keep the shapes few and the waste below a quarter from 32 on.
    """
    step = 8 if tokens <= 64 else 16 if tokens <= 128 else 32 if tokens <= 256 else 64
    return min(-(-tokens // step) * step, max_tokens)


def pad(rows: Sequence[list[int]], length: int, pad_id: int) -> tuple[Tensor, Tensor]:
    """Return (ids, mask), both int64 of shape (n_rows, length), padded on the right."""
    import torch

    ids = torch.full((len(rows), length), pad_id)
    mask = torch.zeros((len(rows), length), dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids, mask


def pooled(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over each text's tokens, float32 of shape (n_rows, hidden_size).

    Prompt methods put virtual tokens in front; only the text's own are averaged.
    """
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    own = hidden[:, -mask.shape[1] :]
    return (own * weights).sum(1) / weights.sum(1)  # type: ignore[no-any-return]


def fixed_batches(rows: Sequence[list[int]], max_tokens: int) -> Iterator[tuple[list[int], int]]:
    """Yield (places, length): at most `ROWS` rows that share one padded length, short first."""
    by_length: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_length.setdefault(padded_length(len(row), max_tokens), []).append(place)
    for length, places in sorted(by_length.items()):
        for start in range(0, len(places), ROWS):
            yield places[start : start + ROWS], length


def infer(
    compute: Callable[[Tensor, Tensor], Tensor],
    rows: Sequence[list[int]],
    pad_id: int,
    max_tokens: int,
    device: str = "cpu",
    progress: Progress = silent,
) -> np.ndarray:
    """Return `compute(ids, mask)` for every row, float32 of shape (n_rows, width).

    Args:
        compute: maps ids and mask, (ROWS, length), to (ROWS, width); runs without gradients.
        rows: token ids, at least one row, none of them empty.
        pad_id: fills the rest of a row.
        max_tokens: no row is longer, and none is padded beyond.
        device: where ids and mask are put.
        progress: told (rows done, rows).
    """
    import numpy as np
    import torch

    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    done = 0
    with torch.inference_mode():
        for places, length in fixed_batches(rows, max_tokens):
            filler = [[pad_id]] * (ROWS - len(places))
            ids, mask = pad([rows[place] for place in places] + filler, length, pad_id)
            values = compute(ids.to(device), mask.to(device)).float().cpu().numpy()
            for place, value in zip(places, values, strict=False):
                found[place] = value
            done += len(places)
            progress(done, len(rows))
    return np.stack(found)


def embed(
    base: Base,
    texts: Sequence[str],
    max_tokens: int,
    threads: int,
    progress: Progress = silent,
) -> np.ndarray:
    """Return the frozen base's view of the texts, computed on the CPU.

    Args:
        base: the frozen model.
        texts: any strings.
        max_tokens: a text is cut there.
        threads: CPU threads.
        progress: told (texts done, texts).

    Returns:
        float32, shape (n_texts, hidden_size), each row of length 1.
    """
    import numpy as np

    if not texts:
        return np.zeros((0, base.hidden_size), np.float32)
    rows = tokenise(base, texts, max_tokens)
    forward = partial(pooled, base.model)
    with fixed_threads(threads):
        vectors = infer(forward, rows, base.pad_id, max_tokens, progress=progress)
    lengths: np.ndarray = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
