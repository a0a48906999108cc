"""One part of docs/speed.md: what was measured, as JSON, so that each can be made anew alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One figure against its limit. `sense`: "at least" or "at most"."""

    what: str
    value: float
    sense: str
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is on the right side of its limit."""
        if self.sense == "at least":
            return self.value >= self.limit
        return self.value <= self.limit

    def line(self) -> str:
        """Return the check as a row of a Markdown table."""
        mark = "yes" if self.met else "**no**"
        wanted = f"{self.sense} {self.limit:g}{self.unit}"
        return f"| {self.what} | {self.value:.4g}{self.unit} | {wanted} | {mark} |"


@dataclass(frozen=True, slots=True)
class Section:
    """A measured part of the page.

    text: Markdown below the table of checks. plots: names of PNG files beside the JSON.
    """

    title: str
    checks: list[Check]
    text: str
    plots: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the section as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Section:
        """Read a section that was measured before."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**found, "checks": [Check(**each) for each in found["checks"]]})

    def markdown(self, number: int) -> str:
        """Return the section as it stands on the page."""
        table = ["| measured | figure | wanted | met |", "|---|---|---|---|"]
        table += [check.line() for check in self.checks]
        plots = [f"![{self.title}](speed/{name})" for name in self.plots]
        return "\n\n".join([f"## {number}. {self.title}", "\n".join(table), self.text, *plots])
