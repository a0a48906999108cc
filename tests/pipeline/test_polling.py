"""Objects under an address come in once, and what can't be read blocks nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.ledger import views
from components.pipeline.polling import Poll
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.stream import PARAMS, batch


@pytest.fixture
def ws(root: Path) -> Workspace:
    """A root that polls a folder as an address, and one of a protocol that nobody has."""
    there = root.parent / "there"
    there.mkdir()
    addresses = f"['odd-protocol://bucket', 'file://{there}']"
    service = f"service: {{poll: {addresses}, poll_seconds: 1}}"
    (root / "params.yaml").write_text(f"{PARAMS}\n{service}\n", encoding="utf-8")
    return open_workspace(root)


def there(ws: Workspace) -> Path:
    return ws.root.parent / "there"


def look(poll: Poll, ws: Workspace) -> tuple[list[str], list[str]]:
    """Look as if it were time; return the files that came in, and what was left."""
    poll._looked = None
    taken = poll.take(ws)
    return [each.source for each in taken.arrived], [each.path for each in taken.left]


def test_an_object_is_taken_at_the_second_look_that_sees_it_alike_and_only_once(
    ws: Workspace,
) -> None:
    poll, file = Poll(), batch(there(ws) / "mood" / "b1.jsonl", 1)
    assert look(poll, ws) == ([], ["odd-protocol://bucket"])
    batch(there(ws) / "mood" / "b2.jsonl", 2)
    assert look(poll, ws)[0] == ["b1.jsonl"]
    assert look(poll, ws)[0] == ["b2.jsonl"]
    assert look(poll, ws)[0] == [] and file.exists()
    assert look(Poll(), ws)[0] == [], "another process knows it from the ledger"
    assert [each.task for each in views.arrivals(ws.ledger)] == ["mood", "mood"]
    poll.take(ws)
    batch(file, 3)
    os.utime(file, (1, 1))
    assert look(poll, ws)[0] == [] and look(poll, ws)[0] == ["b1.jsonl"], "written anew"


def test_what_is_no_batch_is_refused_once_and_the_next_one_comes_in(ws: Workspace) -> None:
    poll = Poll()
    (there(ws) / "a.bin").write_bytes(b"\0\1\2")
    batch(there(ws) / "b1.jsonl", 1)
    for _ in range(3):
        look(poll, ws)
    found = {each.source: each.status for each in views.arrivals(ws.ledger)}
    assert found["b1.jsonl"] == "queued" and found.get("a.bin", "refused") == "refused"
    assert look(poll, ws)[0] == []


def test_intake_takes_what_lies_there(ws: Workspace) -> None:
    batch(there(ws) / "mood" / "b1.jsonl", 1)
    done = ratchet(ws.root, "intake")
    assert done.code == 0 and "promoted" in done.out, done.err


@pytest.mark.parametrize("address", ["bucket/folder", "s3://key:secret@bucket"])
def test_an_address_is_an_address_and_holds_no_secret(root: Path, address: str) -> None:
    text = f"{PARAMS}\nservice: {{poll: ['{address}']}}\n"
    (root / "params.yaml").write_text(text, encoding="utf-8")
    shown = ratchet(root, "status")
    assert shown.code == 2 and "service.poll" in shown.err and "secret@" not in shown.err
