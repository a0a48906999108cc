"""Prefect's temporary server: started once at a time, and never left behind for long.

Concept: Prefect ends its server when the command ends, but not when the command is killed.
So each start is noted (who started which process), and the next start ends the servers
whose starter is gone. A process counts as the noted one only with the noted birth time.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from components.files import write_json

NOTES = "ratchet-servers"


def note_server(home: Path) -> None:
    """Note this process's temporary server, where it has one."""
    from prefect.server.api.server import SubprocessASGIServer

    process = SubprocessASGIServer().server_process
    if process is not None:
        value = {"owner": _identity(psutil.Process()), "server": _identity_of(process.pid)}
        write_json(home / NOTES / f"{process.pid}.json", value)


def end_abandoned(home: Path) -> None:
    """End the servers whose starter was killed, and drop notes of servers that are gone."""
    for note in (home / NOTES).glob("*.json"):
        value = json.loads(note.read_text(encoding="utf-8"))
        server = _alive(value["server"])
        if server is not None and _alive(value["owner"]) is None:
            server.terminate()
            server = None
        if server is None:
            note.unlink(missing_ok=True)


def _identity(process: psutil.Process) -> dict[str, Any]:
    return {"pid": process.pid, "born": process.create_time()}


def _identity_of(pid: int) -> dict[str, Any] | None:
    with suppress(psutil.NoSuchProcess):
        return _identity(psutil.Process(pid))
    return None


def _alive(noted: dict[str, Any] | None) -> psutil.Process | None:
    """Return the noted process if it still runs, and is not another one with its number."""
    if noted is None:
        return None
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(noted["pid"])
        if process.create_time() == noted["born"]:
            return process
    return None
