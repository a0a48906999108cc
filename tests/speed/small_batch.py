"""A batch of 200 rows under `hybrid`, beside `replay` with LoRA, and beside Trainer and peft.

The streams of the bench (components/bench), 200 rows a task, three seeds, one thread; learning is
timed alone, in CPU seconds, from the batch's rows to its bundle. The first batch of a stream is
learned as the others are; features of earlier rows are kept, those of new ones are not. *plain* is
Trainer and peft as in part 1, on one task's 200 rows, its training alone.

    make bench-speed ARGS=small_batch
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from components.bench.bench import kept, make
from components.bench.plan import STRATEGY_ROWS, Cell
from components.bench.run import Bench
from components.bench.streams import Budget
from components.bench.table import difference
from tests.gatebench.dealt import CLINC
from tests.page import Check, Section, opening
from tests.speed.corpora import CACHE, CORPORA, base_folder, problem
from tests.speed.update import run_side

SEEDS, ROWS, ITEMS = (0, 1, 2), 200, 400
WANTED_SECONDS, WANTED_POINTS = 2.0, -0.5
SIDES = ("hybrid", "analytic", "replay")
KEPT = CACHE / "small-batch"
"""Where the runs are kept, so that the measurement goes on where it stopped."""


def measure(folder: Path, plots: Path) -> Section:
    """Learn every stream with every side and seed, then the plain script's update."""
    streams = ["sentiment", "newsgroups", *(["clinc150"] if CLINC.exists() else [])]
    budgets = dict.fromkeys(streams, Budget(ROWS, ITEMS))
    training = {"threads": 1, "precision": "float32"}
    bench = Bench(base_folder(), CACHE, CLINC if CLINC.exists() else None, budgets, training, 64)
    rows = {row.name: row for row in STRATEGY_ROWS}
    cells = {
        (stream, side): [Cell("strategies", rows[side], stream, seed) for seed in SEEDS]
        for stream in streams
        for side in SIDES
    }
    every = [cell for own in cells.values() for cell in own]
    make(bench, every, KEPT, 1, lambda done, of: print(f"{done} of {of} runs", flush=True))
    found = {side: [kept(KEPT, bench, cell) for cell in own] for side, own in cells.items()}
    checks, table = (
        [],
        [
            "| stream | side | CPU s a batch, median | largest | final accuracy | minus replay's |",
            "|---|---|---:|---:|---:|---|",
        ],
    )
    for stream in streams:
        for side in SIDES:
            runs = found[stream, side]
            seconds = [step["seconds"] for each in runs for step in each["steps"]]
            apart = difference(runs, found[stream, "replay"])["final"]
            said = f"{apart['points']:+.1f} ({apart['low']:+.1f} to {apart['high']:+.1f})"
            table.append(
                f"| {stream} | {side} | {median(seconds):.1f} | {max(seconds):.1f} |"
                f" {_final(runs):.1f} | {said} |"
            )
            if side == "hybrid":
                what = f"{stream}: CPU seconds of learning, median batch under hybrid"
                checks.append(Check(what, median(seconds), "at most", WANTED_SECONDS, " s"))
                what = f"{stream}: final accuracy, hybrid minus replay"
                checks.append(Check(what, apart["points"], "at least", WANTED_POINTS, " points"))
    plain = {corpus: _plain(folder, corpus) for corpus in CORPORA}
    for corpus, seconds_ in plain.items():
        table.append(f"| {corpus} | plain | {seconds_:.1f} | | | |")
    return Section("A small batch", checks, f"{opening(__doc__)}\n\n" + "\n".join(table))


def _final(runs: list[Any]) -> float:
    return 100 * mean(
        mean(bits.count("1") / len(bits) for bits in each["steps"][-1]["right"]) for each in runs
    )


def _plain(folder: Path, corpus: str) -> float:
    """Return the plain script's CPU seconds of training on 200 rows, every label among them."""
    given = problem(corpus, 0)
    first = {row[1]: row for row in reversed(given.train)}
    others = [row for row in given.train if row != first[row[1]]]
    small = replace(given, train=[*first.values(), *others][:ROWS])
    path = folder / f"{corpus}-0.json"
    path.write_text(json.dumps(small.to_json()), encoding="utf-8")
    return float(run_side(folder, "plain", corpus, 0, 6)["phases"]["train"])
