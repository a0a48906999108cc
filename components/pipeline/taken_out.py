"""What is said of a batch that was taken out of the champion (`ratchet forget`), in sentences."""

from __future__ import annotations

from components.ledger import views


def is_back(batch: str, version: int) -> str:
    """Say that a rollback brought a batch back that a version had taken out."""
    return (
        f"batch {batch[:12]}, taken out by version {version}, is in the champion again: "
        f"`ratchet forget {batch[:12]} --reason TEXT`"
    )


def is_out(removal: views.Removal) -> str:
    """Say that the champion lacks a batch that came again, and how its rows are learned again."""
    return (
        f"it is not in the champion: version {removal.version.version} took it out "
        f"({removal.reason}). A batch is learned once; to learn its rows again, send them as "
        "another file: corrected, or with one more column"
    )


def stays_out(removal: views.Removal) -> str:
    """Say why a batch that a rollback queued again is not learned."""
    return (
        f"Version {removal.version.version} took it out ({removal.reason}), and it stays out after "
        "a rollback. It is learned again if it is released."
    )
