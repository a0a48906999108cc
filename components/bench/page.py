"""`bench.md`: tables, pictures and what they say, from nothing but kept runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import mean, median
from typing import Any

from components.bench import plots
from components.bench.run import Kept
from components.bench.table import REFERENCE, Line, difference, lines, markdown
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
    "peak MB",
)
METHOD_COLUMNS = (
    "final accuracy",
    "forgetting",
    "negative flips",
    "trained",
    "kB a version",
    "CPU s",
    "peak MB",
)
PUBLISHED = """
| | CLINC150, 15 tasks | Banking77, 7 tasks | base |
|---|---:|---:|---|
| SEQ* (Zheng et al. 2024) | 84.5 | 67.1 | Pythia-410M |
| random projection and ridge, ours, before this bench | 93.7 | 91.7 | MiniLM-L6, frozen |

They differ from ours in base (410M against 23M weights, and not trained for sentences) and in the
order of classes. On Split CIFAR-100 with ViT-B/16 LibContinual reproduces RanPAC 92.2, SD-LoRA
87.2, CODA 86.2, L2P 83.6; the same method moves by up to 4 points between papers, so that a smaller
gap proves nothing.
""".strip()


def write_page(
    runs: Sequence[Kept], latencies: Mapping[str, Any], about: str, page: Path, pictures: Path
) -> None:
    """Write the page and its pictures.

    Args:
        runs: what is kept.
        latencies: row -> what `latency` found.
        about: a sentence on budgets and machine.
        page: the Markdown file.
        pictures: folder of the PNG files, below the page's.
    """
    opening = files("components.bench").joinpath("opening.md").read_text(encoding="utf-8")
    parts = [opening.strip(), about, *_sections(runs, latencies, page, pictures)]
    page.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(page, ("\n\n".join(parts) + "\n").encode())


def read_runs(folder: Path) -> list[Kept]:
    """Return all runs that are kept in a folder, in the order of the plan."""
    from components.bench.plan import METHOD_ROWS, STRATEGY_ROWS

    order = {("strategies", row.name): n for n, row in enumerate(STRATEGY_ROWS)}
    order |= {("methods", row.name): n for n, row in enumerate(METHOD_ROWS)}
    found: list[Kept] = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
        if path.name.startswith(("methods-", "strategies-"))
    ]
    known = [run for run in found if (run["table"], run["row"]) in order]
    return sorted(known, key=lambda run: (order[run["table"], run["row"]], run["seed"]))


def _sections(
    runs: Sequence[Kept], latencies: Mapping[str, Any], page: Path, pictures: Path
) -> Iterator[str]:
    streams = [name for name in _streams() if any(run["stream"] == name for run in runs)]

    def picture(name: str, title: str) -> str:
        return f"![{title}]({(pictures / name).relative_to(page.parent).as_posix()})"

    yield "## 1. Strategies"
    for stream in streams:
        found = lines(runs, "strategies", stream)
        if not any(line.found for line in found):
            continue
        plots.over_time(runs, stream, pictures / f"{stream}-over-time.png")
        plots.against(
            found, "CPU s", f"{stream}: accuracy and cost", pictures / f"{stream}-cost.png"
        )
        yield f"### {stream} ({_seeds(found)})\n\n{markdown(found, STRATEGY_COLUMNS)}"
        yield picture(f"{stream}-over-time.png", f"Accuracy over time, {stream}")
        yield picture(f"{stream}-cost.png", f"Accuracy and CPU seconds, {stream}")
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
    if latencies:
        yield f"## 3. What answering costs\n\n{_latency_table(latencies)}"
    yield "## 4. Claims, tested"
    yield from _claims(runs, streams)
    yield f"## 5. Published figures to stand beside\n\n{PUBLISHED}"
    refused = {run["row"]: run["refused"] for run in runs if "refused" in run}
    refused |= {row: told["refused"] for row, told in latencies.items() if "refused" in told}
    if refused:
        yield "## 6. Rows that cannot be\n\n" + "\n".join(
            f"- **{row}**: {reason}" for row, reason in sorted(refused.items())
        )


def _streams() -> Sequence[str]:
    from components.bench.streams import NAMES

    return NAMES


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


def _claims(runs: Sequence[Kept], streams: Iterable[str]) -> Iterator[str]:
    """Say what the figures say of each claim, whatever comes out."""
    pairs = [
        ("experts, LoRA", "experts, prompt"),
        ("experts, LoRA, Mahalanobis", "experts, prompt, Mahalanobis"),
        ("pool, LoRA", "pool, prompt"),
    ]
    yield (
        "**Wistuba et al. 2024: LoRA beats prompts in S-Prompts and L2P.** Final accuracy of the"
        " LoRA version minus the prompt version, with a 95 % interval over items and seeds:\n\n"
        + _differences(runs, streams, pairs)
    )
    yield (
        "**Forgetting.** Sequential LoRA and others against joint training with the usual epochs"
        " and with four times as many: final accuracy and forgetting minus joint's, 95 % intervals,"
        " and learning's CPU seconds as a share of joint's:\n\n" + _against_joint(runs, streams)
    )
    yield (
        "**Accuracy for a CPU second.** Of `hybrid` and `analytic` against `replay` with LoRA:"
        " final accuracy minus replay's, and the median batch's CPU seconds of learning:\n\n"
        + _per_second(runs, streams)
    )


def _of(runs: Sequence[Kept], row: str, stream: str) -> list[Kept]:
    return [
        run
        for run in runs
        if (run["table"], run["row"], run["stream"]) == ("strategies", row, stream)
        and "steps" in run
    ]


def _alike(one: Sequence[Kept], other: Sequence[Kept]) -> tuple[list[Kept], list[Kept]]:
    """Return the runs of two rows with the seeds that both have; none where there is none."""
    seeds = {run["seed"] for run in one} & {run["seed"] for run in other}
    first, second = ([run for run in side if run["seed"] in seeds] for side in (one, other))
    return first, second


def _differences(
    runs: Sequence[Kept], streams: Iterable[str], pairs: Sequence[tuple[str, str]]
) -> str:
    text = ["| stream | pair | points | 95 % interval | who wins |", "|---|---|---:|---|---|"]
    for stream in streams:
        for one, other in pairs:
            sides = _alike(_of(runs, one, stream), _of(runs, other, stream))
            if all(sides):
                found = difference(*sides)["final"]
                winner = one if found["low"] > 0 else other if found["high"] < 0 else "undecided"
                text.append(
                    f"| {stream} | {one} - {other} | {found['points']:+.1f} |"
                    f" {found['low']:+.1f} to {found['high']:+.1f} | {winner} |"
                )
    return "\n".join(text)


AGAINST_JOINT = (
    "sequential",
    "replay",
    "hybrid",
    "hybrid, LDA",
    "analytic",
    "analytic, LDA",
    "analytic, adapted first",
    "analytic, 5,000 wide",
)


def _against_joint(runs: Sequence[Kept], streams: Iterable[str]) -> str:
    text = [
        "| stream | strategy | against | final accuracy | forgetting | CPU share |",
        "|---|---|---|---|---|---:|",
    ]
    for stream in streams:
        for row in AGAINST_JOINT:
            for reference in ("joint", REFERENCE):
                own, joint = _alike(_of(runs, row, stream), _of(runs, reference, stream))
                if own:
                    found, share = difference(own, joint), _seconds(own) / _seconds(joint)
                    text.append(
                        f"| {stream} | {row} | {reference} | {_interval(found['final'])} |"
                        f" {_interval(found['forgetting'])} | {share:.2f} |"
                    )
    return "\n".join(text)


AGAINST_REPLAY = ("hybrid", "hybrid, LDA", "analytic", "analytic, LDA", "analytic, adapted first")


def _per_second(runs: Sequence[Kept], streams: Iterable[str]) -> str:
    text = [
        "| stream | strategy | accuracy - replay's | median batch, CPU s | replay's |",
        "|---|---|---|---:|---:|",
    ]
    for stream in streams:
        replay = _of(runs, "replay", stream)
        for row in AGAINST_REPLAY:
            own, other = _alike(_of(runs, row, stream), replay)
            if own:
                found = difference(own, other)["final"]
                text.append(
                    f"| {stream} | {row} | {_interval(found)} | {_median(own):.1f} |"
                    f" {_median(other):.1f} |"
                )
    return "\n".join(text)


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['points']:+.1f} ({found['low']:+.1f} to {found['high']:+.1f})"


def _seconds(runs: Sequence[Kept]) -> float:
    return mean(float(sum(step["seconds"] for step in run["steps"])) for run in runs)


def _median(runs: Sequence[Kept]) -> float:
    return median(float(step["seconds"]) for run in runs for step in run["steps"])
