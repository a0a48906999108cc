"""What the frozen base makes of texts: computed once, kept, the same bytes ever after.

Concept: a text's hidden states at the boundary, or its pooled features, depend on the base,
the text's tokens and the way of computing alone. Their key is a digest of all of these, so
they serve every version, every epoch, every exam and every drift test.

Promise: a value never depends on what else was computed with it, on whether it was kept, or
on who computed it: forward passes have one fixed shape for each length, and where a kernel
does not treat all rows of a shape alike, a row is computed alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import version
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Union

from ..digest import json_digest
from .determinism import fixed_threads
from .encoding import (
    ENCODERS,
    PASS_ROWS,
    PASS_TOKENS,
    fixed_batches,
    pad,
    padded_length,
    rows_a_pass,
)
from .progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .activation_cache import ActivationCache
    from .base import Base
    from .layers import Boundary
    from .placement import Placement

POOLED = "pooled"
BLOCK_BYTES = 32_000_000
"""How much is computed before it is written: what a crash can lose, and a bound on memory."""
SAMPLED = 8
"""How many kept rows are computed again at each use; one that differs clears the cache."""

Rows = Sequence[list[int]]
View = Union["Boundary", str]
Compute = Callable[["Tensor", "Tensor"], "Tensor"]


class Frozen:
    """One view of a frozen base: hidden states where the boundary is, or pooled features.

    The latter are the means of all layers that can be read, whoever reads how many of them.

    Args:
        base: the frozen model.
        placement: how it computes.
        view: the boundary (what lies below it is computed), or `POOLED`.
        cache: where rows are kept; None keeps nothing.
    """

    def __init__(
        self, base: Base, placement: Placement, view: View, cache: ActivationCache | None
    ) -> None:
        from .layers import means_of

        self.base, self.placement, self.view, self.cache = base, placement, view, cache
        self.dtype = _numpy_dtype(placement, view)
        self._width = base.hidden_size * (means_of(base) if view == POOLED else 1)
        self._found: dict[bytes, np.ndarray] = {}
        self._space = json_digest(
            {
                "base": base.digest,
                "attention": placement.attention,
                "device": placement.device,
                "precision": placement.precision,
                "max_tokens": placement.max_tokens,
                "threads": placement.threads,
                "view": str(view),
                "passes": [PASS_TOKENS, PASS_ROWS],
                "machine": _machine(placement.device),
            }
        ).encode()

    def prepare(self, rows: Rows, progress: Progress = silent) -> None:
        """Find or compute the rows that will be asked for, as far as the cache has room.

        Rows that find no room are computed each time they are asked for.
        """
        if self.cache is None:
            return
        wanted = {self._key(row): row for row in rows}
        self._found = self.cache.get(list(wanted))
        if self._found and self._is_doubtful(wanted):
            self.cache.clear()
            self._found = {}
        room = self.cache.max_bytes - sum(row.nbytes for row in self._found.values())
        missing = []
        for key, row in wanted.items():
            if key not in self._found:
                room -= self._bytes(row)
                missing += [row] if room >= 0 else []
        done = len(wanted) - len(missing)
        for part in self._parts(missing):
            fresh = dict(zip(map(self._key, part), self._compute(part), strict=True))
            kept = self.cache.put(fresh)
            self._found |= self.cache.get(list(fresh)) if kept else {}
            done += len(part)
            progress(done, len(wanted))

    def _is_doubtful(self, wanted: Mapping[bytes, list[int]]) -> bool:
        """Compute a random few of the kept rows again; tell whether one comes out otherwise."""
        drawn = SystemRandom().sample(list(self._found), min(SAMPLED, len(self._found)))
        fresh = self._compute([wanted[key] for key in drawn])
        pairs = zip(drawn, fresh, strict=True)
        return any(self._found[key].tobytes() != row.tobytes() for key, row in pairs)

    def states(self, rows: Rows, length: int) -> Tensor:
        """Return hidden states, (n_rows, length, hidden_size), zeros behind each text's end."""
        import numpy as np
        import torch

        padded = np.zeros((len(rows), length, self._width), self.dtype)
        for place, row in enumerate(self._values(rows)):
            padded[place, : len(row)] = row
        tensor = torch.from_numpy(padded)
        if self.placement.device == "cuda":
            tensor = tensor.pin_memory().to("cuda", non_blocking=True)
        return tensor if self.dtype == np.float32 else tensor.view(torch.bfloat16)

    def features(self, rows: Rows, means: int = 1) -> np.ndarray:
        """Return pooled features, float32, (n_rows, means * hidden_size); the view is `POOLED`."""
        import numpy as np

        return np.concatenate(self._values(rows))[:, -means * self.base.hidden_size :]

    def _values(self, rows: Rows) -> list[np.ndarray]:
        """Return each row's numbers, (its tokens, width), or (1, width) if pooled."""
        keys = [self._key(row) for row in rows]
        absent = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._found}
        computed = self._compute(list(absent.values())) if absent else []
        fresh = dict(zip(absent, computed, strict=True))
        return [
            fresh[key]
            if key in fresh
            else self._found[key].view(self.dtype).reshape(-1, self._width)
            for key in keys
        ]

    def _compute(self, rows: Rows) -> list[np.ndarray]:
        """Return the numbers of each row, from passes of one fixed shape for each length."""
        import numpy as np
        import torch

        found: list[np.ndarray] = [np.empty(0)] * len(rows)
        forward = forward_of(self.base, self.placement, self.view)
        limit, size = self.placement.max_tokens, self._rows_a_pass()
        with torch.inference_mode():
            for places, length in fixed_batches(rows, limit, size):
                chosen = [rows[place] for place in places]
                filler = [chosen[-1]] * (size(length) - len(chosen))
                ids, mask = pad([*chosen, *filler], length, self.base.pad_id)
                device = self.placement.device
                values = self._as_numpy(forward(ids.to(device), mask.to(device)))
                for place, row, value in zip(places, chosen, values, strict=False):
                    own = value[None] if self.view == POOLED else value[: len(row)]
                    found[place] = own.copy()
        return found

    def _as_numpy(self, values: Tensor) -> np.ndarray:
        """Return the numbers as float32, or as the bits of bfloat16 (uint16)."""
        import numpy as np
        import torch

        if self.dtype == np.float32:
            return values.float().cpu().numpy()
        return values.to(torch.bfloat16).cpu().view(torch.uint16).numpy()

    def _rows_a_pass(self) -> Callable[[int], int]:
        alike = rows_are_alike(self.base, self.placement, self.view)
        return rows_a_pass if alike else lambda length: 1

    def _parts(self, rows: Rows) -> Iterator[Rows]:
        """Yield the rows in order of length, in parts of about `BLOCK_BYTES`."""
        part: list[list[int]] = []
        size = 0
        for row in sorted(rows, key=len):
            part.append(row)
            size += self._bytes(row)
            if size >= BLOCK_BYTES:
                yield part
                part, size = [], 0
        if part:
            yield part

    def _bytes(self, row: list[int]) -> int:
        import numpy as np

        tokens = 1 if self.view == POOLED else len(row)
        return int(tokens * self._width * np.dtype(self.dtype).itemsize)

    def _key(self, row: list[int]) -> bytes:
        import numpy as np

        return hashlib.sha256(self._space + np.asarray(row, np.int32).tobytes()).digest()


