"""What people are shown of verdicts, on a page or in a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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


def without_action(headline: str) -> str:
    """Return a headline without the decision that it begins with: the title says it."""
    start, colon, rest = headline.partition(": ")
    said = {"Promote", "Hold", "Held", "Reject"}
    return rest if colon and start.split()[0] in said else headline


def in_doubt(verdict: Mapping[str, Any], doubted: Collection[str]) -> str:
    """Return what must be said of a check that was made on labels that look wrong; else nothing.

    `doubted`: the tasks whose labels in the batch look wrong.
    """
    if verdict["check"] != "learned" or verdict.get("task") not in doubted:
        return ""
    return "Measured by the batch's own labels, which look wrong: it counts for nothing."


def noted_only(verdict: Mapping[str, Any]) -> bool:
    """Tell whether a verdict that is no PASS stopped nothing."""
    return verdict["outcome"] != "PASS" and verdict.get("consequence") in {"note", "promote"}


def held_against_guessing(verdict: Mapping[str, Any]) -> bool:
    """Tell whether a verdict is of what the champion had not learned: a new task or label."""
    return verdict.get("check") == "learned" and verdict.get("right_to_wrong") is None


def finding_named(finding: Mapping[str, Any]) -> str:
    """Return what a drift finding is about, as people read it."""
    return str(finding["name"]).replace("_", " ")


def named(verdict: Mapping[str, Any]) -> str:
    """Return what a verdict is about: its exam or task, and the group of items or the score.

    Which new labels were learned stands in the sentence alone.
    """
    task = spoken(verdict.get("exam") or verdict.get("task") or "")
    subject, told, _ = str(verdict.get("sentence", "")).partition(": the candidate answers ")
    if told and held_against_guessing(verdict) and subject.startswith(task):
        return subject
    return ", ".join(part for part in (task, verdict.get("group")) if part)
