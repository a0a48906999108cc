"""A transformer cut in two: what lies below the lowest adapter, and the rest.

Concept: what enters the lowest adapted layer depends on the text alone, so it can be computed
once and kept. Where that layer's attention block is not adapted either, and all that follows
needs only what it gives, the cut lies behind it. Both halves are the whole model with some
parts passed over, so embeddings, masks, positions and closing norms stay what the
architecture makes of them.

Promise: `split_fault` runs both halves on a few rows and compares them with the whole; a
model that is not the sum of its halves is named, and never cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .determinism import fixed_threads
from .encoding import pooled
from .placement import Placement

if TYPE_CHECKING:
    from .base import Base

ATTENTION = "attention"
"""A layer's attention block, its sum and norm included (BERT, RoBERTa, ELECTRA and their kin)."""

Form = Literal["plain", "tuple", "with weights"]
"""How a part gives its hidden states: alone, in a tuple, or before its attention weights."""

TOLERANCE = 1e-3
"""Largest difference between whole and halves, as a share of the largest value (float32)."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a model is cut: above so many `layers`, or above the next one's `attention` too."""

    layers: int
    attention: bool = False

    def __str__(self) -> str:
        """Return what lies below, for people."""
        if not self.attention:
            return f"the lowest {self.layers} layers"
        return f"the lowest {self.layers} layers and the next one's attention"


