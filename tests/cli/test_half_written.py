"""A disk that fills up in the middle of one step: said in one paragraph, done again in full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.data import versioning
from components.data.versioning import DataStore
from components.ledger import views
from components.ledger.verify import verify
from components.pipeline import reporting
from components.registry import store as registry_store
from components.training import candidate
from components.workspace.root import open_workspace
from flows import steps
from tests.command import assert_one_paragraph, files_up_to, ratchet
from tests.server import Server
from tests.stream import batch

PLACES: dict[str, tuple[Any, str]] = {
    "storing the data": (DataStore, "keep"),
    "tracking the data": (versioning, "track"),
    "writing the bundle": (candidate, "write_bundle"),
    "writing the report": (reporting, "write_report"),
    "drawing the plots": (reporting, "write_plots"),
    "packing the model": (registry_store, "write_model"),
    "gathering the files": (registry_store, "stage_files"),
}


def on_a_full_disk(work: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        with files_up_to(100):
            return work(*arguments, **named)

    return call


RARER = ("tracking the data", "drawing the plots", "gathering the files")


@pytest.mark.parametrize(
    "place",
    [pytest.param(name, marks=pytest.mark.slow if name in RARER else ()) for name in PLACES],
)
def test_a_disk_that_is_full_in_the_middle(
    place: str, grown: Path, prefect_here: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name = PLACES[place]
    monkeypatch.setattr(steps, "RETRY_DELAY_SECONDS", 0)
    file = batch(grown / "b3.jsonl", 3)
    with monkeypatch.context() as full:
        full.setattr(owner, name, on_a_full_disk(getattr(owner, name)))
        failed = ratchet(grown, "run", file, "--task", "mood")
    assert failed.code == 1 and failed.out == "", failed.err
    assert_one_paragraph(failed)
    again = ratchet(grown, "run", file, "--task", "mood")
    assert (again.code, again.err) == (0, ""), again.err
    ws = open_workspace(grown)
    verify(ws.ledger)
    assert [v.status for v in views.versions(ws.ledger)] == ["former", "former", "champion"]
    assert len(ws.registry.versions()) == 3 and not views.open_keys(ws.ledger)
    assert not list(grown.rglob("*.part"))
