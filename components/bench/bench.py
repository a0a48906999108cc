"""The bench as a whole: which runs are missing, make them side by side, write the page.

Promise: a run that is kept is not made again; one that was cut short leaves nothing; the page is
written at the end, also of a bench that failed, from all that is kept.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from components.bench.page import Beside, read_runs, write_page
from components.bench.plan import METHOD_ROWS, STRATEGY_ROWS, Cell, cells
from components.bench.refusals import refusals
from components.bench.run import Bench, Kept, base_of, run
from components.bench.small_base import LAYERS, small_base
from components.bench.streams import NAMES, Budget
from components.demo import fetch
from components.errors import ConfigError, Retryable
from components.files import write_bytes
from components.settings.adapter import LoraSettings

Told = Callable[[str], None]

FULL = {
    "sentiment": Budget(800, 800),
    "newsgroups": Budget(800, 400),
    "reuters": Budget(1000, 600),
    "clinc150": Budget(1000, 300),
}
QUICK = {name: Budget(200, 120) for name in NAMES}
FULL_TRAINING: dict[str, Any] = {"threads": 1, "device": "auto", "precision": "float32"}
"""One number format everywhere: accuracies should not depend on what a machine is faster in."""
QUICK_TRAINING: dict[str, Any] = {
    **FULL_TRAINING,
    "epochs": 2,
    "min_steps": 24,
    "warmup_steps": 12,
}
FULL_TOKENS, QUICK_TOKENS = 64, 32


def bench_of(cache: Path, quick: bool, clinc: Path | None, told: Told) -> Bench:
    """Return what all runs share; fetches the base where it is missing."""
    base = fetch.fetch(cache / "demo", told).base
    if quick:
        small = small_base(base, cache)
        return Bench(small, cache, clinc, QUICK, QUICK_TRAINING, QUICK_TOKENS)
    return Bench(base, cache, clinc, FULL, FULL_TRAINING, FULL_TOKENS)


def whole(quick: bool, seeds: int | None) -> list[Cell]:
    """Return all runs of the table, CLINC150's too unless it is the quick one."""
    streams = tuple(name for name in NAMES if name != "clinc150" or not quick)
    return list(cells(streams, tuple(range(seeds or (1 if quick else 3)))))


def wanted(quick: bool, clinc: Path | None, only: Sequence[str], seeds: int | None) -> list[Cell]:
    """Return the runs that were asked for.

    Args:
        quick: one seed, and CLINC150 left out.
        clinc: its file; without one the stream is left out.
        only: streams, or parts of rows' names; empty for all.
        seeds: how many; None for one if quick, else three.
    """
    there = [cell for cell in whole(quick, seeds) if cell.stream != "clinc150" or clinc]
    chosen = {cell.stream for cell in there}
    chosen = chosen.intersection(only) or chosen
    parts = [each for each in only if each not in NAMES]
    return [
        cell
        for cell in there
        if cell.stream in chosen and (not parts or any(part in cell.row.name for part in parts))
    ]


def listed() -> str:
    """Return the names of all streams and rows, as `only` takes them."""
    named: dict[str, tuple[str, ...]] = {"Streams": NAMES}
    named |= {
        f"Rows of the table of {table}": tuple(row.name for row in rows)
        for table, rows in (("strategies", STRATEGY_ROWS), ("adapter methods", METHOD_ROWS))
    }
    return "\n\n".join("\n  ".join([f"{title}:", *names]) for title, names in named.items())


def place(folder: Path, cell: Cell) -> Path:
    """Return where a run is kept."""
    name = "".join(c if c.isalnum() else "-" for c in cell.row.name).replace("--", "-")
    return folder / f"{cell.table}-{cell.stream}-{name}-{cell.seed}.json"


def kept(folder: Path, bench: Bench, cell: Cell) -> Kept | None:
    """Return what is kept of a run on the present settings; None where it must be made."""
    path = place(folder, cell)
    if not path.exists():
        return None
    found: Kept = json.loads(path.read_text(encoding="utf-8"))
    return found if found["key"] == bench.key(cell) else None


def make(
    bench: Bench, wished: Sequence[Cell], folder: Path, jobs: int, done: Callable[[int, int], None]
) -> None:
    """Make the runs that are missing, `jobs` at once, each kept as soon as it is there.

    Raises:
        Retryable: a run failed; what is kept by then stays.
    """
    missing = [cell for cell in wished if kept(folder, bench, cell) is None]
    finished = len(wished) - len(missing)
    done(finished, len(wished))
    folder.mkdir(parents=True, exist_ok=True)
    for cell, found in _run_all(bench, missing, jobs):
        text = json.dumps(found, sort_keys=True) + "\n"
        write_bytes(place(folder, cell), text.encode())
        finished += 1
        done(finished, len(wished))


