"""What people are shown of verdicts, on a page or in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.exam_names import spoken

COUNTED = ("classes", "slices")
"""Checks with a verdict a label or a value: those that passed are counted, not shown."""


def worth_showing(
    verdicts: Sequence[Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], int]:
    """Return the verdicts to show, and how many labels and slices passed beside them."""
    shown = [row for row in verdicts if row["check"] not in COUNTED or row["outcome"] != "PASS"]
    return shown, len(verdicts) - len(shown)


def named(verdict: Mapping[str, Any]) -> str:
    """Return what a verdict is about: its exam or task, and the group of items or the score."""
    parts = (spoken(verdict.get("exam") or verdict.get("task") or ""), verdict.get("group"))
    return ", ".join(part for part in parts if part)
