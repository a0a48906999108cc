"""`bench.md`: tables, pictures and what they say, from nothing but kept runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from components.bench import plots
from components.bench.claims import NOT_YET, claims
from components.bench.plan import METHOD_ROWS, STRATEGY_ROWS, Cell
from components.bench.refusals import Refusal
from components.bench.remarks import how_often_learned, same_answers
from components.bench.run import Bench, Kept
from components.bench.streams import NAMES
from components.bench.table import Line, lines, markdown, shown
from components.files import write_bytes

STRATEGY_COLUMNS = (
    "final accuracy",
    "over time",
    "forgetting",
    "backward",
    "forward",
    "intransigence",
    "negative flips",
    "kB a version",
    "kB to learn on",
    "CPU s",
    "processor",
    "peak MB",
)
METHOD_COLUMNS = (
    "final accuracy",
    "forgetting",
    "negative flips",
    "trained",
    "kB a version",
    "CPU s",
    "processor",
    "peak MB",
)
PUBLISHED = """
| | CLINC150, 15 tasks | Banking77, 7 tasks | base |
|---|---:|---:|---|
| SEQ* (Zheng et al. 2024) | 84.5 | 67.1 | Pythia-410M |
| random projection and ridge, ours, before this bench | 93.7 | 91.7 | MiniLM-L6, frozen |
""".strip()
HOW_THEY_DIFFER = """
The published ones differ from ours in base (410M against 23M weights, and not trained for
sentences) and in the order of classes. On Split CIFAR-100 with ViT-B/16 LibContinual reproduces
RanPAC 92.2, SD-LoRA 87.2, CODA 86.2, L2P 83.6; the same method moves by up to 4 points between
papers, so that a smaller gap proves nothing.
""".strip()
BESIDE_PUBLISHED = ("analytic", "hybrid")


@dataclass(frozen=True, slots=True)
class Beside:
    """What the page says beside its runs.

    count: a sentence on how many runs are there. about: one on budgets and machine.
    latencies: row -> what `latency` found. refusals: pairs of method and strategy.
    """

    count: str
    about: str
    latencies: Mapping[str, Any]
    refusals: Sequence[Refusal]


def write_page(runs: Sequence[Kept], beside: Beside, page: Path, pictures: Path) -> None:
    """Write the page and its pictures.

    Args:
        runs: what is kept.
        beside: what else is said.
        page: the Markdown file.
        pictures: folder of the PNG files, below the page's.
    """
    opening = files("components.bench").joinpath("opening.md").read_text(encoding="utf-8")
    title, _, rest = opening.strip().partition("\n\n")
    parts = [title, beside.count, rest, beside.about, *_sections(runs, beside, page, pictures)]
    page.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(page, ("\n\n".join(parts) + "\n").encode())


def read_runs(folder: Path, bench: Bench) -> list[Kept]:
    """Return all runs that are kept in a folder, in the order of the plan.

    Each has `earlier` beside what is kept: whether it was measured with other settings than
    today's, so that the next bench will make it again.
    """
    rows = {("strategies", row.name): row for row in STRATEGY_ROWS}
    rows |= {("methods", row.name): row for row in METHOD_ROWS}
    order = {name: number for number, name in enumerate(rows)}
    found: list[Kept] = []
    for path in sorted(folder.glob("*.json")):
        if not path.name.startswith(("methods-", "strategies-")):
            continue
        run = json.loads(path.read_text(encoding="utf-8"))
        row = rows.get((run["table"], run["row"]))
        if row is not None and run["stream"] in bench.budgets:
            now = bench.key(Cell(run["table"], row, run["stream"], run["seed"]))
            found.append(run | {"earlier": run["key"] != now})
    return sorted(found, key=lambda run: (order[run["table"], run["row"]], run["seed"]))


def _sections(runs: Sequence[Kept], beside: Beside, page: Path, pictures: Path) -> Iterator[str]:
    streams = [name for name in NAMES if any(run["stream"] == name for run in runs)]

    def picture(name: str, title: str) -> str:
        return f"![{title}]({(pictures / name).relative_to(page.parent).as_posix()})"

    yield "## 1. Strategies"
    drawn = 0
    for stream in streams:
        found = lines(runs, "strategies", stream)
        if not any(line.found for line in found):
            continue
        drawn += 1
        plots.over_time(runs, stream, pictures / f"{stream}-over-time.png")
        plots.against(
            found, "CPU s", f"{stream}: accuracy and cost", pictures / f"{stream}-cost.png"
        )
        yield f"### {stream} ({_seeds(found)})\n\n{markdown(found, STRATEGY_COLUMNS)}"
        yield picture(f"{stream}-over-time.png", f"Accuracy over time, {stream}")
        yield picture(f"{stream}-cost.png", f"Accuracy and CPU seconds, {stream}")
    if not drawn:
        yield NOT_YET
    yield from same_answers(runs, "strategies", streams)
    yield from how_often_learned(runs, "hybrid", streams)
    methods = lines(runs, "methods", "sentiment")
    if any(line.found for line in methods):
        plots.against(
            methods,
            "kB a version",
            "sentiment, replay: accuracy and stored bytes",
            pictures / "methods-bytes.png",
        )
        yield (
            f"## 2. Adapter methods, under replay, on sentiment ({_seeds(methods)})\n\n"
            f"{markdown(methods, METHOD_COLUMNS)}"
        )
        yield picture("methods-bytes.png", "Accuracy and stored bytes by method")
        yield from same_answers(runs, "methods", ["sentiment"])
    else:
        yield f"## 2. Adapter methods, under replay, on sentiment\n\n{NOT_YET}"
    costs = _latency_table(beside.latencies) if beside.latencies else NOT_YET
    yield f"## 3. What answering costs\n\n{costs}"
    yield "## 4. Claims, tested"
    yield from claims(runs, streams)
    yield f"## 5. Published figures to stand beside\n\n{_published(runs)}"
    yield from _refused(runs, beside)


def _published(runs: Sequence[Kept]) -> str:
    """Return the published figures, with what is measured today as the last rows."""
    found = [line for line in lines(runs, "strategies", "clinc150") if line.found]
    rows = [
        f"| {line.label}, on this page ({_seeds([line])}) |"
        f" {shown('final accuracy', line.found['final accuracy'])} | - | this page's |"
        for line in found
        if line.row in BESIDE_PUBLISHED
    ]
    clinc = "" if rows else " CLINC150 is not measured on this page."
    banking = f"Banking77 is not among the streams of this bench.{clinc}"
    return "\n".join([PUBLISHED, *rows, "", banking, "", HOW_THEY_DIFFER])


def _refused(runs: Sequence[Kept], beside: Beside) -> Iterator[str]:
    refused = {run["row"]: run["refused"] for run in runs if "refused" in run}
    told = beside.latencies.items()
    refused |= {row: found["refused"] for row, found in told if "refused" in found}
    if not refused and not beside.refusals:
        return
    yield "## 6. Rows and pairs that cannot be"
    if refused:
        yield "\n".join(f"- **{row}**: {reason}" for row, reason in sorted(refused.items()))
    if beside.refusals:
        text = [
            "Strategies refuse these adapter methods, each with its usual settings, in these words"
            " (METHOD is the refused one):",
            "",
            "| strategy | refuses | because |",
            "|---|---|---|",
        ]
        text += [
            f"| {each.strategy} | {each.methods} | {each.reason} |" for each in beside.refusals
        ]
        yield "\n".join(text)


def _seeds(found: Sequence[Line]) -> str:
    counts = {line.seeds for line in found if line.seeds} or {1}
    most, least = max(counts), min(counts)
    if most == 1:
        return "one seed"
    return f"{most} seeds" if least == most else f"{least} to {most} seeds, as far as measured"


def _latency_table(latencies: Mapping[str, Any]) -> str:
    text = [
        "Time a pass, of 24 tokens, as a share of the base's own, each loaded as it is served"
        " (merged where it can be); one thread, medians, the two in turn. 1.00 is the base; a few"
        " hundredths are noise.",
        "",
        "| | batch 1 | batch 32 | extra cost | largest difference after merging |",
        "|---|---:|---:|---|---:|",
    ]
    for row, told in latencies.items():
        if "refused" not in told:
            apart = "-" if told["difference"] is None else f"{told['difference']:.1e}"
            text.append(
                f"| {row} | {told['batch 1']:.2f} | {told['batch 32']:.2f} | {told['costs']} |"
                f" {apart} |"
            )
    return "\n".join(text)
