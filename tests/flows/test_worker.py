"""The resident worker: as the command, with its own server, and its loop by itself."""

from __future__ import annotations

import json
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.errors import Corrupted, Retryable
from components.ledger import views
from components.ledger.events import BatchRefused
from components.pipeline import arrival
from components.workspace.root import open_workspace
from flows import steps, worker
from flows.worker import Pace, serve
from tests.command import finish, start, wait_for_event
from tests.server import Server
from tests.stream import batch

IDLE = Pace(every=0.05, idle_exit=0.0)


class Told(list[tuple[str, dict[str, Any]]]):
    """What a worker told."""

    def __call__(self, kind: str, value: dict[str, Any]) -> None:
        self.append((kind, value))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self]


def drop(root: Path, seed: int, n: int = 120) -> None:
    """Let a batch of the task `mood` arrive as users do."""
    made = batch(root / f"b{seed}.jsonl", seed, n)
    folder = root / "data" / "incoming" / "mood"
    folder.mkdir(parents=True, exist_ok=True)
    made.rename(folder / made.name)


def test_it_takes_what_arrived_and_what_waited_and_ends_when_idle(
    grown: Path, prefect_here: Server
) -> None:
    arrival.arrive(open_workspace(grown), batch(grown / "b3.jsonl", 30), "mood")
    drop(grown, 40)
    told = Told()
    serve(grown, IDLE, threading.Event(), told)
    assert told.kinds() == ["arrived", "started", "settled", "started", "settled"]
    assert [value["action"] for kind, value in told if kind == "settled"] == ["promoted"] * 2
    assert [value["source"] for kind, value in told if kind == "started"] == [
        "b3.jsonl",
        "b40.jsonl",
    ]
    assert not list((grown / "data" / "incoming").rglob("*.jsonl"))
    assert [a.status for a in views.arrivals(open_workspace(grown).ledger)] == ["promoted"] * 4


