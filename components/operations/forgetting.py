"""`ratchet forget BATCH`: a champion that never saw a batch, through the whole gate.

Concept: the batch's rows are subtracted from the champion's sums (`training.removal`), and what is
left is a candidate like any other: it sits every exam, is registered, and is promoted, held or
rejected by the same rules. The batch's rows stay where they are.

Promise: an event says what was forgotten and why before anything is decided; done twice, it is done
once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from components.data.split import Split
from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import ChampionRolledBack, ForgetAsked
from components.ledger.ledger import Lease
from components.pipeline import examination, settlement
from components.pipeline.exams import open_exams, snapshot_of
from components.pipeline.preparation import Prepared, case_file
from components.workspace.item_library import Library
from components.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of it. `rows`: of the batch, that the champion's head had been solved on."""

    batch: str
    rows: int
    version: int
    action: str
    headline: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def forget(ws: Workspace, lease: Lease, prefix: str, reason: str) -> Forgotten:
    """Make a candidate without the batch whose digest begins with `prefix`, and settle it.

    Raises:
        ConfigError: there is no champion, no such batch, it can't be subtracted, or the version
            without it is barred; says why.
        DataRejected: its rows can't be read any more.
        Corrupted: a bundle or an exam does not verify.
    """
    from components.model.bundle import open_bundle
    from components.training.removal import rows_to_forget, without_batch

    parent = views.champion(ws.ledger)
    if parent is None:
        raise ConfigError("There is no champion yet, so nothing to forget.", "Run a batch first.")
    batch = _batch(ws, prefix)
    champion = open_bundle(ws.bundles, parent.bundle)
    wanted = rows_to_forget(champion, batch, ws.settings)
    request = _request(ws, parent, batch)
    said = ForgetAsked(version=parent.version, batch=batch, rows=len(wanted), reason=reason)
    ws.ledger.append(said, lease)
    items = Library(ws).batch(batch, wanted)
    settings, cache = ws.in_force(), ws.activations
    left = without_batch(ws.base, ws.bundles, champion, batch, items, settings, cache, request)
    prepared = _prepared(ws, parent)
    examined = examination.examine_change(ws, lease, prepared, left, "forget")
    version = settlement.register_change(ws, lease, prepared, examined)
    why = f"Forgot batch {batch[:12]} ({reason})."
    action = settlement.settle_change(ws, lease, version, why)
    return Forgotten(batch, len(wanted), version.version, action, examined.decision.headline)


def _batch(ws: Workspace, prefix: str) -> str:
    """Return the one batch whose digest begins so."""
    found = [each.batch for each in views.arrivals(ws.ledger) if each.batch.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} batches begin" if found else "No batch begins"
    raise ConfigError(
        f"{what} with {prefix!r}.", "`ratchet history` shows all batches with their digests."
    )


def _request(ws: Workspace, parent: views.Version, batch: str) -> int:
    """Return how many times a champion will have been asked to forget a batch, for another version.

    A rollback by hand past a removal brings the batch back, and may have had any reason; so a
    person may ask again, which is another request and gives another version. Law 2: what was shown
    to be worse stays barred.

    Raises:
        ConfigError: the version without the batch was shown to be worse.
    """
    gone = [
        each.version.version
        for each in views.removals(ws.ledger)
        if (each.batch, each.version.parent) == (batch, parent.version)
        and each.version.status == "barred"
    ]
    for event in views.told(ws.ledger, ChampionRolledBack):
        if event.payload.regressions and (worse := set(gone) & set(event.payload.barred)):
            raise ConfigError(
                f"Version {max(worse)}, which is version {parent.version} without batch "
                f"{batch[:12]}, was rolled back for a regression and is barred for good.",
                "Run another batch and forget this one from the version that follows, or roll back"
                " to a version before the batch.",
            )
    return len(gone) + 1


def _prepared(ws: Workspace, parent: views.Version) -> Prepared:
    """Return what a candidate without a batch sits: all exams and pools of what is known."""
    most, known = ws.settings.holdout.max_items, frozenset(parent.anchors)
    exams = [e for e in views.exams(ws.ledger, most, parent.anchors) if e.task in known]
    pools = [pool for pool in views.pools(ws.ledger, most) if pool.task in known]
    snapshot = ws.write_document(snapshot_of([*exams, *pools]))
    return Prepared(
        batch="",
        parent=parent,
        split=Split((), (), ()),
        exams=open_exams(ws, exams),
        snapshot=snapshot,
        wall=views.wall(ws.ledger),
        cases=case_file(ws),
        pools=open_exams(ws, pools),
    )
