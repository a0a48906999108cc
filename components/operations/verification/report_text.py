"""A report in words, and the error that a command ends with."""

from __future__ import annotations

from collections.abc import Iterator

from components.errors import Corrupted, NeedsHuman, RatchetError
from components.operations.verification.findings import Report

UNPROVABLE = (
    "a chain that was rewritten as a whole, with matching files",
    "an older copy of everything, ledger and files",
)
"""What fits together in itself: only a head that was noted elsewhere shows it."""


def lines(report: Report) -> Iterator[str]:
    """Say what was found, what holds, what was not looked at, and what can't be proved here."""
    for each in report.findings:
        yield f"{each.place}: {each.what}"
        yield f"    {each.remedy}"
    counts = ", ".join(f"{what} {count:,}" for what, count in report.holds.items())
    yield f"Verified: {counts}."
    if report.skipped:
        yield "Not checked:"
    for left in report.skipped:
        yield f"  {left.what}: {left.why}" + (" (checked with --deep)" if left.deep else "")
    yield f"Cannot be proven from here: {'; '.join(UNPROVABLE)}."
    yield "Compare the head with one that you stored elsewhere."
    yield f"Head: {report.head or 'unknown'}"


def conclusion(report: Report) -> RatchetError | None:
    """Return the error that says the first finding, and how many there are; None without any."""
    damage = [each for each in report.findings if each.kind == "damage"]
    if not report.findings:
        return None
    first = (damage or report.findings)[0]
    more = len(report.findings) - 1
    counted = f" ({more} more above)" if more else ""
    kind = Corrupted if damage else NeedsHuman
    return kind(f"{first.place}: {first.what}{counted}.".replace("..", "."), first.remedy)
