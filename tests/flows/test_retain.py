"""Inputs of pools are kept as long as the settings say, and no longer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from components.clock import system_clock
from components.ledger import views
from components.operations import pool_removal
from components.workspace.root import Workspace, open_workspace
from flows.steps import leased
from tests.pools import add_pool, inputs


def expired(ws: Workspace) -> list[int]:
    with leased(ws) as lease:
        return [each.inputs for each in pool_removal.expire(ws, lease, 90)]


def test_inputs_go_so_many_days_after_they_came(waiting: Path) -> None:
    assert expired(open_workspace(waiting)) == []
    later = open_workspace(waiting, clock=lambda: system_clock() + timedelta(days=91))
    before = sum(views.pool_sizes(later.ledger).values())
    assert expired(later) == [before] and not views.pool_files(later.ledger)
    add_pool(waiting, inputs(waiting / "fresh.jsonl", 901, 20))
    assert expired(open_workspace(waiting)) == []
    assert [each.name for each in views.pool_files(later.ledger)] == ["fresh.jsonl"]
