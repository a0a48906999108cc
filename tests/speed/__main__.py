"""`make bench-speed`: measure, then write docs/speed.md from all that was measured.

Name parts to measure them alone (`make bench-speed ARGS="overhead growth"`); the page takes
the others from their last measurement.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.speed.section import Section

PARTS = ("update", "stream", "phases", "overhead", "growth", "prediction", "cache")
DOCS = Path(__file__).parents[2] / "docs"


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - set(PARTS)
    if unknown:
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    for name in wanted or PARTS:
        print(f"measuring {name} ...", flush=True)
        with tempfile.TemporaryDirectory(prefix="ratchet-speed-") as folder:
            section: Section = import_module(f"tests.speed.{name}").measure(
                Path(folder), DOCS / "speed"
            )
        section.save(DOCS / "speed" / f"{name}.json")
        print(section.markdown(1 + PARTS.index(name)), flush=True)
    return write_page()


def write_page() -> int:
    sections = [
        (number, Section.load(path))
        for number, name in enumerate(PARTS, start=1)
        if (path := DOCS / "speed" / f"{name}.json").exists()
    ]
    missed = [c for _, section in sections for c in section.checks if not c.met]
    opening = (Path(__file__).parent / "opening.md").read_text(encoding="utf-8").strip()
    page = [opening, *(section.markdown(number) for number, section in sections)]
    absent = [name for name in PARTS if not (DOCS / "speed" / f"{name}.json").exists()]
    if absent:
        page.append(f"Not measured yet on the present settings: {', '.join(absent)}.")
    (DOCS / "speed.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    print(f"docs/speed.md written; {len(missed)} figures off their limit")
    for check in missed:
        print(" ", check.line())
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
