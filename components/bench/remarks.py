"""Sentences computed from the kept runs: rows that answer alike, adapters that never learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.bench.run import Kept
from components.bench.table import strategy_runs

Answers = dict[int, list[list[str]]]
"""Seed -> for each step which items were right, one bit each."""


def same_answers(runs: Sequence[Kept], table: str, streams: Sequence[str]) -> Iterator[str]:
    """Say which rows of a table answer every item as another row does, on which streams."""
    found: dict[tuple[str, ...], list[str]] = {}
    for stream in streams:
        for group in _groups(_answers(runs, table, stream)):
            if len(group) > 1:
                found.setdefault(tuple(group), []).append(stream)
    if found:
        told = "; ".join(
            f"{' = '.join(f'`{row}`' for row in group)} ({', '.join(where)})"
            for group, where in found.items()
        )
        yield (
            "**Same answers as another row**, item by item after every step, on all seeds that both"
            f" have: {told}."
        )


def how_often_learned(runs: Sequence[Kept], row: str, streams: Sequence[str]) -> Iterator[str]:
    """Say in how many batches a strategy's adapter took optimiser steps."""
    told = []
    for stream in streams:
        steps = [
            step["steps"]
            for run in strategy_runs(runs, row, stream)
            for step in run["steps"]
            if "steps" in step
        ]
        if steps:
            often = sum(count > 0 for count in steps)
            told.append(f"{often or 'none'} of {len(steps)} on {stream}")
    if told:
        yield f"Batches in which the adapter of `{row}` learned, all seeds: {', '.join(told)}."


def _answers(runs: Sequence[Kept], table: str, stream: str) -> dict[str, Answers]:
    found: dict[str, Answers] = {}
    for run in runs:
        if (run["table"], run["stream"]) == (table, stream) and "steps" in run:
            own = found.setdefault(run["row"], {})
            own[run["seed"]] = [step["right"] for step in run["steps"]]
    return found


def _groups(answers: dict[str, Answers]) -> list[list[str]]:
    """Return the rows in groups; all rows of a group are the same."""
    groups: list[list[str]] = []
    for row, own in answers.items():
        for group in groups:
            if all(_same(own, answers[other]) for other in group):
                group.append(row)
                break
        else:
            groups.append([row])
    return groups


def _same(one: Answers, other: Answers) -> bool:
    shared = one.keys() & other.keys()
    return bool(shared) and all(one[seed] == other[seed] for seed in shared)
