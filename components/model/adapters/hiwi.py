"""HiWi: a small network reads frozen feed-forward biases (or weights) and adds to them.

The network is thrown away after each lesson: what is stored is 11,520 biases of MiniLM-L6, however
large the network was. The next lesson's network reads the biases that this one left.

Source: Liao, Meng and Monz 2023, Parameter-Efficient Fine-Tuning without Introducing New Latency,
section 3.2: b' = b + f(b W_down) W_up, with f = ReLU here and W_up zero at first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..adapters.in_place import Names, in_place_method
from ..adapters.targets import feed_forward, linear_modules, narrowing, needs_linear

if TYPE_CHECKING:
    from torch import nn


def names(fork: nn.Module, settings: Any) -> Names:
    """Return the biases, or weights, of the feed-forward blocks."""
    linear = linear_modules(fork, settings.layers)
    chosen = {*feed_forward(fork, linear), *narrowing(fork, linear)}
    return [
        f"{name}.{settings.part}"
        for name in linear
        if name in chosen and getattr(fork.get_submodule(name), settings.part) is not None
    ]


def read_through(fork: nn.Module, changed: Names, settings: Any) -> nn.Module:
    """Let networks be trained that read the changed weights and add to them."""
    from torch.nn.utils.parametrize import register_parametrization

    from ..adapters.weight_readers import Reader

    for name in changed:
        module, _, leaf = name.rpartition(".")
        own = fork.get_parameter(name)
        reader = Reader(own.shape[-1], settings.size).to(own.device)
        register_parametrization(fork.get_submodule(module), leaf, reader)
    return fork


def refusal(fork: nn.Module, settings: Any) -> str | None:
    """Refuse a base without biases in its feed-forward blocks."""
    if fault := needs_linear(fork, settings):
        return fault
    if any(bool(fork.get_parameter(name).any()) for name in names(fork, settings)):
        return None
    return "the base's feed-forward biases are all zero, or none; set `adapter.part` to weight"


METHOD = in_place_method(
    names, shape=("layers", "part", "size"), train=read_through, refusal=refusal, vector=None
)