def layer_stack(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Return the full name of the list of transformer layers, and the list.

    Raises:
        ConfigError: there is none that Ratchet can find.
    """
    config: Any = model.config
    count = int(getattr(config, "num_hidden_layers", 0))
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name, module
    raise ConfigError(
        f"{type(model).__name__} has no stack of transformer layers that Ratchet can find.",
        "Use a base with a list of layers (BERT, RoBERTa, ModernBERT, Llama, GPT-2 and similar).",
    )


MOST_READ = 4
"""So many means of a model's layers can be read at most."""


def layers_read(model: nn.Module) -> list[int]:
    """Return where means can be read: above so many layers, the last entry above all of them.

    They lie evenly between the middle and the top, where texts' meanings are.
    """
    count = len(layer_stack(model)[1])
    low = max(1, count // 2)
    steps = MOST_READ - 1
    return sorted({low + round((count - low) * step / steps) for step in range(MOST_READ)})


def entered_layers(model: nn.Module, means: int) -> list[nn.Module]:
    """Return the layers that `means` means are read before, the one above all layers left out."""
    if means == 1:
        return []
    _, layers = layer_stack(model)
    return [layers[place] for place in layers_read(model)[-means:-1]]


def boundaries_of(
    adapted: nn.Module, fork: nn.Module, whole: nn.Module, means: int = 1
) -> list[Boundary]:
    """Return where nothing below holds a weight that is not the base's, the highest cut first.

    Args:
        adapted: `fork` with an adapter attached, in place as `peft` does it.
        fork: the model that was adapted.
        whole: the base that it was forked from, whose weights it shares.
        means: how many are read; nothing that is read may lie below.

    Returns:
        none where something below every layer was added, such as a prompt.
    """
    _, layers = layer_stack(fork)
    known = {id(weight) for weight in whole.parameters()}
    added = {id(weight) for weight in adapted.parameters()} - known
    inside = [added & {id(weight) for weight in layer.parameters()} for layer in layers]
    if not any(inside) or added - set().union(*inside):
        return []
    lowest = next(place for place, weights in enumerate(inside) if weights)
    first_read = layers_read(fork)[-means]
    if first_read <= lowest:
        return [Boundary(first_read)]
    attention: Any = getattr(layers[lowest], ATTENTION, None)
    free = attention is not None and inside[lowest].isdisjoint(map(id, attention.parameters()))
    return [Boundary(lowest, True)] * free + [Boundary(lowest)] * (lowest > 0)


class Passed(nn.Module):
    """Stands for a part that is passed over: gives back the hidden states it was given.

    Everything else that a model may ask of the part is answered by the part itself.
    """

    def __init__(self, part: nn.Module, form: Form) -> None:
        super().__init__()
        object.__setattr__(self, "_part", part)  # not as a module: it holds no weights
        self.form = form

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_part"), name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Hand on what came in, in the form that the model expects."""
        hidden = args[0] if args else kwargs["hidden_states"]
        return {"plain": hidden, "tuple": (hidden,), "with weights": (hidden, None)}[self.form]


class Lower(nn.Module):
    """The lower part of a base: ids to what crosses the boundary."""

    def __init__(self, fork: nn.Module, boundary: Boundary) -> None:
        super().__init__()
        self.model = fork
        self._found: Tensor | None = None
        _, layers = layer_stack(fork)
        layer: Any = layers[boundary.layers]
        if boundary.attention:
            getattr(layer, ATTENTION).register_forward_hook(self._leave_with_output)
        else:
            layer.register_forward_pre_hook(self._leave_with_input, with_kwargs=True)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the hidden states, (n_rows, length, hidden_size)."""
        with suppress(_Reached):
            self.model(input_ids=ids, attention_mask=mask)
        found, self._found = self._found, None
        assert found is not None
        return found

    def _leave_with_output(self, module: nn.Module, args: Any, output: Any) -> None:
        self._found = output[0]
        raise _Reached

    def _leave_with_input(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._found = args[0] if args else kwargs["hidden_states"]
        raise _Reached


class _Reached(Exception):
    """The boundary is reached: the layers above need not run."""


class Upper:
    """Makes an adapted model start at the boundary, from hidden states that it is given."""

    def __init__(self, fork: nn.Module, boundary: Boundary, form: Form) -> None:
        _, layers = layer_stack(fork)
        self._given: Tensor | None = None
        for place in range(boundary.layers):
            layers[place] = Passed(layers[place], form)
        first: Any = layers[boundary.layers]
        if boundary.attention:
            setattr(first, ATTENTION, Passed(getattr(first, ATTENTION), "with weights"))
        first.register_forward_pre_hook(self._enter, with_kwargs=True)

    @contextmanager
    def starting_from(self, hidden: Tensor) -> Iterator[None]:
        """Let forward passes of this block start from `hidden`, (n_rows, length, hidden_size)."""
        self._given = hidden
        try:
            yield
        finally:
            self._given = None

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        assert self._given is not None  # `starting_from` is the only way in
        if args:
            return (self._given, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._given}


@cache
def split_fault(base: Base, boundary: Boundary) -> str | None:
    """Return why the base can't be cut at `boundary`, or None where it can.

    Some architectures hand more than hidden states from part to part.
    """
    plain = Placement("cpu", "float32", base.max_tokens, 1)
    name = type(base.model).__name__
    ids, mask = _a_few_rows(base)
    with torch.inference_mode(), fixed_threads(1):
        whole = _own_states(base.model, ids, mask)
        try:
            fork = base.fork(plain)
            hidden = Lower(base.fork(plain), boundary)(ids, mask)
            with Upper(fork, boundary, form_of_layers(base)).starting_from(hidden):
                halves = _own_states(fork, ids, mask)
        except (LookupError, AttributeError, RuntimeError, TypeError, ValueError) as error:
            return f"{name} can't be split in two ({type(error).__name__}: {error})"
    if float((whole - halves).abs().max()) > TOLERANCE * float(whole.abs().max()):
        return f"{name} passes more than hidden states between layers"
    return None


@cache
def form_of_layers(base: Base) -> Form:
    """Return in which form this architecture's layers give their states, by one short pass."""
    forms: list[bool] = []
    _, layers = layer_stack(base.model)
    watch = layers[0].register_forward_hook(
        lambda module, args, output: forms.append(isinstance(output, tuple))
    )
    try:
        with torch.inference_mode(), fixed_threads(1):
            _own_states(base.model, *_a_few_rows(base))
    finally:
        watch.remove()
    return "tuple" if forms[0] else "plain"


@cache
def means_of(base: Base) -> int:
    """Return how many means can be read of a base; one where its layers can't be watched."""
    try:
        means = len(layers_read(base.model))
        with torch.inference_mode(), fixed_threads(1):
            found = pooled(base.model, *_a_few_rows(base), entered_layers(base.model, means))
    except (ConfigError, LookupError, RuntimeError, TypeError):
        return 1
    return means if found.shape[1] == means * base.hidden_size else 1


def _a_few_rows(base: Base) -> tuple[Tensor, Tensor]:
    """Return ids and mask, (2, 12), one row padded."""
    vocabulary = base.model.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
    ids = torch.arange(24).reshape(2, 12) % vocabulary
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    return ids, mask


def _own_states(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the last hidden states of the tokens that are no padding."""
    states: Tensor = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return states[mask.bool()]
