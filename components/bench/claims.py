"""The claims that the bench tests, each with what the kept runs say of it, whatever comes out.

Promise: seconds are set side by side only where both runs of a seed were made on the same kind of
processor; accuracies on all seeds that both rows have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import mean, median

from components.bench.run import Kept
from components.bench.table import REFERENCE, difference, labelled, strategy_runs

NOT_YET = "Not measured yet."
OTHER_PROCESSORS = (
    "\\-: for no seed were both runs made on the same kind of processor, so their seconds say"
    " nothing of each other."
)


def claims(runs: Sequence[Kept], streams: Iterable[str]) -> Iterator[str]:
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
        " and learning's CPU seconds as a share of joint's, over the seeds whose two runs were made"
        " on the same kind of processor:\n\n" + _against_joint(runs, streams)
    )
    yield (
        "**Accuracy for a CPU second.** Of `hybrid` and `analytic` against `replay` with LoRA:"
        " final accuracy minus replay's, and the median batch's CPU seconds of learning, over the"
        " seeds whose two runs were made on the same kind of processor:\n\n"
        + _per_second(runs, streams)
    )


def _alike(
    one: Sequence[Kept], other: Sequence[Kept], by: Sequence[str] = ("seed",)
) -> tuple[list[Kept], list[Kept]]:
    """Return the runs of two rows that have the same seed (and more, `by` name) in both."""

    def told(run: Kept) -> tuple[object, ...]:
        return tuple(run.get(name) for name in by)

    shared = {told(run) for run in one} & {told(run) for run in other}
    first, second = ([run for run in side if told(run) in shared] for side in (one, other))
    return first, second


def _on_one_processor(one: Sequence[Kept], other: Sequence[Kept]) -> tuple[list[Kept], list[Kept]]:
    """Return the runs whose seconds compare; where none was noted, these among themselves."""
    return _alike(one, other, ("seed", "processor"))


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    """Return a Markdown table, with a word on seconds that are not told; without rows, a word."""
    if not rows:
        return NOT_YET
    apart = any(row.endswith("| - |") for row in rows)
    return "\n".join([*head, *rows]) + (f"\n\n{OTHER_PROCESSORS}" if apart else "")


def _differences(
    runs: Sequence[Kept], streams: Iterable[str], pairs: Sequence[tuple[str, str]]
) -> str:
    head = ["| stream | pair | points | 95 % interval | who wins |", "|---|---|---:|---|---|"]
    rows = []
    for stream in streams:
        for one, other in pairs:
            own, against = _alike(
                strategy_runs(runs, one, stream), strategy_runs(runs, other, stream)
            )
            if own:
                found = difference(own, against)["final"]
                winner = one if found["low"] > 0 else other if found["high"] < 0 else "undecided"
                rows.append(
                    f"| {stream} | {labelled(one, own)} - {labelled(other, against)} |"
                    f" {found['points']:+.1f} | {found['low']:+.1f} to {found['high']:+.1f} |"
                    f" {winner} |"
                )
    return _table(head, rows)


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
    head = [
        "| stream | strategy | against | final accuracy | forgetting | CPU share |",
        "|---|---|---|---|---|---:|",
    ]
    rows = []
    for stream in streams:
        for row in AGAINST_JOINT:
            for reference in ("joint", REFERENCE):
                own, joint = _alike(
                    strategy_runs(runs, row, stream), strategy_runs(runs, reference, stream)
                )
                if own:
                    found = difference(own, joint)
                    rows.append(
                        f"| {stream} | {labelled(row, own)} | {labelled(reference, joint)} |"
                        f" {_interval(found['final'])} | {_interval(found['forgetting'])} |"
                        f" {_share(own, joint)} |"
                    )
    return _table(head, rows)


AGAINST_REPLAY = ("hybrid", "hybrid, LDA", "analytic", "analytic, LDA", "analytic, adapted first")


def _per_second(runs: Sequence[Kept], streams: Iterable[str]) -> str:
    head = [
        "| stream | strategy | accuracy - replay's | median batch, CPU s | replay's |",
        "|---|---|---|---:|---:|",
    ]
    rows = []
    for stream in streams:
        replay = strategy_runs(runs, "replay", stream)
        for row in AGAINST_REPLAY:
            own, other = _alike(strategy_runs(runs, row, stream), replay)
            if own:
                found = difference(own, other)["final"]
                seconds = " | ".join(_median(side) for side in _on_one_processor(own, other))
                rows.append(f"| {stream} | {labelled(row, own)} | {_interval(found)} | {seconds} |")
    return _table(head, rows)


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['points']:+.1f} ({found['low']:+.1f} to {found['high']:+.1f})"


def _share(own: Sequence[Kept], joint: Sequence[Kept]) -> str:
    one, other = _on_one_processor(own, joint)
    return f"{_seconds(one) / _seconds(other):.2f}" if one else "-"


def _seconds(runs: Sequence[Kept]) -> float:
    return mean(float(sum(step["seconds"] for step in run["steps"])) for run in runs)


def _median(runs: Sequence[Kept]) -> str:
    found = [float(step["seconds"]) for run in runs for step in run["steps"]]
    return f"{median(found):.1f}" if found else "-"
