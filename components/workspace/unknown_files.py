"""Files in a root that its ledger does not know: reported and moved aside, never deleted.

Concept: a ledger restored from a backup knows less than MLflow, the quarantine and the stored
batches. Only a person can say which of them is right.

Promise: nothing is deleted. Files are moved to `data/unknown/<time>/`, and moved back
automatically once a ledger knows them.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from components.data.dvc_tracking import SHARD_CHARS
from components.data.quarantine import ID
from components.errors import NeedsHuman
from components.files import PART_SUFFIX
from components.ledger import views
from components.ledger.events import HoldoutDone, LedgerAccepted, RegistrationDone
from components.ledger.ledger import TWO_WAYS_OUT, Lease
from components.registry.submission import Version
from components.workspace.batch_files import batch_folder
from components.workspace.root import Workspace

KINDS = ("batches", "quarantine", "holdout")
NAMED = 5
"""How many unknown batches a message names before it only counts."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A file or folder that was moved: both places are relative to the root."""

    place: str
    now: str

    def __str__(self) -> str:
        return f"moved {self.place} to {self.now}"


def require_known(ws: Workspace, interrupted: bool) -> None:
    """Refuse to go on where MLflow or the quarantine know more than the ledger.

    `interrupted`: an arrival broke off, so that an entry of quarantine may be its.

    Raises:
        NeedsHuman: names what is known where.
    """
    versions = [f"version {each.version}" for each in unknown_versions(ws)]
    finished = [path for path in _unknown(ws, "quarantine") if (path / "about.json").exists()]
    entries = [] if interrupted else [path.name[:12] for path in finished]
    if not versions and not entries:
        return
    parts = [f"MLflow has {_some(versions)}"] if versions else []
    parts += [f"the quarantine has batch {_some(entries)}"] if entries else []
    raise NeedsHuman(
        f"The ledger {ws.ledger.place} ends at event {ws.ledger.head().seq} and does not "
        f"know everything in this root: {'; '.join(parts)}.",
        TWO_WAYS_OUT,
    )


def unknown_versions(ws: Workspace) -> list[Version]:
    """Return MLflow's versions of Ratchet that the ledger neither recorded nor began.

    Those that a person saw when the ledger was accepted are left out.
    """
    known = {event.payload.key for event in views.told(ws.ledger, RegistrationDone)}
    known |= views.open_keys(ws.ledger)
    for event in views.told(ws.ledger, LedgerAccepted):
        known |= {each["key"] for each in event.payload.versions}
    numbers = {(each.version, each.run) for each in views.versions(ws.ledger)}
    strange = ws.registry.unknown_versions(known)
    return [each for each in strange if (each.version, each.run_id) not in numbers]


def accept_ledger(ws: Workspace, lease: Lease) -> list[str]:
    """Let the ledger count as it stands: a person said so. Return what was done, in words.

    What it does not know is moved aside; MLflow's versions beyond it are tagged `unknown`.
    Killed at any instant, it can be run again. With nothing in doubt it changes nothing.
    """
    noted, versions = ws.ledger.noted(), unknown_versions(ws)
    doubted = ws.ledger.difference() is not None or bool(versions)
    if not doubted and not any(True for kind in KINDS for _ in _unknown(ws, kind)):
        return []
    done = bring_back(ws) + set_aside(ws, KINDS)
    for each in versions:
        ws.registry.tag_version(each.version, "ratchet.status", "unknown")
        done.append(f"version {each.version} in MLflow: unknown")
    head = ws.ledger.head()
    accepted = LedgerAccepted(
        noted=asdict(noted) if noted else None,
        head=asdict(head),
        moved=_not_yet_told(ws),
        versions=[
            {"version": each.version, "run": each.run_id, "key": each.tags["ratchet.key"]}
            for each in versions
        ],
    )
    ws.ledger.append(accepted, lease)
    return [*done, f"the ledger at event {head.seq} is now in force"]


def set_aside(ws: Workspace, kinds: tuple[str, ...]) -> list[str]:
    """Move everything of some kinds that the ledger does not know; return it in words."""
    with ws.arrivals_locked(checked=False):
        found = [(kind, path) for kind in kinds for path in _unknown(ws, kind)]
        if not found:
            return []
        folder = _fresh_folder(ws)
        moved = [_move(ws, path, folder / kind / path.name) for kind, path in found]
    return [f"{each}: the ledger does not know it{_again(ws, each)}" for each in moved]


