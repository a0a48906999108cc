"""An adapted model that answers: base, adapter and head put together.

Concept: training and scoring see a model only through `features` and `head`, so neither
knows which adapter method is inside, nor whether the lower layers were computed just now,
an hour ago, or for another version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .adapters import METHODS
from .encoding import ENCODERS, Encoder, infer, infer_singly, pad, pooled, tokenise
from .frozen import POOLED, Frozen
from .heads import HEADS, means_read
from .progress import Progress, silent
from .tensors import read_tensors, require_shapes

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
    not there. whole: where the model is the base itself, its features. entered: the layers before
    which means are read.
    """

    model: nn.Module
    lower: Frozen | None
    upper: Upper | None
    uncut: str | None
    whole: Frozen | None = None
    entered: Sequence[nn.Module] = ()


@dataclass(frozen=True, slots=True)
class Classifier:
    """An adapted model with its head.

    `head` maps (n, means * hidden_size) features to (n, n_labels) logits; `labels` names the
    columns. `encode` makes of contents what `base` is fed.
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
        if (kept := self.body.whole or self.body.lower) is not None:
            kept.prepare(rows, progress)

    def features(self, rows: Sequence[list[int]], length: int) -> Tensor:
        """Return what the head reads of token rows padded to `length`, (n_rows, its width)."""
        import torch

        body, means = self.body, means_read(self.head)
        if body.whole is not None:
            return torch.from_numpy(body.whole.features(rows, means)).to(self.device)
        ids, mask = (
            each.to(self.device, non_blocking=True) for each in pad(rows, length, self.base.pad_id)
        )
        start: AbstractContextManager[None] = nullcontext()
        if body.lower is not None and body.upper is not None:
            start = body.upper.starting_from(body.lower.states(rows, length))
        with start, self.placement.mixed():
            return pooled(body.model, ids, mask, body.entered if means > 1 else ())

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
    means: int = 1,
) -> Body:
    """Return a fork of the base with an adapter, cut at the boundary where that can be.

    Args:
        base: the frozen model.
        placement: how it computes.
        attach: puts the adapter into a fork, in place, and returns the adapted model.
        cache: where the frozen layers' states are kept.
        means: how many the head reads.
    """
    from .layers import Upper, boundaries_of, entered_layers, form_of_layers, split_fault

    fork = base.fork(placement)
    model = attach(fork).to(placement.device)
    entered = entered_layers(fork, means)
    for module in model.modules():  # peft would widen bfloat16 states to float32 and back
        if hasattr(module, _WIDENS):
            setattr(module, _WIDENS, False)
    if placement.alone:
        return Body(model, None, None, "each text has its own pass", None, entered)
    if is_bare(model, base.placed(placement)):
        return Body(model, None, None, None, Frozen(base, placement, POOLED, cache))
    fault: str | None = "the adapter changes the input or the lowest layer"
    for boundary in boundaries_of(model, fork, base.placed(placement), means):
        fault = split_fault(base, boundary)
        if fault is None:
            upper = Upper(fork, boundary, form_of_layers(base))
            return Body(model, Frozen(base, placement, boundary, cache), upper, None, None, entered)
    return Body(model, None, None, fault, None, entered)


def is_bare(model: nn.Module, whole: nn.Module) -> bool:
    """Tell whether a model holds nothing beside the weights and buffers of its base."""
    known = {id(tensor) for tensor in chain(whole.parameters(), whole.buffers())}
    return all(id(each) in known for each in chain(model.parameters(), model.buffers()))


def load_classifier(
    base: Base,
    bundle: Bundle,
    placement: Placement,
    cache: ActivationCache | None = None,
    merged: bool = True,
) -> Classifier:
    """Return the version that `bundle` holds, ready to answer; its own modules throughout.

    `merged`: the adapter may be added into the weights where each text has its own pass.
    """
    files = (bundle.adapter, bundle.folder / "head.safetensors")
    return assemble(base, bundle.state, files, bundle.labels, placement, cache, merged)


def assemble(
    base: Base,
    state: Mapping[str, Any],
    files: tuple[Path, Path],
    labels: tuple[str, ...],
    placement: Placement,
    cache: ActivationCache | None,
    merged: bool = True,
) -> Classifier:
    """Return base, saved adapter and saved head put together.

    Args:
        base: the frozen model.
        state: of the bundle: names the adapter's method, the head and the modality.
        files: the adapter's folder, and the head's file.
        labels: of the head's rows.
        placement: how it computes.
        cache: where the frozen layers' states are kept.
        merged: as of `load_classifier`.

    Raises:
        Corrupted: a tensor is missing, unknown or of another shape.
    """
    method, (adapter, head_file) = METHODS[state["adapter"]["method"]], files

    def attach(fork: nn.Module) -> nn.Module:
        adapted = method.load(fork, adapter, False)
        return method.merge(adapted) if merged and placement.alone and method.merge else adapted

    saved = read_tensors(head_file)
    try:
        head = HEADS[state["head"]](saved, base.hidden_size, len(labels))
    except (LookupError, RuntimeError, TypeError):
        head = HEADS[state["head"]](None, base.hidden_size, len(labels))  # for the right names
    require_shapes(head_file, saved, head.state_dict())
    body = make_body(base, placement, attach, cache, means_read(head))
    body.model.eval().requires_grad_(False)
    head.to(placement.device).eval().requires_grad_(False)
    return Classifier(base, body, head, labels, placement, ENCODERS[state["modality"]])


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
