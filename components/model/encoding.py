"""From texts to vectors: tokens, padding, mean pooling.

Concept: a vector is the mean of the last hidden states over a text's own tokens, which
works for encoders and decoders alike; who reads deeper gets such means of what enters some layers
as well, before it. Inference runs in passes of one fixed shape for each padded length, which the
text's own length alone decides, so a text meets the same kernels whatever company it arrives in.

Promise: permuting or thinning out the texts leaves each text's vector as it was. It is
bit-equal wherever a kernel treats all rows of one shape alike, as those we measured do, in
float32 and in bfloat16; one that does not can differ by the format's noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from .base import Base

PASS_TOKENS, PASS_ROWS = 512, 8
"""Padded tokens of an inference pass, and its rows at least: more are hardly faster a token."""


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


Encoder = Callable[["Base", Sequence[str], int], list[list[int]]]
"""(base, contents, the most tokens of one) -> what the model is fed for each, never empty."""

ENCODERS: dict[str, Encoder] = {"text": tokenise}
"""What `modality` in `state.json` may name; a state without one is of texts."""


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


def pooled(
    model: nn.Module, ids: Tensor, mask: Tensor, entered: Sequence[nn.Module] = ()
) -> Tensor:
    """Return means over each text's tokens, float32 of shape (n_rows, n_means * hidden_size).

    The last one is that of the last hidden states; before it stands what enters each of the layers
    `entered`. Prompt methods put virtual tokens in front; only the text's own are averaged.
    """
    import torch

    with entering(entered) as states:
        states.append(model(input_ids=ids, attention_mask=mask).last_hidden_state)
    weights = mask.unsqueeze(-1).float()
    own = (state[:, -mask.shape[1] :].float() for state in states)
    return torch.cat([(each * weights).sum(1) / weights.sum(1) for each in own], 1)


@contextmanager
def entering(layers: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Give a list that fills with the hidden states which enter these layers in this block."""
    found: list[Tensor] = []

    def keep(layer: nn.Module, args: Any, kwargs: Any) -> None:
        found.append(args[0] if args else kwargs["hidden_states"])

    watches = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in layers]
    try:
        yield found
    finally:
        for watch in watches:
            watch.remove()


def rows_a_pass(length: int) -> int:
    """Return how many rows an inference pass of this padded length has."""
    return max(PASS_ROWS, PASS_TOKENS // length)


def fixed_batches(
    rows: Sequence[list[int]], max_tokens: int, size: Callable[[int], int] = rows_a_pass
) -> Iterator[tuple[list[int], int]]:
    """Yield (places, length): at most `size(length)` rows of one padded length, short first."""
    by_length: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_length.setdefault(padded_length(len(row), max_tokens), []).append(place)
    for length, places in sorted(by_length.items()):
        for start in range(0, len(places), size(length)):
            yield places[start : start + size(length)], length


def infer(
    compute: Callable[[list[list[int]], int], Tensor],
    rows: Sequence[list[int]],
    max_tokens: int,
    progress: Progress = silent,
    size: Callable[[int], int] = rows_a_pass,
) -> np.ndarray:
    """Return `compute(rows, padded length)` for every row, float32 of shape (n_rows, width).

    Args:
        compute: maps a pass's rows to (n_rows, width); runs without gradients. A pass that
            is not full has its last row repeated.
        rows: token ids, at least one row, none of them empty.
        max_tokens: no row is longer, and none is padded beyond.
        progress: told (rows done, rows).
        size: rows of a pass, by padded length.
    """
    import numpy as np
    import torch

    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    done = 0
    with torch.inference_mode():
        for places, length in fixed_batches(rows, max_tokens, size):
            chosen = [rows[place] for place in places]
            full = chosen + chosen[-1:] * (size(length) - len(chosen))
            values = compute(full, length).float().cpu().numpy()
            for place, value in zip(places, values, strict=False):
                found[place] = value
            done += len(places)
            progress(done, len(rows))
    return np.stack(found)


def infer_singly(
    compute: Callable[[list[list[int]], int], Tensor],
    rows: Sequence[list[int]],
    progress: Progress = silent,
) -> np.ndarray:
    """Return what `infer` does, each row in a pass of its own, without padding."""
    import numpy as np
    import torch

    found = []
    with torch.inference_mode():
        for row in rows:
            found.append(compute([row], len(row))[0].float().cpu().numpy())
            progress(len(found), len(rows))
    return np.stack(found)
