"""What the thousandth batch costs against the first hundred: time, memory, disk.

One process settles a thousand small batches on a tiny base, one after the other, through the
body of the flow and without Prefect. The bounds of the settings (items an exam, items to
replay) are low, so that they are reached within the first batches: what grows after that is
Ratchet's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.page import Check, Section

BATCHES = 1000
EARLY, LATE = slice(9, 110), slice(BATCHES - 101, BATCHES)
SIZES_EVERY = 50
ROWS = 40
TASKS = ("mood", "taste", "tone")
REPOSITORY = Path(__file__).parents[2]
PARAMS = """
model: {name: tiny, base: base, max_tokens: 16}
training:
  {epochs: 1, min_steps: 0, threads: 1, learning_rate: 0.003, head_learning_rate: 0.03,
  warmup_steps: 2}
data: {min_rows: 10}
holdout: {max_items: 200}
strategy: {method: replay, memory_items: 200}
drift: {permutations: 20}
"""
PLACES = {
    "ledger": "mlruns/ratchet.db",
    "MLflow's database": "mlruns/mlflow.db",
    "scores": "mlruns/scores.db",
    "activations": "mlruns/activations",
    "bundles": "mlruns/bundles",
    "MLflow's artifacts": "mlruns/artifacts",
    "documents": "mlruns/documents",
    "reports": "mlruns/reports",
    "batches": "data/batches",
    "quarantine": "data/quarantine",
    "DVC's cache": ".dvc/cache",
    "DVC's remote": "data/remote",
}


def measure(folder: Path, plots: Path) -> Section:
    """Run the thousand batches in a process of their own, then ask the command line."""
    root = folder / "root"
    environment = {
        **os.environ,
        "HOME": str(folder),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-m", "tests.speed.growth", str(root)]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.DEVNULL)
    found = json.loads((root / "growth.json").read_text(encoding="utf-8"))
    asked = {
        name: _seconds(["--root", str(root), name], environment) for name in ("status", "--help")
    }
    plots.mkdir(parents=True, exist_ok=True)
    _draw(found, plots / "growth.png")
    return _section(found, asked)


def _seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the median wall time of a command over five runs."""
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "components.cli.main", *arguments],
            cwd=REPOSITORY,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        spent.append(time.perf_counter() - began)
    return median(spent)


def _section(found: dict[str, Any], asked: dict[str, float]) -> Section:
    walls, cpu, memory = found["wall"], found["cpu"], found["rss_mb"]
    early, late = median(walls[EARLY]), median(walls[LATE])
    work = median(cpu[LATE]) / median(cpu[EARLY])
    table = ["| place | a batch, early | a batch, late | after all |", "|---|---|---|---|"]
    table += [
        f"| {name} | {_slope(sizes, early=True):.0f} kB | {_slope(sizes, early=False):.0f} kB "
        f"| {sizes[-1] / 1e6:.1f} MB |"
        for name, sizes in found["sizes"].items()
    ]
    text = (
        f"{BATCHES:,} batches of {ROWS} rows over {len(TASKS)} tasks, "
        f"{found['actions'].count('promoted')} of them promoted; a batch takes {early:.2f} s "
        f"(median of batches 10 to 110) and {late:.2f} s (900 to 1,000). Exams are bounded to "
        "200 items and the replay memory to 200 rows, so both are full early. Disk a batch, "
        f"between batches {SIZES_EVERY} and {3 * SIZES_EVERY} and over the last "
        f"{2 * SIZES_EVERY}:"
    )
    return Section(
        "A thousand batches",
        [
            Check("time of batches 900 to 1,000 to 10 to 110", late / early, "at most", 1.2),
            Check("CPU time of them", work, "at most", 1.2),
            Check("memory of them", max(memory[LATE]) / max(memory[EARLY]), "at most", 1.1),
            Check("`ratchet status` afterwards", asked["status"], "at most", 1.5, " s"),
            Check("`ratchet --help`", asked["--help"], "at most", 0.5, " s"),
        ],
        "\n".join([text, "", *table]),
        plots=["growth.png"],
        raw={**found, "asked": asked},
    )


def _slope(sizes: list[int], early: bool) -> float:
    """Return kB a batch over two spans, after the first one or at the end."""
    first, last = (0, 2) if early else (-3, -1)
    return (sizes[last] - sizes[first]) / (2 * SIZES_EVERY) / 1e3


def _draw(found: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 9.0), layout="constrained")
    wall, rss, disk = figure.subplots(3, 1, sharex=True)
    numbers = range(1, len(found["wall"]) + 1)
    wall.plot(numbers, found["wall"], ".", ms=2, alpha=0.4, color="#5a6675")
    running = [median(found["wall"][max(0, n - 25) : n]) for n in numbers]
    wall.plot(numbers, running, color="#2563aa", label="median of 25")
    wall.set_ylim(0, 3 * median(found["wall"]))
    wall.set_ylabel("seconds a batch")
    wall.legend(frameon=False)
    rss.plot(numbers, found["rss_mb"], color="#2563aa")
    rss.set_ylim(0)
    rss.set_ylabel("memory, MB")
    for name, sizes in sorted(found["sizes"].items(), key=lambda pair: -pair[1][-1]):
        places = [SIZES_EVERY * n for n in range(1, len(sizes) + 1)]
        style = "-" if len(disk.lines) < 10 else "--"  # there are ten colours
        disk.plot(places, [size / 1e6 for size in sizes], style, label=name)
    disk.set_ylabel("disk, MB")
    disk.set_xlabel("batch")
    disk.legend(frameon=False, ncols=3, fontsize=8)
    for axes in (wall, rss, disk):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png", dpi=110)


def grow(root: Path, batches: int) -> dict[str, Any]:
    """Settle `batches` batches and return what each took."""
    import psutil

    from components.pipeline import arrival
    from components.workspace.root import open_workspace
    from flows.retrain import run_batch
    from tests.stream import add_exam, batch, make_root

    make_root(root, PARAMS)
    for number, task in enumerate(TASKS):
        add_exam(root, batch(root / f"exam{number}.jsonl", 90_000 + number, 200), task)
    ws = open_workspace(root)
    me = psutil.Process()
    found: dict[str, Any] = {"wall": [], "cpu": [], "rss_mb": [], "actions": []}
    sizes: dict[str, list[int]] = {name: [] for name in PLACES}
    for number in range(1, batches + 1):
        file = batch(root / "arriving.jsonl", number, ROWS)
        began, work = time.perf_counter(), time.process_time()
        arrived = arrival.arrive(ws, file, TASKS[number % len(TASKS)], f"b{number}.jsonl")
        settled = run_batch(ws, arrived.batch)
        found["wall"].append(round(time.perf_counter() - began, 4))
        found["cpu"].append(round(time.process_time() - work, 4))
        found["rss_mb"].append(round(me.memory_info().rss / 1e6, 1))
        found["actions"].append(settled.action)
        if number % SIZES_EVERY == 0:
            for name, place in PLACES.items():
                sizes[name].append(_bytes(root / place))
    return {**found, "sizes": sizes}


def _bytes(path: Path) -> int:
    """Return the size of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.stat().st_size for file in files)


def main(root: Path) -> None:
    found = grow(root, BATCHES)
    (root / "growth.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
