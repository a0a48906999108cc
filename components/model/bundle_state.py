"""What `state.json` of a bundle says: what it must, what it may leave out, what decides answers."""

from __future__ import annotations

from typing import Any

LEARNING_PARTS = ("memory", "strategy")
"""Which parts were for learning only before `state.json` named them (format 2 and earlier)."""

ANSWERING_PARTS = frozenset({"adapter", "head", "labels"})
"""Which parts can't be for learning only: every version answers by them."""

DEFAULTS = {"kind": "classifier", "modality": "text"}
"""What was so before `state.json` named it (format 2 and earlier)."""

NEEDED: dict[str, type] = {
    "adapter.method": str,
    "base.digest": str,
    "base.name": str,
    "head": str,
    "kind": str,
    "modality": str,
    "serving.max_tokens": int,
}
"""What it must say, defaults included, for a version to answer."""

HISTORY = frozenset(
    "anchors batch device forgot format frozen head_shape key learning libraries parent precision"
    " seed settings strategy trained uncut wall".split()
)
"""What it says of how the version came to be; everything else in it decides answers."""


def fault_of(state: dict[str, Any]) -> str | None:
    """Say what a `state.json` says wrongly, or not at all; None if it is sound."""
    for name, kind in NEEDED.items():
        value: Any = state
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, kind):
            return f"`{name}` is missing or invalid"
    learning = state.get("learning", [])
    if not are_texts(learning):
        return "`learning` is not a list of parts"
    wrong = sorted(ANSWERING_PARTS.intersection(learning))
    return f"`learning` names {', '.join(wrong)}, which decides answers" if wrong else None


def are_texts(value: Any) -> bool:
    """Tell whether a JSON value is a list of texts."""
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
