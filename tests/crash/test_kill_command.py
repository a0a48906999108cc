"""`kill -9` of the real command, with Prefect, at three of its events."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from components.ledger import views
from components.ledger.verify import verify
from components.workspace.root import open_workspace
from tests.command import finish, start
from tests.server import Server
from tests.stream import batch

pytestmark = pytest.mark.crash


@pytest.mark.parametrize(
    "event",
    [
        "registration.begun",
        pytest.param("training.begun", marks=pytest.mark.slow),
        pytest.param("version.promoted", marks=pytest.mark.slow),
    ],
)
def test_the_command_killed_at_an_event_ends_well_when_it_is_run_again(
    event: str, grown: Path, prefect_server: Server
) -> None:
    reach = {name: prefect_server.environment[name] for name in ("PREFECT_HOME", "PREFECT_API_URL")}
    ws = open_workspace(grown)
    before = len(views.events(ws.ledger, kind=event))
    third = batch(grown / "b3.jsonl", 3)
    process = start(grown, "run", third, "--task", "mood", **reach)
    while len(views.events(ws.ledger, kind=event)) == before:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert finish(start(grown, "reconcile")).code == 0
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version in (2, 3)
    assert ws.registry.alias("champion") == champion.version

    again = finish(start(grown, "run", third, "--task", "mood", "--json", **reach))
    assert (again.code, again.facts["version"]) == (0, 3), again.err
    assert [v.status for v in views.versions(ws.ledger)] == ["former", "former", "champion"]
    assert sorted(v.version for v in ws.registry.versions()) == [1, 2, 3]
    verify(ws.ledger)
