"""An adapted model that answers: base, adapter and head put together.

Concept: training and scoring see a model only through `features` and `head`, so neither
knows which adapter method is inside, nor whether the lower layers were computed just now,
an hour ago, or for another version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .adapters import METHODS
from .encoding import ENCODERS, Encoder, infer, infer_singly, pad, pooled, tokenise
from .frozen import Frozen
from .heads import HEADS
from .progress import Progress, silent
from .tensors import require_shapes

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from .activation_cache import ActivationCache
    from .base import Base
    from .bundle import Bundle
    from .layers import Upper
    from .placement import Placement


_WIDENS = "cast_input_dtype_enabled"


@dataclass(frozen=True, slots=True)
class Body:
    """An adapted model below its head.

    model: maps ids and mask to hidden states. lower, upper: where both are there, the frozen
    layers' states come from `lower` and the model starts behind them. uncut: why they are
    not there.
    """

    model: nn.Module
    lower: Frozen | None
    upper: Upper | None
    uncut: str | None


@dataclass(frozen=True, slots=True)
class Classifier:
    """An adapted model with its head.

    `head` maps (n, hidden_size) features to (n, n_labels) logits; `labels` names the columns.
    `encode` makes of contents what `base` is fed.
    """

    base: Base
    body: Body
    head: nn.Module
    labels: tuple[str, ...]
    placement: Placement
    encode: Encoder = tokenise

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.placement.device

    def prepare(self, rows: Sequence[list[int]], progress: Progress = silent) -> None:
        """Find or compute what the frozen layers make of these rows, so that it is at hand."""
        if self.body.lower is not None:
            self.body.lower.prepare(rows, progress)

    def features(self, rows: Sequence[list[int]], length: int) -> Tensor:
        """Return the pooled features of token rows padded to `length`, (n_rows, hidden_size)."""
        ids, mask = (
            each.to(self.device, non_blocking=True) for each in pad(rows, length, self.base.pad_id)
        )
        body = self.body
        start: AbstractContextManager[None] = nullcontext()
        if body.lower is not None and body.upper is not None:
            start = body.upper.starting_from(body.lower.states(rows, length))
        with start, self.placement.mixed():
            return pooled(body.model, ids, mask)

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Return float32 logits, (n_texts, n_labels), without gradients."""
        import numpy as np

        if not texts:
            return np.zeros((0, len(self.labels)), np.float32)
        limit = self.placement.max_tokens
        rows = self.encode(self.base, texts, limit)
        if self.placement.alone:
            return infer_singly(self._answer, rows, progress)
        self.prepare(rows)
        return infer(self._answer, rows, limit, progress)

    def _answer(self, rows: list[list[int]], length: int) -> Tensor:
        logits: Tensor = self.head(self.features(rows, length))
        return logits


def make_body(
    base: Base,
    placement: Placement,
    attach: Callable[[nn.Module], nn.Module],
    cache: ActivationCache | None,
) -> Body:
    """Return a fork of the base with an adapter, cut at the boundary where that can be.

    Args:
        base: the frozen model.
        placement: how it computes.
        attach: puts the adapter into a fork, in place, and returns the adapted model.
        cache: where the frozen layers' states are kept.
    """
    from .layers import Upper, boundaries_of, form_of_layers, split_fault

    fork = base.fork(placement)
    model = attach(fork).to(placement.device)
    for module in model.modules():  # peft would widen bfloat16 states to float32 and back
        if hasattr(module, _WIDENS):
            setattr(module, _WIDENS, False)
    if placement.alone:
        return Body(model, None, None, "each text has its own pass")
    fault: str | None = "the adapter changes the input or the lowest layer"
    for boundary in boundaries_of(model, fork, base.placed(placement)):
        fault = split_fault(base, boundary)
        if fault is None:
            upper = Upper(fork, boundary, form_of_layers(base))
            return Body(model, Frozen(base, placement, boundary, cache), upper, None)
    return Body(model, None, None, fault)


def load_classifier(
    base: Base, bundle: Bundle, placement: Placement, cache: ActivationCache | None = None
) -> Classifier:
    """Return the version that `bundle` holds, ready to answer; its own modules throughout."""
    method = METHODS[bundle.state["adapter"]["method"]]

    def attach(fork: nn.Module) -> nn.Module:
        adapted = method.load(fork, bundle.adapter, False)
        return method.merge(adapted) if placement.alone and method.merge else adapted

    body = make_body(base, placement, attach, cache)
    grow = HEADS[bundle.state["head"]]
    size, saved = (base.hidden_size, len(bundle.labels)), bundle.head_tensors()
    require_shapes(bundle.folder / "head.safetensors", saved, grow(None, *size).state_dict())
    head = grow(saved, *size).to(placement.device)
    body.model.eval().requires_grad_(False)
    head.eval().requires_grad_(False)
    encode = ENCODERS[bundle.state["modality"]]
    return Classifier(base, body, head, bundle.labels, placement, encode)


def check_base(base: Base, bundle: Bundle) -> None:
    """Raise `ConfigError` unless the bundle was trained on `base`."""
    needed = bundle.state["base"]
    if needed["digest"] != base.digest:
        raise ConfigError(
            f"Bundle {bundle.digest[:12]} was trained on {needed['name']}"
            f" ({needed['digest'][:12]}), but `model.base` is {base.name}"
            f" ({base.digest[:12]}).",
            "Set `model.base` back to it; another base needs a separate root.",
        )
