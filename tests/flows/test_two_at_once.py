"""Two commands at once on one root, as processes of their own: both end well."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from components.ledger import views
from components.ledger.verify import verify
from components.workspace.root import open_workspace
from tests.command import finish, start
from tests.server import Server
from tests.stream import batch


def run_two(root: Path, **environment: str) -> None:
    """Run two batches at once and look at what is left."""
    temporary = root.with_name("temporary")
    temporary.mkdir()
    environment["TMPDIR"] = str(temporary)
    files = [batch(root / f"b{seed}.jsonl", seed) for seed in (3, 4)]
    running = [
        start(root, "run", file, "--task", "mood", "--json", **environment) for file in files
    ]
    ended = [finish(process) for process in running]
    assert [(ran.code, ran.err) for ran in ended] == [(0, ""), (0, "")]
    assert {ran.facts["version"] for ran in ended} == {3, 4}
    ws = open_workspace(root)
    verify(ws.ledger)
    assert [v.parent for v in views.versions(ws.ledger)] == [None, 1, 2, 3]
    assert [a.status for a in views.arrivals(ws.ledger)] == ["promoted"] * 4
    assert ws.registry.aliases() == {"champion": 4} and not views.open_keys(ws.ledger)
    assert not list(root.rglob("*.part")) and not list(temporary.iterdir())


def test_two_runs_at_once_with_a_server_end_well_one_after_the_other(
    grown: Path, prefect_server: Server
) -> None:
    run_two(grown, **prefect_server.environment)


@pytest.mark.slow
def test_two_runs_at_once_without_a_server_and_a_fresh_home_end_well(
    grown: Path, tmp_path: Path
) -> None:
    home = tmp_path / "prefect"
    run_two(grown, PREFECT_HOME=str(home))
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        [(runs,)] = database.execute("SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'")
    assert runs >= 2
