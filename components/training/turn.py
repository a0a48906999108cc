"""A turn: a batch is learned with another head than the parent's, of another kind or size.

Concept: a head can't become one of another kind, but the rows that the parent remembers can teach a
new one. So the lesson goes on from the parent's adapter, with a head that starts anew, on all of
these rows beside the batch's own. The lessons after it are as usual.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError
from components.training.memory import remembered
from components.training.origin import Items, Origin
from components.training.strategies import STRATEGIES

if TYPE_CHECKING:
    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.settings import Settings


def is_turn(parent: Bundle | None, settings: Settings) -> bool:
    """Tell whether the parent's head is no start for the one that the settings ask for."""
    if parent is None:
        return False
    head = STRATEGIES[settings.strategy.method].head(settings.strategy)
    return parent.state["head"] != head or bool(_reshaped(parent, settings))


def shape_of(parent: Bundle) -> dict[str, Any]:
    """Return the settings that the parent's head was drawn by; of old versions what it shows."""
    if "head_shape" in parent.state:
        return dict(parent.state["head_shape"])
    head = parent.state["head"]
    if head not in ("projected", "fourier"):
        return {}
    return {"features": head, "size": parent.head_tensors()["weight"].shape[1]}


def _reshaped(parent: Bundle, settings: Settings) -> list[str]:
    """Return what is asked of the head now and was not, in words."""
    now = STRATEGIES[settings.strategy.method].head_shape(settings.strategy)
    before = shape_of(parent)
    return [
        f"`strategy.{name}` {before[name]} -> {value}"
        for name, value in now.items()
        if before.get(name, value) != value
    ]


def check_turn(parent: Bundle, settings: Settings) -> None:
    """Refuse a strategy that can't go on from the parent.

    Raises:
        ConfigError: the parent answers in another way, or nothing teaches another head.
    """
    method, before = settings.strategy.method, parent.state.get("strategy", "another")
    if parent.state["kind"] != STRATEGIES[method].kind:
        reason = "whose versions answer in another way"
    elif is_turn(parent, settings) and not remembered(parent):
        reason = "which needs another head, and the parent remembers no rows to learn it from"
    else:
        return
    if method == before:
        raise ConfigError(
            f"The parent version has another head ({'; '.join(_reshaped(parent, settings))}), and"
            " remembers no rows to learn this one from.",
            "Set it back; another head needs a separate root.",
        )
    raise ConfigError(
        f"The parent version was learned by `strategy.method` {before}; now it is {method},"
        f" {reason}.",
        f"Set it back to {before}; {method} needs a separate root.",
    )


def turned(base: Base, parent: Bundle, items: Items, settings: Settings) -> Origin:
    """Return what the lesson's model starts from: the head as for a first version.

    Raises:
        ConfigError: of a label that the parent knows no row is there.
    """
    lost = sorted(set(parent.labels) - {item.label for item in items})
    if lost:
        named = ", ".join(lost[:3]) + (" and others" if len(lost) > 3 else "")
        raise ConfigError(
            f"{settings.strategy.method} needs another head than the parent version has, and no"
            f" remembered row teaches it: {named}.",
            "Set `strategy` back to what it was; another head needs a separate root.",
        )
    origin = STRATEGIES[settings.strategy.method].origin
    adapter = origin(base, parent, items, settings).adapter
    return replace(origin(base, None, items, settings), adapter=adapter, labels=parent.labels)