def make_page(
    folder: Path,
    cache: Path,
    quick: bool,
    clinc: Path | None,
    only: Sequence[str],
    seeds: int | None,
    jobs: int,
    told: Told,
    done: Callable[[int, int], None],
) -> Path:
    """Make what is missing and write the page; return where it lies.

    Args:
        folder: of the runs; a quick bench has a folder of its own in there.
        cache: for downloads.
        quick: as of `wanted`, as are `clinc`, `only` and `seeds`.
        clinc: CLINC150's file.
        only: what to measure.
        seeds: how many.
        jobs: runs at once, each on one thread.
        told: told one sentence before long steps.
        done: told (runs there, runs wanted).

    Raises:
        Retryable: a download failed, or a process ended.
        ConfigError: `only` names nothing.
    """
    runs = folder / "quick" if quick else folder
    page = folder.with_name(f"{folder.name}-quick.md" if quick else f"{folder.name}.md")
    wished = wanted(quick, clinc, only, seeds)
    if not wished:
        raise ConfigError(
            f"No stream, and no row's name, contains {' or '.join(only)}.",
            "`ratchet bench --list` names all streams and rows.",
        )
    bench = bench_of(cache, quick, clinc, told)
    try:
        make(bench, wished, runs, jobs, done)
        asked = {cell.row.name for cell in wished if cell.table == "methods"}
        _measure_latencies(bench, runs, asked, told)
    finally:
        write_kept(bench, quick, seeds, runs, page)
    return page


def write_kept(bench: Bench, quick: bool, seeds: int | None, runs: Path, page: Path) -> None:
    """Write the page from what is kept in `runs`; measures nothing."""
    found = read_runs(runs, bench)
    beside = Beside(
        counted(whole(quick, seeds), found),
        about(bench, quick, found),
        _latencies(runs),
        refusals(base_of(bench.base)),
    )
    write_page(found, beside, page, runs)


def counted(wished: Sequence[Cell], runs: Sequence[Kept]) -> str:
    """Say how many of the wanted runs are there, on each stream, and how many are outdated."""
    now = {_name(run) for run in runs if not run.get("earlier")}
    there = [cell for cell in wished if (cell.table, cell.row.name, cell.stream, cell.seed) in now]
    own, all_of = (Counter(cell.stream for cell in each) for each in (there, wished))
    streams = ", ".join(f"{name} {own[name]} of {count}" for name, count in all_of.items())
    earlier = sum(bool(run.get("earlier")) for run in runs)
    outdated = (
        f" {earlier} more were measured with earlier settings; their rows say so."
        if earlier
        else ""
    )
    return f"**{len(there)} of {len(wished)} runs are there**: {streams}.{outdated}"


def _name(run: Kept) -> tuple[str, str, str, int]:
    return run["table"], run["row"], run["stream"], run["seed"]


def about(bench: Bench, quick: bool, runs: Sequence[Kept]) -> str:
    """Say what the figures were measured on, and whether their seconds can be compared."""
    import torch

    processors = Counter(run.get("processor", "one that was not noted") for run in runs)
    told = ", ".join(f"{name} ({count} runs)" for name, count in processors.most_common())
    apart = " CPU seconds compare within one of these alone." if len(processors) > 1 else ""
    budgets = ", ".join(
        f"{name} {budget.rows} rows and {budget.items} items"
        for name, budget in bench.budgets.items()
        if not quick or name != "clinc150"
    )
    kind = (
        f"The quick table: the demo's base cut to its lowest {LAYERS} layers, little data."
        f" Adapters take the top {LoraSettings.default_of('layers')} layers by default. "
        if quick
        else ""
    )
    return (
        f"{kind}At most so much a task: {budgets}. Texts are cut at {bench.max_tokens} tokens. Base"
        f" {bench.base.name}; {bench.training['precision']} on one thread, PyTorch"
        f" {torch.__version__.partition('+')[0]}. Processors: {told}.{apart}"
    )


def _latencies(runs: Path) -> dict[str, Any]:
    path = runs / "latency.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {row.name: found[row.name] for row in METHOD_ROWS if row.name in found}


def _measure_latencies(bench: Bench, runs: Path, asked: Container[str], told: Told) -> None:
    """Measure what answering costs, for every method that was asked for and is not there yet."""
    from components.bench.latency import latency

    found = _latencies(runs)
    missing = [row for row in METHOD_ROWS if row.name in asked and row.name not in found]
    if not missing:
        return
    told("Measuring what answering costs ...")
    base = base_of(bench.base)
    for row in missing:
        found[row.name] = latency(base, row)
        write_bytes(runs / "latency.json", json.dumps(found, sort_keys=True, indent=1).encode())


def _run_all(bench: Bench, missing: Sequence[Cell], jobs: int) -> Iterator[tuple[Cell, Kept]]:
    if jobs == 1 or len(missing) <= 1:
        for cell in missing:
            yield cell, run(bench, cell)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_quiet) as pool:
        waiting = {pool.submit(run, bench, cell): cell for cell in missing}
        try:
            for future in as_completed(waiting):
                cell = waiting[future]
                try:
                    yield cell, future.result()
                except BrokenProcessPool as error:
                    raise Retryable(
                        f"A process of the bench ended while it made {cell.row.name} on"
                        f" {cell.stream}.",
                        "Was it out of memory? Run it again, with fewer --jobs.",
                    ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _quiet() -> None:
    import warnings

    warnings.simplefilter("ignore")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
