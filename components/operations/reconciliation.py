"""After a crash: finish what was begun, or leave it to be done again.

Concept: every locked command starts here. For an intent without an outcome, its effect is looked
up; displays are updated to match the ledger. All files and displays are checked only if the lease
or an arrival did not end properly.

Promise: afterwards the champion is the one of the ledger, in MLflow as well; running it twice
changes nothing more. Nothing is deleted but partial files and what a person removed: what the
ledger does not know is moved to `data/unknown`. An older copy of the ledger changes nothing until
a person accepts it.
"""

from __future__ import annotations

from components.ledger import views
from components.ledger.events import BatchRequeued, RegistrationBegun
from components.ledger.ledger import Lease
from components.operations import holdouts, pool_removal, relabelling
from components.pipeline import preparation, publication
from components.pipeline.arrival import discard_unfinished, finish_interrupted, was_interrupted
from components.pipeline.settlement import record_registration
from components.workspace import unknown_files
from components.workspace.root import Workspace
from components.workspace.settings_history import record_settings
from components.workspace.stored_files import refill_remote, restore_settings


def reconcile(ws: Workspace, lease: Lease, whole: bool = False) -> list[str]:
    """Put right whatever a killed process left behind; return what was done, in words.

    `whole` looks at everything, whatever the lease says, and reads the files that MLflow
    serves byte by byte.

    Raises:
        NeedsHuman: the ledger is an older copy, or MLflow or the quarantine know more than it.
    """
    ws.ledger.require_newest()
    deep = whole
    whole = whole or not lease.in_order or ws.ledger.noted() is None
    done = []
    if whole or was_interrupted(ws):
        done += _tidy(ws)
    elif (ws.registry.newest_version() or 0) > (views.newest(ws.ledger) or 0):
        unknown_files.require_known(ws, interrupted=False)
    record_settings(ws, lease)
    done += (restore_settings(ws) if whole else []) + refill_remote(ws)
    done += holdouts.close_interrupted(ws, lease) + relabelling.close_interrupted(ws, lease)
    done += pool_removal.finish_interrupted(ws, lease)
    preparation.give_up(ws, lease, "training")
    done += _adopt_registrations(ws, lease)
    preparation.give_up(ws, lease, "registration")  # MLflow has none of those that are still open
    done += _requeue_interrupted(ws, lease)
    done += publication.mirror(ws, lease, None if whole else (), deep)
    if whole:
        ws.ledger.note_in_order(lease)
        ws.ledger.note_head()
    return done


def _tidy(ws: Workspace) -> list[str]:
    """Finish a broken-off arrival, remove partial files, move aside what no event names."""
    if was_interrupted(ws):
        unknown_files.require_known(ws, interrupted=True)  # before the ledger gets one more event
    done = finish_interrupted(ws) + unknown_files.bring_back(ws)
    unknown_files.require_known(ws, interrupted=was_interrupted(ws))
    done += unknown_files.set_aside(ws, ("batches", "quarantine"))
    return done + [f"removed the unfinished {path}" for path in discard_unfinished(ws)]


def _adopt_registrations(ws: Workspace, lease: Lease) -> list[str]:
    """Record versions that reached MLflow while their outcome did not reach the ledger."""
    done = []
    for intent in views.open_intents(ws.ledger, RegistrationBegun):
        registered = ws.registry.find(intent.key)
        if registered is not None:
            record_registration(ws, lease, intent, registered)
            done.append(f"recorded version {registered.version}, registered before a crash")
    return done


def _requeue_interrupted(ws: Workspace, lease: Lease) -> list[str]:
    """Put batches back that were running when their process died."""
    done = []
    for arrival in views.waiting(ws.ledger):
        if arrival.status == "running":
            reason = "interrupted; it will be run again"
            ws.ledger.append(BatchRequeued(batch=arrival.batch, reason=reason), lease)
            done.append(f"queued batch {arrival.batch[:12]} again, interrupted before")
    return done
