"""A page of measured figures, made of parts that can each be measured anew alone.

Concept: a part is a module with `measure(folder, plots) -> Section`; what it found is kept as
JSON under docs/, and the page is written from all that is kept.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


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

    def markdown(self, number: int, folder: str) -> str:
        """Return the section as it stands on the page; its plots lie in `folder`."""
        table = ["| measured | figure | wanted | met |", "|---|---|---|---|"]
        table += [check.line() for check in self.checks]
        plots = [f"![{self.title}]({folder}/{name})" for name in self.plots]
        measured = ["\n".join(table)] if self.checks else []
        return "\n\n".join([f"## {number}. {self.title}", *measured, self.text, *plots])


def opening(docstring: str | None) -> str:
    """Return what a part's module says of itself, without its first line and its command."""
    return (docstring or "").split("\n\n", 1)[1].split("    make")[0].strip()


@dataclass(frozen=True, slots=True)
class Page:
    """`docs/NAME.md`, of the parts of a package of the same measurements.

    package: where the parts' modules and `opening.md` lie.
    promises: (part, check, what its figure says), for a first table of the most important ones.
    """

    name: str
    package: str
    parts: Sequence[str]
    promises: Sequence[tuple[str, str, str]] = ()

    def make(self, wanted: Sequence[str]) -> int:
        """Measure the wanted parts, or all, and write the page; return an exit code."""
        if {"-h", "--help"}.intersection(wanted):
            print(f"Name what to measure: {', '.join(self.parts)}; without a name, all of it.")
            return 0
        unknown = set(wanted) - set(self.parts)
        if unknown:
            names = ", ".join(sorted(unknown))
            print(f"no such part: {names}; there are {', '.join(self.parts)}")
            return 2
        for part in wanted or self.parts:
            print(f"measuring {part} ...", flush=True)
            with tempfile.TemporaryDirectory(prefix=f"ratchet-{self.name}-") as folder:
                module = import_module(f"{self.package}.{part}")
                section: Section = module.measure(Path(folder), DOCS / self.name)
            section.save(self._kept(part))
            print(section.markdown(1 + self.parts.index(part), self.name), flush=True)
        return self.write()

    def write(self) -> int:
        """Write the page from what is kept; return 1 when a figure misses its limit."""
        sections = {
            number: Section.load(self._kept(part))
            for number, part in enumerate(self.parts, start=1)
            if self._kept(part).exists()
        }
        start = Path(import_module(self.package).__path__[0]) / "opening.md"
        text = [start.read_text(encoding="utf-8").strip(), *self._first(sections)]
        text += [section.markdown(number, self.name) for number, section in sections.items()]
        absent = [part for part in self.parts if not self._kept(part).exists()]
        if absent:
            text.append(f"Not measured yet on the present settings: {', '.join(absent)}.")
        (DOCS / f"{self.name}.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
        missed = [each for section in sections.values() for each in section.checks if not each.met]
        print(f"docs/{self.name}.md written; {len(missed)} figures off their limit")
        for check in missed:
            print(" ", check.line())
        return 1 if missed else 0

    def _first(self, sections: Mapping[int, Section]) -> Iterator[str]:
        """Yield the table of promises, as far as their parts were measured."""
        rows = [
            f"{replace(check, what=promise).line()} {1 + self.parts.index(part)} |"
            for part, what, promise in self.promises
            for number, section in sections.items()
            for check in section.checks
            if (part, what) == (self.parts[number - 1], check.what)
        ]
        if rows:
            head = ["| promise | figure | wanted | met | part |", "|---|---|---|---|---|"]
            yield "\n".join([*head, *rows])

    def _kept(self, part: str) -> Path:
        return DOCS / self.name / f"{part}.json"
