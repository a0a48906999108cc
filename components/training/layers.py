"""A transformer cut in two: the frozen layers below the lowest adapted one, and the rest.

Concept: the boundary is the number of layers that no adapter touches. What enters layer
`boundary` depends on the text alone, so it can be computed once and kept. Both halves are
the whole model with some layers passed over, so embeddings, masks, positions and closing
norms stay what the architecture makes of them.

Promise: `split_fault` runs both halves on a few rows and compares them with the whole; a
model that is not the sum of its halves is named, and never cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from components.errors import ConfigError
from components.training.determinism import fixed_threads
from components.training.placement import Placement

if TYPE_CHECKING:
    from components.training.base import Base

TOLERANCE = 1e-3
"""Largest difference between whole and halves, as a share of the largest value (float32)."""


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
        "Use a base with a list of layers (BERT, RoBERTa, ModernBERT, Llama, GPT-2 and their kin).",
    )


def boundary_of(adapted: nn.Module, fork: nn.Module, whole: nn.Module) -> int:
    """Return how many layers at the bottom hold no weight that is not the base's.

    Args:
        adapted: `fork` with an adapter attached, in place as `peft` does it.
        fork: the model that was adapted.
        whole: the base that it was forked from, whose weights it shares.

    Returns:
        0 where anything outside the layers was added, such as a prompt.
    """
    _, layers = layer_stack(fork)
    place = {id(weight): n for n, layer in enumerate(layers) for weight in layer.parameters()}
    known = {id(weight) for weight in whole.parameters()}
    added = (id(weight) for weight in adapted.parameters() if id(weight) not in known)
    return min((place.get(weight, 0) for weight in added), default=0)


class Passed(nn.Module):
    """Stands for a layer that is passed over: gives back the hidden states it was given.

    Everything else that a model may ask of a layer is answered by the layer itself.
    """

    def __init__(self, layer: nn.Module, as_tuple: bool) -> None:
        super().__init__()
        object.__setattr__(self, "_layer", layer)  # not as a module: it holds no weights
        self.as_tuple = as_tuple
        self.seen: Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_layer"), name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Keep what came in and hand it on in the form that the model expects."""
        hidden = args[0] if args else kwargs["hidden_states"]
        self.seen = hidden
        return (hidden,) if self.as_tuple else hidden


class Lower(nn.Module):
    """The embeddings and the lowest layers of a base: ids to what enters the boundary."""

    def __init__(self, fork: nn.Module, boundary: int, as_tuple: bool) -> None:
        super().__init__()
        self.model = fork
        _, layers = layer_stack(fork)
        for place in range(boundary, len(layers)):
            layers[place] = Passed(layers[place], as_tuple)
        self._end = layers[boundary]

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the hidden states, (n_rows, length, hidden_size)."""
        self.model(input_ids=ids, attention_mask=mask)
        end: Any = self._end
        hidden, end.seen = end.seen, None
        return hidden  # type: ignore[no-any-return]


class Upper:
    """Makes an adapted model start at the boundary, from hidden states that it is given."""

    def __init__(self, fork: nn.Module, boundary: int, as_tuple: bool) -> None:
        _, layers = layer_stack(fork)
        self._given: Tensor | None = None
        for place in range(boundary):
            layers[place] = Passed(layers[place], as_tuple)
        layers[boundary].register_forward_pre_hook(self._enter, with_kwargs=True)

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
def split_fault(base: Base, boundary: int) -> str | None:
    """Return why the base can't be cut at `boundary`, or None where it can.

    Some architectures hand more than hidden states from layer to layer.
    """
    if boundary == 0:
        return "the adapter changes the input or the lowest layer"
    plain = Placement("cpu", "float32", base.max_tokens, 1)
    name = type(base.model).__name__
    ids, mask = _a_few_rows(base)
    with torch.inference_mode(), fixed_threads(1):
        whole = _own_states(base.model, ids, mask)
        try:
            form, fork = layers_give_tuples(base), base.fork(plain)
            hidden = Lower(base.fork(plain), boundary, form)(ids, mask)
            with Upper(fork, boundary, form).starting_from(hidden):
                halves = _own_states(fork, ids, mask)
        except (LookupError, AttributeError, RuntimeError, TypeError, ValueError) as error:
            return f"{name} can't be cut in two ({type(error).__name__}: {error})"
    if float((whole - halves).abs().max()) > TOLERANCE * float(whole.abs().max()):
        return f"{name} hands more than hidden states from layer to layer"
    return None


@cache
def layers_give_tuples(base: Base) -> bool:
    """Return whether this architecture's layers give a tuple, by one short pass."""
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
    return forms[0]


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