def test_a_passing_fault_is_told_and_waited_out(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival.arrive(open_workspace(grown), batch(grown / "b3.jsonl", 3), "mood")
    faults: list[Exception] = [Retryable("Locked.", "Wait."), Retryable("Still.", "Wait.")]

    def retrain(root: str, batch: str) -> dict[str, Any]:
        if faults:
            raise faults.pop()
        refuse(Path(root), batch)
        return {"batch": batch, "action": "refused"}

    monkeypatch.setattr(worker, "retrain", retrain)
    told = Told()
    serve(grown, Pace(0.01, idle_exit=300.0), stopped_by(told, "settled"), told)
    assert told.kinds() == ["started", "fault", "started", "fault", "started", "settled"]
    assert told[1][1] == {"code": "retryable", "message": "Still.", "remedy": "Wait."}


def test_a_fault_that_stays_is_raised_when_there_is_no_time_left(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival.arrive(open_workspace(grown), batch(grown / "b3.jsonl", 3), "mood")

    def locked(root: str, batch: str) -> dict[str, Any]:
        raise Retryable("Locked.", "Wait.")

    def damaged(root: str, batch: str) -> dict[str, Any]:
        raise Corrupted("Damaged.", "Restore it.")

    for retrain, expected in ((locked, Retryable), (damaged, Corrupted)):
        monkeypatch.setattr(worker, "retrain", retrain)
        with pytest.raises(expected):
            serve(grown, IDLE, threading.Event(), Told())


def test_the_champion_is_looked_at_on_its_own_schedule_and_never_without_one(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(root: str, drained: bool) -> dict[str, Any]:
        assert not drained  # what a rollback queues again is run batch by batch
        return {"rollback": None}

    monkeypatch.setattr(worker, "watch", watch)
    told = Told()
    serve(grown, Pace(0.01, idle_exit=0.2), threading.Event(), told)
    assert told == []
    serve(grown, Pace(0.01, watch_every=0.3, idle_exit=1.05), threading.Event(), told)
    assert told.kinds() in (["watched"] * 2, ["watched"] * 3)


def test_a_session_opens_a_root_once_and_again_when_its_settings_were_changed(grown: Path) -> None:
    token = steps.kept.set({})
    try:
        first = steps.workspace(str(grown))
        assert steps.workspace(str(grown)) is first
        params = grown / "params.yaml"
        params.write_text(params.read_text() + "seed: 7\n")
        assert steps.workspace(str(grown)).settings.seed == 7
    finally:
        steps.kept.reset(token)
    assert steps.workspace(str(grown)) is not steps.workspace(str(grown))


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_asked_to_stop_it_ends_after_the_batch_in_hand(
    number: signal.Signals, grown: Path, prefect_server: Server
) -> None:
    reach = {name: prefect_server.environment[name] for name in ("PREFECT_HOME", "PREFECT_API_URL")}
    ws = open_workspace(grown)
    for seed in (3, 4):
        drop(grown, seed)
    process = start(grown, "worker", "--every", "0.1", "--json", **reach)
    wait_for_event(grown, process, "training.begun")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["kind"] for line in lines] == ["arrived"] * 2 + ["started", "settled"]
    assert all(datetime.fromisoformat(line["at"]).tzinfo is UTC for line in lines)
    assert "after the current batch" in err
    assert [a.status for a in views.arrivals(ws.ledger)] == ["promoted"] * 3 + ["queued"]


def stopped_by(told: Told, kind: str) -> threading.Event:
    """Return an event that is set as soon as `kind` was told."""

    class Stop(threading.Event):
        def is_set(self) -> bool:
            return kind in told.kinds()

    return Stop()


def refuse(root: Path, batch: str) -> None:
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 10) as lease:
        ws.ledger.append(BatchRefused(batch=batch, reason="", rows=0), lease)


def test_what_stays_in_incoming_is_told_once(grown: Path) -> None:
    told, incoming = Told(), grown / "data" / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    (incoming / "link.jsonl").symlink_to(grown / "exam.jsonl")
    serve(grown, Pace(0.05, idle_exit=0.4), threading.Event(), told)
    assert told.kinds() == ["left"]


def test_a_fresh_file_is_waited_for_before_the_worker_ends(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = (grown / "params.yaml").read_text()
    (grown / "params.yaml").write_text(params.replace("settle_seconds: 0", "settle_seconds: 0.6"))
    monkeypatch.setattr(worker, "retrain", lambda root, batch: stop.set() or {"action": "held"})
    stop, told = threading.Event(), Told()
    batch(grown / "data" / "incoming" / "b3.jsonl", 3)
    serve(grown, Pace(0.1, idle_exit=0.0), stop, told)
    assert told.kinds() == ["arrived", "started", "settled"]


def test_the_log_has_a_line_an_event_with_its_time(grown: Path, prefect_server: Server) -> None:
    reach = {name: prefect_server.environment[name] for name in ("PREFECT_HOME", "PREFECT_API_URL")}
    drop(grown, 3)
    junk = grown / "data" / "incoming" / "junk.jsonl"
    junk.write_text("")
    ran = finish(start(grown, "worker", "--every", "0.1", "--idle-exit", "0", **reach))
    assert (ran.code, ran.err) == (0, "")
    lines = [line.split(" ", 1) for line in ran.out.splitlines()]
    assert all(datetime.fromisoformat(at).tzinfo is UTC for at, _ in lines), ran.out
    said = [words for _, words in lines]
    assert said[0].startswith("checking ") and len(said) == 5, ran.out
    taken = sorted(said[1:3])
    assert taken[0].startswith("refused junk.jsonl: junk.jsonl is empty."), ran.out
    assert taken[1].startswith("took in b3.jsonl: batch "), ran.out
    assert said[3].startswith("running b3.jsonl: batch ")
    assert (
        said[4].startswith("promoted b3.jsonl (") and "next: ratchet version explain 3" in said[4]
    )
