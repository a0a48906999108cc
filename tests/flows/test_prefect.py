"""The flows under a real Prefect server: what they do, and what its UI shows of it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from components.errors import Corrupted, Retryable
from components.ledger import views
from components.ledger.events import BatchRefused
from components.pipeline import arrival
from components.workspace.root import open_workspace
from flows import steps
from flows.intake import drain, intake
from flows.reconcile import reconcile
from flows.retrain import retrain
from flows.steps import as_task
from flows.watch import watch
from tests.server import Server
from tests.stream import batch


def post(server: Server, what: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask Prefect's REST interface."""
    request = urllib.request.Request(
        f"{server.url}/{what}/filter",
        json.dumps(query).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def test_a_batch_is_one_flow_run_of_a_few_named_tasks(grown: Path, prefect_here: Server) -> None:
    ws = open_workspace(grown)
    arrived = arrival.arrive(ws, batch(grown / "b3.jsonl", 4071), "mood")  # in no other test
    outcome = retrain(str(grown), arrived.batch)
    assert (outcome["action"], outcome["version"]) == ("promoted", 3)
    name = {"name": {"any_": [f"retrain-{arrived.batch}"]}}
    [run] = post(prefect_here, "flow_runs", {"flow_runs": name})
    assert run["state"]["type"] == "COMPLETED"
    key = {"key": {"any_": [f"batch-{arrived.batch[:12]}"]}}
    [told] = post(prefect_here, "artifacts", {"artifacts": key})
    assert told["data"].startswith("# promoted: b3.jsonl, version 3\n\nPromote")
    tasks = post(prefect_here, "task_runs", {"flow_runs": name})
    assert {task["name"].rpartition("-")[0] for task in tasks} == {
        "reconcile", "validate", "store", "split", "pool", "train", "examine", "register", "settle",
    }  # fmt: skip


def test_intake_takes_what_arrived_and_runs_it_in_order(grown: Path, prefect_here: Server) -> None:
    batch(grown / "data" / "incoming" / "mood" / "b3.jsonl", 3)
    (grown / "data" / "incoming" / "mood" / "junk.jsonl").write_text("")
    [outcome] = intake(str(grown))
    assert outcome["action"] == "promoted"
    ws = open_workspace(grown)
    assert [a.status for a in views.arrivals(ws.ledger)] == ["promoted"] * 3 + ["refused"]


def test_watch_and_reconcile_report_plain_values(grown: Path, prefect_here: Server) -> None:
    seen = watch(str(grown))
    assert (seen["champion"], seen["rollback"], seen["settled"]) == (2, None, [])
    assert seen["exams"] == 2, "the one that was brought, and the rows of batches"
    json.dumps(seen, allow_nan=False)
    open_workspace(grown).registry.set_alias("champion", 1)
    assert reconcile(str(grown)) == ["alias champion: 1 -> 2"]
    assert reconcile(str(grown)) == []


def test_a_passing_fault_is_tried_again_and_any_other_is_not(
    monkeypatch: pytest.MonkeyPatch, prefect_here: Server
) -> None:
    monkeypatch.setattr(steps, "RETRY_DELAY_SECONDS", 0)
    tries: list[str] = []

    def flaky() -> str:
        tries.append("flaky")
        if len(tries) < 3:
            raise Retryable("Locked.", "Wait.")
        return "done"

    def broken() -> str:
        tries.append("broken")
        raise Corrupted("Damaged.", "Restore it.")

    assert as_task("flaky", flaky) == "done"
    with pytest.raises(Corrupted, match="Damaged"):
        as_task("broken", broken)
    assert tries == ["flaky"] * 3 + ["broken"]


def test_the_queue_is_drained_up_to_the_batch_that_is_wanted(grown: Path) -> None:
    ws = open_workspace(grown)
    arrived = [
        arrival.arrive(ws, batch(grown / f"b{seed}.jsonl", seed, 10), "mood").batch
        for seed in (3, 4, 5)
    ]

    def refuse(root: str, batch: str) -> dict[str, Any]:
        with ws.ledger.lease("tiny", 10) as lease:
            ws.ledger.append(BatchRefused(batch=batch, reason="", rows=0), lease)
        return {"batch": batch}

    assert [each["batch"] for each in drain(ws, arrived[1], refuse)] == arrived[:2]
    assert [each["batch"] for each in drain(ws, None, refuse)] == arrived[2:]
    assert drain(ws, None, refuse) == []
