"""A probable cause of what became of a batch, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_REMEDIES = {
    "language": "If these texts belong to the model, give them a task of their own (`ratchet run "
    "FILE --task NAME`) with an exam in their language; a base that knows it learns it better "
    "(`model.base`, in a new root)",
    "script": "Use a base that knows the script (`model.base`, in a new root), or leave these rows "
    "out",
    "cut": "Raise `model.max_tokens` as far as the base allows, or put what matters "
    "first in the texts",
}
_CORRECT = "Correct the labels and send the rows again"


@dataclass(frozen=True, slots=True)
class Cause:
    """A probable cause: `title` in a few words, `detail` with the numbers that show it.

    Rows that show it are those of `task` with a label of `turned` that the champion answers as
    what stands there; or the examples of the drift findings in `findings`, the first that has any.
    """

    kind: str
    title: str
    detail: str
    task: str = ""
    turned: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    @property
    def doubts_labels(self) -> bool:
        """Whether it says that labels of the task are wrong."""
        return bool(self.turned)

    @property
    def sort(self) -> str:
        """What it is of: labels, or what the texts are like."""
        return "labels" if self.doubts_labels else self.kind

    @property
    def remedy(self) -> str:
        """What to do about it, without a full stop."""
        return _CORRECT if self.doubts_labels else _REMEDIES[self.kind]

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.title}: {self.detail}"


def called(action: str) -> str:
    """Return what a cause is to a batch of which that became."""
    return "note" if action == "promoted" else "likely cause"


def percent(share: float | None) -> str:
    """Return a share as people read it."""
    return f"{100 * (share or 0):.0f} %"
