"""Which modules of a base a method adapts: found by what they are, whatever the architecture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

TARGETS = ("layers", "target_modules")
"""The settings behind `target_pattern`."""


def target_pattern(model: nn.Module, settings: Any) -> str:
    """Return a pattern that matches exactly the full names of the modules to adapt.

    `layers: N` keeps the top N transformer layers, of a shallower model all. In them,
    `all-linear` takes every linear module, `feed-forward` those that widen their input
    outside of attention, a list those whose name ends in one of its words.

    Raises:
        ConfigError: a target fits no module.
    """
    return pattern_of(target_modules(model, settings))


def pattern_of(names: list[str]) -> str:
    """Return a pattern that matches exactly these names; of none, one that matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def target_modules(model: nn.Module, settings: Any) -> list[str]:
    """Return what `target_pattern` matches, in the model's order."""
    linear = linear_modules(model, settings.layers)
    if settings.target_modules == "all-linear":
        return linear
    if settings.target_modules == "feed-forward":
        return feed_forward(model, linear)
    endings = sorted({_ending(name) for name in linear})
    chosen: set[str] = set()
    for target in settings.target_modules:
        fitting = [name for name in linear if f".{name}".endswith(f".{target}")]
        if not fitting:
            raise ConfigError(
                f"`adapter.target_modules` names {target!r}, which matches no linear module "
                "of the adapted layers.",
                f"Use all-linear, or one or more of: {', '.join(endings)}.",
            )
        chosen.update(fitting)
    return [name for name in linear if name in chosen]


def linear_modules(model: nn.Module, layers: str | int) -> list[str]:
    """Return the full names of all linear modules of the top layers."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return [
        name for name, module in in_layers(model, layers) if isinstance(module, nn.Linear | Conv1D)
    ]


def in_layers(model: nn.Module, layers: str | int) -> list[tuple[str, nn.Module]]:
    """Return all modules of the top layers with their full names."""
    from ..layers import layer_stack

    stack, found = layer_stack(model)
    count = len(found)
    first = 0 if layers == "all" else max(0, count - int(layers))
    wanted = tuple(f"{stack}.{place}." for place in range(first, count))
    return [(name, module) for name, module in model.named_modules() if name.startswith(wanted)]


def feed_forward(model: nn.Module, linear: list[str]) -> list[str]:
    """Return the linear modules that widen, no part of whose name tells of attention.

    Raises:
        ConfigError: there is none.
    """
    chosen = [name for name in linear if not is_attention(name) and widens(model, name)]
    if not chosen:
        raise ConfigError(
            f"{type(model).__name__} has no feed-forward module that Ratchet can find.",
            "Set `adapter.target_modules` to all-linear, or one or more of: "
            f"{', '.join(linear[-6:])}.",
        )
    return chosen


def narrowing(model: nn.Module, linear: list[str]) -> list[str]:
    """Return the linear modules outside of attention that give fewer numbers than they take."""
    return [name for name in linear if not is_attention(name) and widens(model, name, -1)]


def is_attention(name: str) -> bool:
    """Tell whether a module's full name tells of attention."""
    return "att" in name.lower()


def widens(model: nn.Module, name: str, way: int = 1) -> bool:
    """Tell whether a linear module gives more numbers than it takes; with -1, fewer."""
    given, taken = sizes(model.get_submodule(name))
    return way * (given - taken) > 0


def sizes(module: Any) -> tuple[int, int]:
    """Return how many numbers a linear module gives and takes."""
    from transformers.pytorch_utils import Conv1D

    given, taken = module.weight.shape
    return (taken, given) if isinstance(module, Conv1D) else (given, taken)


def needs_linear(model: nn.Module, settings: Any) -> str | None:
    """Refuse a base that keeps its weights in another kind of module than `torch.nn.Linear`."""
    from torch import nn

    kinds = {type(model.get_submodule(name)) for name in linear_modules(model, settings.layers)}
    odd = sorted(kind.__name__ for kind in kinds if not issubclass(kind, nn.Linear))
    return f"it takes Linear modules only, and the base has {', '.join(odd)}" if odd else None


def _ending(name: str) -> str:
    return re.sub(r"^.*?\.\d+\.", "", name)