def embed(
    base: Base,
    contents: Sequence[str],
    placement: Placement,
    cache: ActivationCache | None = None,
    progress: Progress = silent,
    modality: str = "text",
) -> np.ndarray:
    """Return the frozen base's view of the contents.

    Args:
        base: the frozen model.
        contents: any strings.
        placement: how it computes.
        cache: where the vectors are kept.
        progress: told (contents done, contents).
        modality: what the contents are.

    Returns:
        float32, shape (n_contents, hidden_size), each row of length 1.
    """
    import numpy as np

    if not contents:
        return np.zeros((0, base.hidden_size), np.float32)
    rows = ENCODERS[modality](base, contents, placement.max_tokens)
    frozen = Frozen(base, placement, POOLED, cache)
    with fixed_threads(placement.threads):
        frozen.prepare(rows, progress)
        vectors = frozen.features(rows)
    progress(len(rows), len(rows))
    lengths: np.ndarray = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


@cache
def forward_of(base: Base, placement: Placement, view: View) -> Compute:
    """Return ids and mask -> the view's numbers, (n_rows, length or nothing, width)."""
    from .encoding import pooled
    from .layers import Lower, entered_layers, means_of

    if isinstance(view, str):
        model = base.placed(placement)
        run: Compute = partial(pooled, model, entered=entered_layers(model, means_of(base)))
    else:
        run = Lower(base.fork(placement), view).eval()

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        with placement.mixed():
            return run(ids, mask)

    return forward


@cache
def rows_are_alike(base: Base, placement: Placement, view: View) -> bool:
    """Return whether a row's bits are the same in any company and at any place of a pass.

    Tried on a few lengths, once in a process.
    """
    import torch

    forward = forward_of(base, placement, view)
    vocabulary = int(base.model.get_input_embeddings().weight.shape[0])  # type: ignore[operator]
    random = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for length in {padded_length(n, placement.max_tokens) for n in (5, 21, 60, 125)}:
            half = rows_a_pass(length) // 2
            some, more, others = (
                torch.randint(vocabulary, (half, length), generator=random).to(placement.device)
                for _ in range(3)
            )
            one, other = torch.cat([some, more]), torch.cat([others, some])
            mask = torch.ones_like(one)
            if not torch.equal(forward(one, mask)[:half], forward(other, mask)[half : 2 * half]):
                return False
    return True


def _numpy_dtype(placement: Placement, view: View) -> Any:
    import numpy as np

    return np.uint16 if placement.precision == "bfloat16" and view != POOLED else np.float32


@cache
def _machine(device: str) -> list[str]:
    """Return what decides the bits beside the weights: libraries and processor."""
    import torch

    processor = torch.backends.cpu.get_cpu_capability()
    if device == "cuda":
        processor = torch.cuda.get_device_name()
    return [version("torch"), version("transformers"), version("tokenizers"), processor]
