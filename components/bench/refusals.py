"""Pairs of strategy and adapter method that the product refuses, in its own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.settings import Settings

if TYPE_CHECKING:
    from components.model.base import Base


@dataclass(frozen=True, slots=True)
class Refusal:
    """Methods that a strategy refuses for one reason; the reason calls each of them METHOD."""

    strategy: str
    methods: str
    reason: str


def refusals(base: Base) -> list[Refusal]:
    """Return the refused pairs, each method and strategy with its default settings.

    Methods that do not fit the base at all are left out.
    """
    from components.model.adapters import METHODS
    from components.training.strategies import STRATEGIES

    by_reason: dict[tuple[str, str], list[str]] = {}
    fitting = []
    for method, own in METHODS.items():
        if own.refusal(base.model, _settings(method, "replay").adapter):
            continue
        fitting.append(method)
        for strategy, each in STRATEGIES.items():
            if reason := each.fits(_settings(method, strategy), base):
                told = re.sub(rf"\b{method}\b", "METHOD", reason)
                by_reason.setdefault((strategy, told), []).append(method)
    return [
        Refusal(strategy, _named(methods, fitting), reason)
        for (strategy, reason), methods in sorted(by_reason.items())
    ]


def _settings(method: str, strategy: str) -> Settings:
    values = {"adapter": {"method": method}, "strategy": {"method": strategy}}
    return Settings.model_validate(values)


def _named(methods: Sequence[str], among: Sequence[str]) -> str:
    """Return names in a row, or the other ones where these are fewer."""
    others = [name for name in among if name not in methods]
    return f"all but {', '.join(others)}" if len(others) < len(methods) else ", ".join(methods)
