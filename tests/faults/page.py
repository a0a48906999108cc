"""docs/faults.md, written from what is kept under docs/faults/."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.page import DOCS

KEPT = DOCS / "faults"


def keep(name: str, found: Any) -> None:
    """Keep figures as JSON."""
    KEPT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    (KEPT / f"{name}.json").write_text(text, encoding="utf-8")


def write() -> int:
    """Write the page; return 1 where a law was broken."""
    parts = [_text("opening")]
    broken = 0
    if (KEPT / "runs.json").exists():
        runs = json.loads((KEPT / "runs.json").read_text(encoding="utf-8"))
        broken = sum(bool(run["wrong"] or run["untold"]) for run in runs)
        parts += [_runs(runs), _found(runs)]
    if (KEPT / "bugs.json").exists():
        parts.append(_bugs(json.loads((KEPT / "bugs.json").read_text(encoding="utf-8"))))
    parts.append(_text("earlier"))
    (DOCS / "faults.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"docs/faults.md written; {broken} runs broke a law")
    return int(broken > 0)


def _text(name: str) -> str:
    return Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8").strip()


def _runs(runs: list[dict[str, Any]]) -> str:
    hours = sum(run["seconds"] for run in runs) / 3600
    operations = sum((Counter(run["operations"]) for run in runs), Counter[str]())
    struck = sum((Counter(run["struck"]) for run in runs), Counter[str]())
    told = sum((Counter(run["told"]) for run in runs), Counter[str]())
    commands = sum(run["commands"] for run in runs)
    return "\n\n".join(
        [
            "## 1. What was run",
            f"{len(runs)} seeds, {hours:.2f} hours in all: {operations.total():,} operations, "
            f"{commands:,} commands, {struck.total():,} faults that struck, {told.total():,} "
            "damages reported.",
            *_table("operation", operations),
            *_table("fault that struck", struck),
            *_table("a changed byte of", told),
        ]
    )


def _found(runs: list[dict[str, Any]]) -> str:
    wrong = [f"seed {run['seed']}, operation {run['number']}: {law}" for run in runs
             for law in run["wrong"]]  # fmt: skip
    untold = sum((Counter(run["untold"]) for run in runs), Counter[str]())
    lines = [f"- {_plain(each)}" for each in wrong]
    lines += [f"- {kind} ({count} times)" for kind, count in sorted(untold.items())]
    return "## 2. What was found\n\n" + ("\n".join(lines) or "No law was broken.")


def _bugs(proofs: list[dict[str, Any]]) -> str:
    rows = [
        f"| {proof['bug']} | {proof['seed']} | {proof['operations_with']} | "
        f"{_plain(proof['found'])} | {_plain(proof['found_without']) or 'nothing'} in "
        f"{proof['operations_without']} operations |"
        for proof in proofs
    ]
    head = (
        "| planted bug | seed | found at operation | as | without the bug |\n|---|---|---|---|---|"
    )
    return "## 3. Planted bugs\n\n" + "\n".join([head, *rows])


def _table(title: str, counts: Counter[str]) -> list[str]:
    """Return a table of counts; none where there are none."""
    rows = [f"| {_plain(name)} | {count:,} |" for name, count in sorted(counts.items())]
    return ["\n".join([f"| {title} | times |", "|---|---|", *rows])] if rows else []


def _plain(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace("|", "/").split())[:300]
