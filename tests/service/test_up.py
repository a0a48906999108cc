"""A whole installation: real servers, two people, batches that come in and are approved in MLflow.

The tests of this module go on from one another, as a day does.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from components.ledger import views
from components.ledger.events import AliasMirrored, RegistryCalled, ScheduleKept
from components.operations import people
from components.service import supervisor
from components.workspace.secrets_file import read_secrets
from tests.command import ratchet
from tests.service.fake_proxy import proxied
from tests.service.installation import Installation, installed, soon
from tests.stream import batch


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation in which every promotion waits for a person."""
    with installed(tmp_path_factory.mktemp("up")) as made:
        yield made


def test_everything_answers_and_a_second_one_is_refused(up: Installation) -> None:
    shown = ratchet(up.root, "up", "--status")
    assert shown.code == 0 and up.mlflow in shown.out and up.prefect in shown.out, shown.out
    assert "worker of tiny" in shown.out and "answers" in shown.out
    again = ratchet(up.root, "up")
    assert again.code == 2 and "is running in" in again.err
    unknown = httpx.get(f"{up.mlflow}/api/2.0/mlflow/registered-models/search", timeout=60)
    assert unknown.status_code == 401


def test_a_file_in_data_incoming_becomes_a_version_that_an_approver_lets_in(
    up: Installation,
) -> None:
    batch(up.root / "data" / "incoming" / "mood" / "b1.jsonl", 1)
    assert soon(up.held) == [1]
    soon(lambda: up.ws.registry.versions()[0].tags.get("approval") == "pending")
    assert up.tag("vera", 1, "approved") == 403
    assert up.tag("admin", 1, "approved") == 403
    assert up.tag("ann", 1, "fine by me") == 403
    clicked = time.monotonic()
    assert up.tag("ann", 1, "approved: read them all") == 200
    assert soon(up.champion) == 1
    assert time.monotonic() - clicked < 30
    assert views.pointer_history(up.ws.ledger)[-1].reason == "approved by ann: read them all"
    calls = [each.payload for each in views.told(up.ws.ledger, RegistryCalled)]
    assert [(each.user, each.status) for each in calls] == [
        ("vera", 403), ("admin", 403), ("ann", 403), ("ann", 200),
    ]  # fmt: skip


def test_a_batch_that_prefect_is_told_of_comes_in_and_may_be_rejected(up: Installation) -> None:
    sent = batch(up.root.parent / "sent" / "b2.jsonl", 2)
    deployment = httpx.get(f"{up.prefect}/api/deployments/name/arrive/tiny", timeout=60).json()
    given = {"root": str(up.root), "source": str(sent), "task": "mood"}
    made = httpx.post(
        f"{up.prefect}/api/deployments/{deployment['id']}/create_flow_run",
        json={"parameters": given},
        timeout=60,
    )
    assert made.status_code == 201
    assert soon(up.held, 180) == [2]
    assert up.tag("ben", 2, "rejected: wrong source") == 200
    soon(lambda: not up.held())
    version = views.version(up.ws.ledger, 2)
    assert version is not None and version.status == "rejected" and up.champion() == 1


def test_an_alias_is_refused_through_the_server_and_put_back_past_it(up: Installation) -> None:
    for user in ("ann", "admin"):
        moved = up.call(
            user, "POST", "registered-models/alias", name="tiny", version="2", alias="champion"
        )
        assert moved.status_code == 403, user
    with closing(sqlite3.connect(up.ws.mlruns / "mlflow.db", timeout=30)) as database, database:
        database.execute("UPDATE registered_model_aliases SET version = 2")
    soon(lambda: up.ws.registry.alias("champion") == 1)
    put_back = views.told(up.ws.ledger, AliasMirrored)[-1].payload
    assert (put_back.alias, put_back.version, put_back.found) == ("champion", 1, 2)


