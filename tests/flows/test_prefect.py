"""The flows under a real Prefect server: what they do, and what its UI shows of it."""

from __future__ import annotations

import json
import time
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
from tests.command import finish, start
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


def run_of(server: Server, name: str) -> dict[str, Any]:
    """Return the one flow run of a name."""
    [run] = post(server, "flow_runs", {"flow_runs": {"name": {"any_": [name]}}})
    return run


def told_of(server: Server, batch: str) -> str:
    """Return the artifact that tells of a batch."""
    key = {"key": {"like_": f"-{batch[:12]}"}}
    [told] = post(server, "artifacts", {"artifacts": key})
    return str(told["data"])


def test_a_batch_is_one_flow_run_of_a_few_named_tasks(grown: Path, prefect_here: Server) -> None:
    ws = open_workspace(grown)
    arrived = arrival.arrive(ws, batch(grown / "rainy-august.jsonl", 4071), "mood")
    outcome = retrain(str(grown), arrived.batch)
    assert (outcome["action"], outcome["version"]) == ("promoted", 3)
    run = run_of(prefect_here, "rainy-august · promoted")
    assert run["state"]["type"] == "COMPLETED"
    assert set(run["tags"]) == {"root:root", "model:tiny"}
    story = told_of(prefect_here, arrived.batch)
    assert story.startswith("# promoted: rainy-august.jsonl, version 3\n\nPromote")
    assert "| forgetting | mood | PASS |" in story and "| drift |" not in story
    assert " more checks passed." in story
    way = "Next: `ratchet version explain 3`, or open `mlruns/reports/"
    assert story.index(way) < story.index("| check")
    query = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    steps = {
        "reconcile", "validate", "store", "split", "pool", "train", "examine", "register", "settle",
    }  # fmt: skip
    limit = time.monotonic() + 60  # the server records task runs a moment later
    names = set[str]()
    while names != steps and time.monotonic() < limit:
        names = {task["name"].rpartition("-")[0] for task in post(prefect_here, "task_runs", query)}
    assert names == steps


def test_a_batch_that_is_not_let_in_ends_in_a_state_of_that_name(
    grown: Path, prefect_here: Server
) -> None:
    ws = open_workspace(grown)
    poisoned = arrival.arrive(ws, batch(grown / "flipped.jsonl", 4072, 240, flip=True), "mood")
    small = arrival.arrive(ws, batch(grown / "three-rows.jsonl", 4073, 3), "mood")
    outcomes = drain(ws)
    assert [each["action"] for each in outcomes] == ["rejected", "refused"]
    rejected = run_of(prefect_here, "flipped · rejected")
    refused = run_of(prefect_here, "three-rows · refused")
    assert [run["state"]["name"] for run in (rejected, refused)] == ["Rejected", "Refused"]
    assert {run["state"]["type"] for run in (rejected, refused)} == {"COMPLETED"}
    assert "| FAIL |" in told_of(prefect_here, poisoned.batch)
    assert f"ratchet quarantine show {small.batch[:12]}" in told_of(prefect_here, small.batch)


def test_the_log_of_a_run_says_its_steps_and_its_outcome(
    grown: Path, prefect_server: Server
) -> None:
    reach = {name: prefect_server.environment[name] for name in ("PREFECT_HOME", "PREFECT_API_URL")}
    file = batch(grown / "logged.jsonl", 4074)
    ran = finish(start(grown, "run", file, "--task", "mood", "--quiet", **reach))
    assert (ran.code, ran.err) == (0, "")
    run = run_of(prefect_server, "logged · promoted")
    found = post(prefect_server, "logs", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    said = [line["message"] for line in found]
    assert {"validate", "train", "examine"} <= set(said)
    assert any(line.startswith("promoted: Promote") for line in said)


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
        return {"batch": batch, "action": "refused"}

    assert [each["batch"] for each in drain(ws, arrived[1], refuse)] == arrived[:2]
    assert [each["batch"] for each in drain(ws, None, refuse)] == arrived[2:]
    assert drain(ws, None, refuse) == []
