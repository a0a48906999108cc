"""`kill -9` before and after everything that changes the outside world, then the same again.

One warmed process forks a child a case: no server, a tiny base. The child is killed at one
point of one scenario; a second child reconciles, runs the same command again and says what
it finds. Two lines of children run side by side, each on a root of its own. Every ninth call is
tried, or each one where slow tests are asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from components.ledger import views
from components.ledger.ledger import Ledger
from components.ledger.verify import verify
from components.operations import (
    holdouts,
    pool_removal,
    probation,
    reconciliation,
    relabelling,
    rollback,
    rollback_undo,
)
from components.pipeline import arrival
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.stream import PARAMS, batch, make_root

pytestmark = pytest.mark.crash

LINES = 2
T = TypeVar("T")


def run_second(ws: Workspace) -> None:
    """Train and promote a second batch, some rows of it broken."""
    arrived = arrival.arrive(ws, ws.root / "second.jsonl", "mood")
    run_batch(ws, arrived.batch)


def refuse_batch(ws: Workspace) -> None:
    """Refuse a batch of one class only."""
    arrived = arrival.arrive(ws, ws.root / "oneclass.jsonl", "mood")
    run_batch(ws, arrived.batch)


def go_back(ws: Workspace) -> None:
    """Go back from version 2 to version 1 by hand."""
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        reconciliation.reconcile(ws, lease)
        champion = views.champion(ws.ledger)
        if champion is not None and champion.version != 1:
            rollback.roll_back(ws, lease, 1, "by hand")


def undo_going_back(ws: Workspace) -> None:
    """Undo the rollback from version 2 to version 1."""
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        reconciliation.reconcile(ws, lease)
        champion = views.champion(ws.ledger)
        if champion is not None and champion.version == 1:
            rollback_undo.undo(ws, lease, "a slip")


def add_holdout(ws: Workspace) -> None:
    """Bring a second generation of an exam."""
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        reconciliation.reconcile(ws, lease)
        try:
            holdouts.add(ws, lease, ws.root / "fresh.jsonl", "mood")
        except Exception as error:
            if "is new" not in str(error):  # the killed command had finished the work
                raise


def remove_pool(ws: Workspace) -> None:
    """Delete the texts of a pool."""
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        reconciliation.reconcile(ws, lease)
        if views.pool_sizes(ws.ledger):  # else the killed command, or reconcile, did it
            pool_removal.remove(ws, lease, "mood", "retention")


class Stopped(BaseException):
    """The part of the way that is killed is over."""


def pool_second(ws: Workspace) -> None:
    """Queue a second batch together with one that is held; what follows is as in `run`."""

    def step(name: str, work: Callable[[], T]) -> T:
        if name == "train":
            raise Stopped
        return work()

    arrived = arrival.arrive(ws, ws.root / "second.jsonl", "mood")
    with suppress(Stopped):
        run_batch(ws, arrived.batch, step)


def relabel_exam(ws: Workspace) -> None:
    """Give items of the exam their other label."""
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        reconciliation.reconcile(ws, lease)
        try:
            relabelling.relabel(ws, lease, "mood", ws.root / "right.jsonl", "wrong labels")
        except Exception as error:
            if "has another label" not in str(error):  # the killed command had finished the work
                raise


def end_probation(ws: Workspace) -> None:
    """Look at a version on probation, and take it back: its labels have come and show nothing."""
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        reconciliation.reconcile(ws, lease)
        probation.check(ws, lease)


SCENARIOS: dict[str, Callable[[Workspace], None]] = {
    "run": run_second,
    "refuse": refuse_batch,
    "rollback": go_back,
    "undo": undo_going_back,
    "holdout": add_holdout,
    "pool": pool_second,
    "removal": remove_pool,
    "relabel": relabel_exam,
    "probation": end_probation,
}
CHAMPIONS = {
    "run": {1, 2},
    "refuse": {1},
    "rollback": {1, 2},
    "undo": {1, 2},
    "holdout": {1},
    "pool": {1},
    "removal": {1},
    "relabel": {1},
    "probation": {1, 2},
}
FINAL = {name: 2 if name in ("run", "undo") else 1 for name in CHAMPIONS}


def mutating() -> list[tuple[Any, str]]:
    """Return every function through which Ratchet changes ledger, files, MLflow and DVC."""
    from mlflow import MlflowClient

    from components.data import versioning
    from components.data.versioning import DataStore

    writes = [
        "create_run", "log_batch", "log_inputs", "log_artifacts", "set_terminated", "set_tag",
        "create_model_version", "set_registered_model_alias", "delete_registered_model_alias",
        "set_model_version_tag", "update_model_version",
    ]  # fmt: skip
    return [
        (Ledger, "append_all"),
        (os, "replace"),
        (DataStore, "keep"),
        (DataStore, "erase"),
        (versioning, "put"),
        (versioning, "track"),
        (versioning, "untrack"),
        *((MlflowClient, name) for name in writes),
    ]


def arm(at: int | None, log: Path | None = None) -> None:
    """Die at point `at` (an even number: before call at / 2, an odd one: right after it)."""
    count = 0

    def wrapped(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if name == "replace" and not _called_by_us():
                return work(*args, **kwargs)
            mine, count = count, count + 2
            if log is not None:
                event = args[1][0].about.name if name == "append_all" else ""
                with log.open("a") as file:
                    file.write(f"{name} {event}\n")
            if mine == at:
                os.kill(os.getpid(), signal.SIGKILL)
            result = work(*args, **kwargs)
            if mine + 1 == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for owner, name in mutating():
        setattr(owner, name, wrapped(name, getattr(owner, name)))


def _called_by_us() -> bool:
    """Tell our own renames from those inside a DVC or MLflow call, which is a point itself."""
    return str(sys._getframe(2).f_globals["__name__"]).startswith("components.")


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def prepare(root: Path, promoted: int) -> None:
    """Make a root with an exam and `promoted` promoted batches."""
    make_root(root)
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 1) as lease:
        holdouts.add(ws, lease, batch(root / "exam.jsonl", 900, 200), "mood")
    for seed in range(1, promoted + 1):
        arrived = arrival.arrive(ws, batch(root / f"b{seed}.jsonl", seed), "mood")
        run_batch(ws, arrived.batch)
    broken = [{"text": None, "label": "pos"}, {"text": "fine", "label": "\0"}]
    second = batch(root / "second.jsonl", 2)
    second.write_text(second.read_text() + "".join(json.dumps(row) + "\n" for row in broken))
    lines = [line for line in (root / "b1.jsonl").read_text().splitlines() if '"pos"' in line]
    (root / "oneclass.jsonl").write_text("\n".join(lines).replace("table", "chair") + "\n")
    batch(root / "fresh.jsonl", 901, 60)
    batch(root / "right.jsonl", 900, 20, flip=True)  # texts of the exam


def prepare_undo(root: Path, promoted: int) -> None:
    """Make a root that went back from version 2 to version 1; its batch is in quarantine."""
    prepare(root, 2)
    go_back(open_workspace(root))


def prepare_pool(root: Path, promoted: int) -> None:
    """Make a root where a small batch is held: its exam is too small to let any pass."""
    params = PARAMS.replace("pool_below: 0", "pool_below: 200")
    make_root(root, f"{params}gate: {{margin_points: 0.1}}\n")
    ws = open_workspace(root)
    for seed, rows in ((1, 300), (50, 60)):
        file = batch(root / f"b{seed}.jsonl", seed, rows)
        run_batch(ws, arrival.arrive(ws, file, "mood").batch)
    assert [each.source for each in views.held_batches(ws.ledger)] == ["b50.jsonl"]
    batch(root / "second.jsonl", 51, 60)


def prepare_removal(root: Path, promoted: int) -> None:
    """Make the same root, with a pool of unlabelled inputs."""
    prepare(root, promoted)
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 1) as lease:
        holdouts.add_pool(ws, lease, batch(root / "pool.jsonl", 902, 30), "mood")


def prepare_probation(root: Path, promoted: int) -> None:
    """Make a root whose second version is on probation, and bring more labels than end it."""
    make_root(root, PARAMS + "gate: {undecided: probation, probation_labels: 5}\n")
    ws = open_workspace(root)
    for seed, n in ((1, 200), (2, 60)):
        arrived = arrival.arrive(ws, batch(root / f"b{seed}.jsonl", seed, n), "mood")
        run_batch(ws, arrived.batch)
    with ws.ledger.lease("tiny", 1) as lease:
        holdouts.add(ws, lease, batch(root / "later.jsonl", 903, 20), "mood")


def findings(root: Path, scenario: str) -> dict[str, Any]:
    """Reconcile, run the scenario again, and return what a person would look at."""
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 60) as lease:
        reconciliation.reconcile(ws, lease)
    between = _champions(ws)
    SCENARIOS[scenario](ws)
    verify(ws.ledger)
    return {
        "between": between,
        "final": _champions(ws),
        "versions": [
            [v.version, v.batch, v.bundle, v.status, v.evidence] for v in views.versions(ws.ledger)
        ],
        "in_mlflow": sorted(version.version for version in ws.registry.versions()),
        "inbox": [[a.batch, a.status, a.version] for a in views.arrivals(ws.ledger)],
        "held": [asdict(item) for item in views.held_items(ws.ledger)],
        "open": sorted(views.open_keys(ws.ledger)),
        "quarantine": [list(row) for row in views.quarantined(ws.ledger)],
        "holdouts": sorted(path.name for path in ws.holdouts.glob("*")),
        "parts": [str(path) for path in root.rglob("*.part")],
    }


def _champions(ws: Workspace) -> list[int | None]:
    champion = views.champion(ws.ledger)
    return [champion.version if champion else None, ws.registry.alias("champion")]


def one_line(folder: Path, scenario: str, line: int, promoted: int, every: int) -> None:
    """Kill at every point of this line's share; write what was found wrong."""
    root, template = folder / f"root{line}", folder / f"template{line}"
    own = {
        "pool": prepare_pool,
        "removal": prepare_removal,
        "probation": prepare_probation,
        "undo": prepare_undo,
    }
    made = own.get(scenario, prepare)
    assert in_child(lambda: made(root, promoted)) == 0
    shutil.copytree(root, template)

    def fresh() -> None:
        shutil.rmtree(root)
        shutil.copytree(template, root)

    def perform(at: int | None, log: Path | None) -> None:
        arm(at, log)
        SCENARIOS[scenario](open_workspace(root))

    def look(path: Path) -> None:
        path.write_text(json.dumps(findings(root, scenario)))

    calls = folder / f"calls{line}"
    want = folder / f"want{line}"
    in_child(partial(perform, None, calls))
    in_child(partial(look, want))
    expected = json.loads(want.read_text())
    names = calls.read_text().splitlines()
    # before its split, a pooled batch is as in `run`
    begun = names.index("append_all split.made") if scenario == "pool" else 0
    points = range(2 * begun, 2 * len(names))
    wrong = []
    for point in points[line :: LINES * every]:
        fresh()
        killed = in_child(partial(perform, point, None))
        got = folder / f"got{line}"
        got.unlink(missing_ok=True)
        in_child(partial(look, got))
        name = names[point // 2]
        where = f"{scenario}, point {point} ({'after' if point % 2 else 'before'} {name})"
        if not os.WIFSIGNALED(killed) or os.WTERMSIG(killed) != signal.SIGKILL:
            wrong.append(f"{where}: was not killed there")
        elif not got.exists():
            wrong.append(f"{where}: reconcile or the same command failed")
        else:
            wrong += differences(where, json.loads(got.read_text()), expected, scenario)
    (folder / f"wrong{line}").write_text(json.dumps({"points": len(points), "wrong": wrong}))


def differences(
    where: str, got: dict[str, Any], expected: dict[str, Any], scenario: str
) -> list[str]:
    """Return what is not as it must be: one version a batch, nothing lost, both agree."""
    wrong = []
    ledger, mlflow = got["between"]
    if ledger != mlflow or ledger not in CHAMPIONS[scenario]:
        wrong.append(f"{where}: after reconcile the champion is {ledger}, MLflow says {mlflow}")
    if got["final"] != [FINAL[scenario]] * 2:
        wrong.append(f"{where}: in the end the champion is {got['final']}")
    for name in expected.keys() - {"between", "final"}:
        if got[name] != expected[name]:
            wrong.append(f"{where}: {name} is {got[name]!r}, not {expected[name]!r}"[:600])
    return wrong


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import here what every child would import, by running a batch: on one thread, so that
    no thread pool is there when the children are forked.
    """
    root = tmp_path_factory.mktemp("warm")
    prepare(root, 1)
    run_second(open_workspace(root))


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_any_point_the_same_command_ends_as_if_nothing_had_happened(
    scenario: str, every: int, tmp_path: Path
) -> None:
    promoted = 2 if scenario == "rollback" else 1
    pids = []
    for line in range(LINES):
        pid = os.fork()
        if pid == 0:
            try:
                one_line(tmp_path, scenario, line, promoted, every)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * LINES
    results = [json.loads((tmp_path / f"wrong{line}").read_text()) for line in range(LINES)]
    assert results[0]["points"] == results[1]["points"] >= 8
    assert [wrong for result in results for wrong in result["wrong"]] == []
