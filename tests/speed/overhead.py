"""What a batch costs beside the model's own work: CPU and wall time by step, Prefect's server too.

A resident worker (`flows.worker`) with Prefect's temporary server settles batches of 200 rows, in
a process of its own. Each is dropped into data/incoming; its wall time ends when it is settled,
its CPU time a second later, so that what the server does afterwards counts as well. Training,
scoring and embedding are timed where they are called and taken off their step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any
from unittest import mock

from tests.page import Check, Section

BATCHES = 13
WARM_UP = 1
ROWS = 200
REPOSITORY = Path(__file__).parents[2]
PARAMS = """
model: {name: tiny, base: base, max_tokens: 16}
training:
  {epochs: 1, min_steps: 0, threads: 1, learning_rate: 0.003, head_learning_rate: 0.03,
  warmup_steps: 2}
data: {min_rows: 10, settle_seconds: 0}
holdout: {max_items: 500}
"""
COMPUTE = {
    "training": ("components.training.candidate", "learn"),
    "scoring": ("components.evaluation.scoring", "score"),
    "embedding": ("components.model.frozen", "embed"),
}
STEPS = ("reconcile", "validate", "store", "split", "train", "examine", "register", "settle")

Cost = tuple[float, float]
"""Wall and CPU seconds."""


def measure(folder: Path, plots: Path) -> Section:
    """Run the worker in a process of its own and return the table of its costs."""
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-m", "tests.speed.overhead", str(folder / "root")]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.DEVNULL)
    return _section(json.loads((folder / "root" / "costs.json").read_text(encoding="utf-8")))


def _section(batches: list[dict[str, Any]]) -> Section:
    rows = {name: _median([batch["steps"][name] for batch in batches]) for name in STEPS}
    whole = _median([batch["worker"] for batch in batches])
    server = median(batch["server"] for batch in batches)
    around = _median([batch["around"] for batch in batches])
    compute = {name: _median([batch["compute"][name] for batch in batches]) for name in COMPUTE}
    cpu = median(
        batch["worker"][1] + batch["server"] - sum(c for _, c in batch["compute"].values())
        for batch in batches
    )
    wall = median(
        batch["worker"][0] - sum(w for w, _ in batch["compute"].values()) for batch in batches
    )
    table = ["| step | wall s | CPU s |", "|---|---|---|"]
    table += [f"| {name} | {w:.3f} | {c:.3f} |" for name, (w, c) in rows.items()]
    table += [
        f"| arrival, queue, lease, Prefect's client | {around[0]:.3f} | {around[1]:.3f} |",
        f"| Prefect's temporary server | | {server:.3f} |",
        *(f"| *taken off:* {name} | {w:.3f} | {c:.3f} |" for name, (w, c) in compute.items()),
        f"| whole batch | {whole[0]:.3f} | {whole[1] + server:.3f} |",
    ]
    text = (
        f"Medians over {len(batches)} batches of {ROWS} rows after the first, on a tiny base. "
        "Training, scoring and embedding are timed where they are called and taken off the "
        "steps `train` and `examine`; all else in them (ledger, evidence, statistics) stays."
    )
    return Section(
        "What a batch costs apart from the model's work",
        [
            Check("CPU a batch, worker and Prefect's server", cpu, "at most", 2.0, " s"),
            Check("wall time a batch", wall, "at most", 4.0, " s"),
        ],
        "\n".join([text, "", *table]),
        raw={"batches": batches},
    )


def _median(costs: list[Cost]) -> Cost:
    return median(wall for wall, _ in costs), median(cpu for _, cpu in costs)


class Stopwatch:
    """Adds up wall and CPU time by name; what is timed inside something else is taken off it."""

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = {}
        self._inner: list[Cost] = []

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        began = time.perf_counter(), time.process_time()
        self._inner.append((0.0, 0.0))
        try:
            yield
        finally:
            spent = time.perf_counter() - began[0], time.process_time() - began[1]
            inner = self._inner.pop()
            if self._inner:
                self._inner[-1] = _sum(self._inner[-1], spent)
            own = spent[0] - inner[0], spent[1] - inner[1]
            self.costs[name] = _sum(self.costs.get(name, (0.0, 0.0)), own)

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.timing(name):
                return work(*args, **kwargs)

        return call


def _sum(one: Cost, other: Cost) -> Cost:
    return one[0] + other[0], one[1] + other[1]


def run_worker(root: Path) -> list[dict[str, Any]]:
    """Settle the batches one after the other and return what each one cost."""
    import psutil

    from components.workspace.root import no_progress
    from flows import retrain, session
    from flows.server_process import server
    from tests.stream import batch

    watch, stop, costs = Stopwatch(), Event(), list[dict[str, Any]]()
    as_task = retrain.as_task

    def timed_task(name: str, work: Callable[[], Any]) -> Any:
        return as_task(name, watch.timed(name, work))

    def drop(number: int) -> None:
        watch.costs.clear()
        path = batch(root / f"b{number}.jsonl", number, ROWS)
        began.update(wall=time.perf_counter(), cpu=time.process_time(), server=server_cpu())
        incoming = root / "data" / "incoming" / "mood"
        incoming.mkdir(parents=True, exist_ok=True)
        path.rename(incoming / path.name)

    def server_cpu() -> float:
        assert server.pid is not None
        return sum(psutil.Process(server.pid).cpu_times()[:2])

    def tell(kind: str, value: dict[str, Any]) -> None:
        if kind in ("arrived", "started"):
            return
        assert kind == "settled", value
        wall = time.perf_counter() - began["wall"]
        time.sleep(1.0)  # the server goes on for a moment
        worker = wall, time.process_time() - began["cpu"]
        compute = {name: watch.costs.get(name, (0.0, 0.0)) for name in COMPUTE}
        steps = {name: watch.costs.get(name, (0.0, 0.0)) for name in STEPS}
        inside = [*compute.values(), *steps.values()]
        around = worker[0] - sum(w for w, _ in inside), worker[1] - sum(c for _, c in inside)
        server = server_cpu() - began["server"]
        costs.append(
            {"action": value["action"], "worker": worker, "server": server, "around": around,
             "compute": compute, "steps": steps}
        )  # fmt: skip
        if len(costs) == BATCHES:
            stop.set()
        else:
            drop(len(costs) + 1)

    began: dict[str, float] = {}
    patches = [mock.patch.object(retrain, "as_task", timed_task)]
    for name, (module, function) in COMPUTE.items():
        work = getattr(import_module(module), function)
        patches.append(mock.patch(f"{module}.{function}", watch.timed(name, work)))
    with session.showing(no_progress):
        for patch in patches:
            patch.start()
        drop(1)
        session.serve(root, session.Pace(every=0.1), stop, tell)
    return costs[WARM_UP:]


def main(root: Path) -> None:
    from tests.stream import add_exam, batch, make_root

    make_root(root, PARAMS)
    add_exam(root, batch(root / "exam.jsonl", 900, 500))
    costs = run_worker(root)
    (root / "costs.json").write_text(json.dumps(costs), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
