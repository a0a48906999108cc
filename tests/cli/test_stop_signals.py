"""Asked to stop at any instant, the command says so, and ends with the signal's code."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_serializer

from components.errors import Corrupted
from components.ledger import views
from components.ledger.verify import verify
from components.workspace.root import open_workspace
from tests.command import Ran, finish, ratchet, start, wait_for_event
from tests.server import Server
from tests.stream import batch

STOPPED = "Stopped. Run the same command again to continue.\n"


class Interrupted(BaseModel):
    """A value in whose serialisation a signal arrives; pydantic wraps what that raises."""

    value: int = 0
    number: int = signal.SIGTERM

    @field_serializer("value")
    def _serialise(self, value: int) -> int:
        os.kill(os.getpid(), self.number)
        return value


def in_a_serialiser(number: int) -> None:
    Interrupted(number=number).model_dump_json()


def under_prefect(number: int) -> None:
    """As while a flow runs: Prefect's own handler stands in the place of ours."""
    from prefect.utilities.engine import capture_sigterm

    with capture_sigterm():
        in_a_serialiser(number)


def in_our_code(number: int) -> None:
    os.kill(os.getpid(), number)


def turned_into_an_error_of_ours(number: int) -> None:
    try:
        in_our_code(number)
    except BaseException:
        raise Corrupted("It is damaged.", "Restore it.") from None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "fall", [in_our_code, in_a_serialiser, under_prefect, turned_into_an_error_of_ours]
)
def test_a_signal_ends_as_stopped_whatever_it_was_wrapped_in(
    grown: Path, monkeypatch: pytest.MonkeyPatch, fall: Callable[[int], None], number: int
) -> None:
    monkeypatch.setattr(views, "champion", lambda *_: fall(number))
    for _ in range(2):
        ran = ratchet(grown, "status")
        assert (ran.code, ran.out, ran.err.lstrip("\n")) == (128 + number, "", STOPPED)


def test_what_went_wrong_without_a_signal_is_told_as_before(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "champion", lambda *_: in_a_serialiser(signal.SIGTERM))
    assert ratchet(grown, "status").code == 143
    monkeypatch.setattr(views, "champion", lambda *_: 1 / 0)
    ran = ratchet(grown, "status")
    assert ran.code == 1 and "ZeroDivisionError" in ran.err


def test_a_command_that_came_to_its_end_all_the_same_has_its_own_code(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = views.champion

    def swallow(ledger: Any) -> Any:
        try:
            in_our_code(signal.SIGTERM)
        except BaseException:  # as a library may, in a callback
            return look(ledger)

    monkeypatch.setattr(views, "champion", swallow)
    ran = ratchet(grown, "status")
    assert (ran.code, ran.err) == (0, "") and "version 2 is champion" in ran.out


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_sigterm_at_any_instant_of_a_run_leaves_nothing_half_done(
    grown: Path, prefect_server: Server, seed: int
) -> None:
    reach = {name: prefect_server.environment[name] for name in ("PREFECT_HOME", "PREFECT_API_URL")}
    file = batch(grown / "b3.jsonl", 3)
    process = start(grown, "run", file, "--task", "mood", **reach)
    time.sleep(2 + random.Random(seed).random() * 9)
    process.send_signal(signal.SIGTERM)
    assert_ended(finish(process))
    again = finish(start(grown, "run", file, "--task", "mood", "--json", **reach))
    assert (again.code, again.facts["version"]) == (0, 3), again.err
    ws = open_workspace(grown)
    verify(ws.ledger)
    assert [v.status for v in views.versions(ws.ledger)] == ["former", "former", "champion"]
    assert not views.open_keys(ws.ledger) and not list(grown.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["run", "intake", "watch", "worker"])
def test_a_signal_to_all_processes_of_a_command_ends_it_in_order(
    grown: Path, command: str, number: int
) -> None:
    """As `timeout`, systemd and a terminal send it; the command has a server of its own."""
    file = batch(grown / "data" / "incoming" / "mood" / "b3.jsonl", 3)
    awaited = "training.begun"
    arguments: list[str | Path] = ["--every", "0.1"] if command == "worker" else []
    if command == "run":
        arguments = [file.rename(grown / file.name), "--task", "mood"]
    elif command == "watch":
        awaited = "champion.watched"
    process = start(grown, command, *arguments, start_new_session=True)
    wait_for_event(grown, process, awaited)
    os.killpg(process.pid, number)
    begun = time.monotonic()
    ran = finish(process)
    assert time.monotonic() - begun < 60, "it waited for a server that was gone"
    if command == "worker":
        assert (ran.code, ran.err.count("\n")) == (0, 1) and "version 3" in ran.out, ran
    elif ran.code:
        assert (ran.code, ran.out, ran.err.lstrip("\n")) == (128 + number, "", STOPPED)
    else:
        assert ran.err == "" and command == "watch"  # it had looked already
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    verify(open_workspace(grown).ledger)


def assert_ended(ran: Ran) -> None:
    """It was stopped, or had come to its end; before `main` nobody hears a signal."""
    assert "defect" not in ran.err and "Traceback" not in ran.err, ran.err
    assert ran.code in (0, 143, -signal.SIGTERM), ran
    assert ran.err == (STOPPED if ran.code == 143 else ""), ran.err
