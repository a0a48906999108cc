"""What people should hear of is told once, in the log and wherever the settings say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from components.clock import system_clock
from components.operations import approval, notices, people
from components.operations.required_actions import required_actions
from components.workspace.root import Workspace, open_workspace
from flows.notify import notify
from flows.steps import leased
from tests.command import ratchet
from tests.operations.test_approval import always
from tests.server import Server
from tests.stream import PARAMS, batch, settle


def test_a_digest_counts_what_the_last_day_brought(grown: Path) -> None:
    ws = open_workspace(always(grown))
    settle(grown, batch(grown / "b3.jsonl", 3))
    told = notices.digest(ws)
    assert told.kind == "digest"
    assert told.text == (
        "in the last 24 hours: 3 arrived, 2 promoted, 1 held. Now version 2 is champion, "
        "and 1 version waits for people."
    )
    later = open_workspace(grown, clock=lambda: system_clock() + timedelta(days=2))
    assert notices.digest(later).text.startswith("in the last 24 hours: nothing.")


@pytest.fixture
def hook() -> Iterator[tuple[str, list[str]]]:
    """A server that keeps what it is sent."""
    heard = list[str]()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            heard.append(json.loads(self.rfile.read(length))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", heard
    server.shutdown()


def log(ws: Workspace) -> list[str]:
    path = ws.mlruns / notices.LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line.split(" ", 2)[2] for line in lines]


def test_what_happened_is_told_once_from_the_first_look_on(grown: Path) -> None:
    ws = open_workspace(always(grown))
    assert notices.news(ws) == [], "what was before is no news"
    settle(grown, batch(grown / "b3.jsonl", 3))
    (grown / "junk.jsonl").write_text("{}\n" * 40)
    settle(grown, grown / "junk.jsonl")
    told = notices.news(ws)
    assert [each.kind for each in told] == ["held", "refused"]
    assert "ratchet approve 3" in told[0].text and "ratchet quarantine show" in told[1].text
    assert notices.news(ws) == []
    with leased(ws) as lease:
        approval.say(ws, lease, 3, "reject", "wrong source", approval.Speaker())
    assert [each.kind for each in notices.news(ws)] == ["rejected"]


def test_notices_go_to_every_block_and_a_block_that_fails_stops_nothing(
    grown: Path, prefect_here: Server, hook: tuple[str, list[str]]
) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    url, heard = hook
    for name, address in (("ops", url), ("gone", "http://127.0.0.1:9/")):
        block = CustomWebhookNotificationBlock(
            name=name, url=address, json_data={"text": "{{subject}} {{body}}"}
        )
        block.save(name, overwrite=True)
    blocks = "custom-webhook/gone, custom-webhook/ops, custom-webhook/never-made"
    (grown / "params.yaml").write_text(f"{PARAMS}\nservice: {{notify: [{blocks}]}}\n")
    ws = open_workspace(grown)
    notify(ws, [notices.Notice("held", "version 3: ask somebody")])
    assert heard == ["Ratchet: tiny held: version 3: ask somebody"]
    told, gone, never = log(ws)
    assert told == "held: version 3: ask somebody"
    assert gone.startswith("not sent: custom-webhook/gone: ")
    assert never.startswith("not sent: custom-webhook/never-made: ")


def test_status_says_what_waits_for_whom_and_since_when(grown: Path) -> None:
    settle(always(grown), batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    [required] = required_actions(ws)
    assert (required.version, required.days, required.approvers) == (3, 0, ())
    assert "(version 3, waits since today):" in ratchet(grown, "status").out
    people.enroll(ws, "ann", ["approver"])
    people.enroll(ws, "lee", ["labeller"])
    assert required_actions(ws)[0].approvers == ("ann",)
    assert "waits since today for ann to approve):" in ratchet(grown, "status").out
