"""Shared by all commands: the `--json` flag, the context, the model's lease and Prefect."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

import click

from components.cli.arguments import Words
from components.cli.output import QUIET, echo, warn_at_once

if TYPE_CHECKING:
    from components.ledger.ledger import Lease
    from components.workspace.root import Progress, Workspace

LEASE_WAIT_SECONDS = 600.0
NO_EVENTS = {"PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false"}
"""Prefect's stored events grow fastest and nothing reads them; flow runs do not need them."""

_OURS: set[str] = set()
"""The variables that this process set itself, so that a second root can set them again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """The options that every command gets: the root folder and `--debug`.

    `new_root`: where a root is made. Commands find the root that they stand in; that one is not.
    """

    root: Path
    debug: bool
    new_root: Path = Path()

    def open(self, progress: Progress | None = None, *, follow: bool = True) -> Workspace:
        """Open the root as a workspace and print notices about its settings and its place.

        `follow`: let MLflow's addresses lead to it, if it was moved or copied.
        """
        from components.workspace.root import no_progress, open_workspace

        ws = open_workspace(self.root, progress=progress or no_progress, actor=_person())
        notices = [*ws.notices, *(follow_root(ws) if follow else [])]
        echo(*(("note: ", each) for each in notices), err=True)
        return ws


def follow_root(ws: Workspace) -> list[str]:
    """Let MLflow's addresses lead to this root if it was moved or copied; say so, in words.

    They are absolute: models would be loaded from the folder that it was before, or not at all.
    A root that can't be written is told as well, for it may still be read.
    """
    from components.errors import RatchetError

    registry = ws.unprepared_registry()
    before = registry.moved_from()
    if before is None:
        return []
    old = unquote(urlsplit(before).path).removesuffix("/mlruns/artifacts")
    how = "copied" if (Path(old) / "mlruns").is_dir() else "moved"
    here = f"This root was {how} from {old}, and MLflow loaded models from there"
    try:
        registry.follow_root()
    except (RatchetError, OSError) as fault:
        why = str(fault).rstrip(".")
        return [f"{here}; it still does: {why}. Run `ratchet reconcile` as this root's owner."]
    return [f"{here}; now from here. Restart servers that were started in this folder before."]


def _person() -> str:
    """Return who runs this command, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, in a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
task_option = click.option(
    "--task",
    type=Words(),
    help="Task of rows without a task.  [default: the folder in data/incoming, or `default`]",
)
quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, quiet: context.meta.__setitem__(QUIET, quiet),
    help="Without a terminal, say no phases on stderr.",
)
pass_root = click.pass_obj


def leased(ws: Workspace) -> AbstractContextManager[Lease]:
    """Hold the model's lease; print a line while another process has it."""
    return ws.ledger.lease(ws.settings.model.name, LEASE_WAIT_SECONDS, _say_whom)


@contextmanager
def changing(ws: Workspace) -> Iterator[Lease]:
    """Hold the model's lease, after repairing what a crash left behind."""
    from components.operations import reconciliation

    with leased(ws) as lease:
        reconciliation.reconcile(ws, lease)
        yield lease


def own_prefect_home(root: Path) -> None:
    """Keep Prefect's files in the root, `mlruns/prefect`, unless the user set another place.

    Must be called before Prefect is imported. Profiles that the user made stay in force.
    """
    named = {"PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"} & os.environ.keys()
    if named - _OURS:
        return
    values = {"PREFECT_HOME": str(root.resolve() / "mlruns" / "prefect")}
    profiles = Path("~/.prefect/profiles.toml").expanduser()
    if profiles.is_file():
        values["PREFECT_PROFILES_PATH"] = str(profiles)
    os.environ.update(values)
    for name, value in NO_EVENTS.items():
        os.environ.setdefault(name, value)
    _OURS.update(values)


def with_prefect(
    progress: Progress, act: Callable[[Any], T], batches: bool = False, **heard: Any
) -> T:
    """Import the flows (and Prefect) only when needed, and show their progress here.

    `batches`: there are some to train on, so what that takes is loaded as well. `heard`: as
    `flows.session.showing` takes it.
    """
    from flows import session

    with session.showing(progress, batches, **heard):
        return act(session)


def drain(
    ws: Workspace, progress: Progress, until: str | None = None, told: list[str] | None = None
) -> list[dict[str, Any]]:
    """Run waiting batches, oldest first, to the end or until `until` is settled.

    Warnings about their data are printed while they run, unless nothing is to be said meanwhile;
    those that were are added to `told`.

    What breaks the contract is refused at once: Prefect takes longer to start than that. Not where
    a server is named that shows every run, nor while another process holds the model's lease: a
    run waits for that much longer.
    """
    from components.pipeline import pages, precedence, preparation

    refused = []
    while not _has_server() and (batch := precedence.next_batch(ws)) is not None:
        if ws.ledger.is_held(ws.settings.model.name):
            break
        with changing(ws) as lease:
            settled = preparation.refuse_at_once(ws, lease, batch)
        if settled is None:
            break
        refused.append(asdict(settled))
        pages.write_index(ws)
        if batch == until:
            return refused
    if precedence.next_batch(ws) is None:
        return refused
    ws.base_folder(download=True)  # before Prefect starts, and not after 20 seconds
    warn = warn_at_once([] if told is None else told)
    run: list[dict[str, Any]] = with_prefect(
        progress, lambda flows: flows.drain(ws, until), True, warn=warn
    )
    return refused + run


def _has_server() -> bool:
    """Tell whether the user named a Prefect server, or may have in a profile."""
    return not {"PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"}.isdisjoint(
        os.environ
    )


def _say_whom(holder: str) -> None:
    echo(f"Waiting for {holder} to finish ...", err=True)