def test_who_a_proxy_has_logged_in_is_that_person_and_a_header_alone_is_nobody(
    up: Installation,
) -> None:
    batch(up.root / "data" / "incoming" / "mood" / "p1.jsonl", 40)
    [number] = soon(up.held, 180)
    people.enroll(up.ws, "pia@example.org", ["approver"])
    path = "/ajax-api/2.0/mlflow/model-versions/set-tag"
    said = {"name": "tiny", "version": str(number), "key": "approval", "value": "rejected: no"}
    forged = {"X-Forwarded-Email": "pia@example.org", "X-Ratchet-Proxy": "guessed"}
    for headers in (forged, {"X-Forwarded-Email": "pia@example.org"}):
        assert httpx.post(up.mlflow + path, json=said, headers=headers).status_code == 401
    with proxied(up.mlflow, read_secrets(up.ws.mlruns).proxy_key) as proxy:

        def send(name: str) -> httpx.Response:
            return httpx.post(proxy + path, json=said, headers={"Cookie": name} if name else {})

        assert send("").status_code == 401
        unknown = send("session=zoe@example.org")
        assert unknown.status_code == 403 and "ratchet person add" in unknown.text
        assert send("session=vera").status_code == 403, "a viewer is no approver"
        artifacts = f"{proxy}/api/2.0/mlflow-artifacts/artifacts"
        listed = httpx.get(artifacts, headers={"Cookie": "session=vera"}, timeout=60)
        assert listed.status_code == 200, listed.text
        assert send("session=pia@example.org").status_code == 200
    soon(lambda: not up.held())
    word = views.words(up.ws.ledger, number)[-1]
    assert (word.word, word.speaker) == ("reject", "pia@example.org")


def test_queues_and_what_they_ask_about_are_filled_by_ratchet_alone(up: Installation) -> None:
    number = str(up.experiment("tiny labels"))
    for method, path in (
        ("POST", "traces"),
        ("PATCH", "traces/tr-1"),
        ("POST", "traces/delete-traces"),
        ("POST", "review-queues/create"),
        ("POST", "review-queues/items/add"),
        ("POST", "label-schemas/create"),
    ):
        for user in ("lea", "admin"):
            assert up.call(user, method, path).status_code == 403, (user, path)
    renamed = up.call("lea", "POST", "experiments/update", experiment_id=number, new_name="x")
    assert renamed.status_code == 403 and "written by Ratchet" in renamed.text
    login = ("lea", up.passwords["lea"])
    otel = httpx.post(f"{up.mlflow}/v1/traces", content=b"", auth=login, timeout=60)
    assert otel.status_code == 403
    described = up.call(
        "ann", "PATCH", "model-versions/update", name="tiny", version="1", description="all fine"
    )
    assert described.status_code == 403


def test_a_schedule_fires(up: Installation) -> None:
    """People are reminded each minute of what waits."""
    kept = soon(lambda: [each for each in schedules_kept(up) if not each.begun])
    assert {each.job for each in kept} == {"remind"}
    assert len({each.due for each in kept}) == len(kept), "each time once"


def schedules_kept(up: Installation) -> list[ScheduleKept]:
    return [each.payload for each in views.told(up.ws.ledger, ScheduleKept)]


def test_what_is_killed_comes_back(up: Installation) -> None:
    before = {name: up.pid(name) for name in ("mlflow", "worker of tiny")}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    batch(up.root / "data" / "incoming" / "mood" / "b3.jsonl", 3)
    [number] = soon(up.held, 180)
    assert all(up.pid(name) != pid for name, pid in before.items())
    soon(lambda: ratchet(up.root, "up", "--status").code == 0)
    assert up.tag("ben", number, "approved") == 200
    assert soon(lambda: up.champion() == number)


def test_down_ends_everything(up: Installation) -> None:
    pids = [each.pid for each in supervisor.statuses(up.ws.mlruns)]
    done = ratchet(up.root, "down", "--json")
    assert done.facts == {"ended": True}
    assert up.process.wait(60) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    port = up.mlflow.rpartition(":")[2]
    left = [each.cmdline() for each in psutil.process_iter() if port in _words(each)]
    assert not left, "a server's own workers end with it"
    assert ratchet(up.root, "up", "--status").code == 1
    assert ratchet(up.root, "audit", "verify", "--deep").code == 0


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