def bring_back(ws: Workspace) -> list[str]:
    """Move back what was set aside and the ledger knows, where its place is empty."""
    moved = []
    with ws.arrivals_locked(checked=False):
        for kind in KINDS:
            known = _known(ws, kind) if any(ws.unknown.glob(f"*/{kind}")) else frozenset()
            for path in sorted(ws.unknown.glob(f"*/{kind}/*")):
                home = _home(ws, kind, path.name)
                if path.name in known and not home.exists():
                    moved.append(_move(ws, path, home))
    return [f"{each}: the ledger knows it" for each in moved]


def _unknown(ws: Workspace, kind: str) -> Iterator[Path]:
    """Yield the files or folders of one kind that the ledger does not know."""
    known: frozenset[str] | None = None
    for path in _standing(ws, kind):
        known = _known(ws, kind) if known is None else known
        if path.name not in known:
            yield path


def _standing(ws: Workspace, kind: str) -> list[Path]:
    """Return what lies in the folder of one kind: batches also lie below two digits."""
    folder: Path = getattr(ws, kind if kind != "holdout" else "holdouts")
    found = [path for path in sorted(folder.glob("*")) if not path.name.startswith(".")]
    if kind == "holdout":
        return [path for path in found if path.suffix == ".jsonl"]
    folders = [path for path in found if path.is_dir() and path.suffix != PART_SUFFIX]
    if kind == "quarantine":
        return [path for path in folders if ID.fullmatch(path.name)]
    shards = [path for path in folders if len(path.name) == SHARD_CHARS]
    inner = [path for shard in shards for path in sorted(shard.iterdir()) if path.is_dir()]
    return [path for path in folders if path not in shards] + inner


def _known(ws: Workspace, kind: str) -> frozenset[str]:
    """Return the names that the ledger knows of one kind."""
    if kind != "holdout":
        return frozenset(each.batch for each in views.arrivals(ws.ledger))
    begun = {key.partition(":")[2] for key in views.open_keys(ws.ledger)}
    begun |= {event.payload.source for event in views.told(ws.ledger, HoldoutDone)}
    begun -= views.removed_sources(ws.ledger)
    return frozenset(f"{source}.jsonl" for source in begun)


def _home(ws: Workspace, kind: str, name: str) -> Path:
    if kind == "batches":
        return batch_folder(ws, name)
    return (ws.quarantine if kind == "quarantine" else ws.holdouts) / name


def _fresh_folder(ws: Workspace) -> Path:
    stamp = ws.clock().strftime("%Y-%m-%dT%H-%M-%SZ")
    names = (stamp if n == 1 else f"{stamp}.{n}" for n in count(1))
    return next(ws.unknown / name for name in names if not (ws.unknown / name).exists())


def _move(ws: Workspace, path: Path, target: Path) -> Moved:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)
    return Moved(*(str(each.relative_to(ws.root)) for each in (path, target)))


def _again(ws: Workspace, moved: Moved) -> str:
    """Say how a batch's original bytes are taken in again, where they are there."""
    folder = ws.root / moved.now
    raw = next(iter(sorted(folder.glob("raw*"))), None) if folder.is_dir() else None
    if raw is None:
        return ""
    command = ["ratchet", "run", str(raw.relative_to(ws.root)), "--task", _task_of(folder)]
    return f"; to process it again: {shlex.join(command)}"


def _task_of(folder: Path) -> str:
    """Return the task that a batch's rows had, or a word for the reader to replace."""
    kept = folder.parent.parent / "quarantine" / folder.name / "rows.jsonl"
    for path in (folder / "items.jsonl", kept):
        try:
            with path.open(encoding="utf-8") as file:
                task = json.loads(file.readline())["task"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
        if isinstance(task, str) and task.strip():
            return task
    return "NAME"


def _not_yet_told(ws: Workspace) -> list[str]:
    """Return what lies in `data/unknown` and was in no event before, relative to the root."""
    accepted = views.told(ws.ledger, LedgerAccepted)
    told = {name for event in accepted for name in event.payload.moved}
    found = (path for kind in KINDS for path in ws.unknown.glob(f"*/{kind}/*"))
    return sorted({str(path.relative_to(ws.root)) for path in found} - told)


def _some(names: list[str]) -> str:
    shown, more = ", ".join(names[:NAMED]), len(names) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown
