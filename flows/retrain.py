"""One batch, from arrival to decision."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from prefect import flow

from components.errors import DataRejected, NeedsHuman, RatchetError
from components.ledger import views
from components.ledger.ledger import Lease
from components.operations import probation, reconciliation
from components.pipeline import examination, pooling, preparation, settlement, training
from components.pipeline.preparation import Settled
from components.workspace.root import Workspace
from flows import run_page
from flows.steps import Step, as_task, directly, leased, warn_of, workspace


@flow(name="retrain", flow_run_name="retrain-{batch:.12}", validate_parameters=False)
def retrain(root: str, batch: str) -> dict[str, Any]:
    """Run one batch of the inbox under the model's lease; return what became of it."""
    ws = workspace(root)
    run_page.begin(ws, batch)
    settled = run_batch(ws, batch, as_task)
    ended: dict[str, Any] = run_page.end(ws, settled, asdict(settled))  # unpacked by Prefect
    return ended


def run_batch(ws: Workspace, batch: str, step: Step = directly) -> Settled:
    """Run one batch, or the one it is pooled into, unless another process settled it meanwhile."""
    with leased(ws) as lease:
        step("reconcile", partial(reconciliation.reconcile, ws, lease))
        ended = [probation.check(ws, lease)]
        while True:
            batch = views.pooled_into(ws.ledger, batch)
            if batch not in {arrival.batch for arrival in views.waiting(ws.ledger)}:
                settled = preparation.settled(ws, batch)
                break
            settled = _run_steps(ws, lease, batch, step)
            if settled.action != "pooled":
                break
        ended.append(probation.check(ws, lease))  # asks for labels at once
    notes = tuple(each.reason for each in ended if each is not None)
    return replace(settled, notes=notes + settled.notes) if notes else settled


def _run_steps(ws: Workspace, lease: Lease, batch: str, step: Step) -> Settled:
    """Run the steps of a batch; one that meets a defect of Ratchet twice in a row is set aside.

    What the machine lacks (disk, memory) is no such thing: it stays, whatever the batch. One that
    was decided before the error is left as it is: what MLflow shows of it follows later.
    """
    again = preparation.met_defect(ws, batch)
    try:
        return way_of_a_batch(ws, lease, batch, step)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        preparation.give_up(ws, lease, "training")
        if preparation.is_decided(ws, batch):
            raise
        of_the_batch = isinstance(error, DataRejected | NeedsHuman)
        if of_the_batch or (again and not isinstance(error, RatchetError)):
            return preparation.set_aside(ws, lease, batch, error)
        preparation.put_back(ws, lease, batch, error)
        raise


def way_of_a_batch(ws: Workspace, lease: Lease, batch: str, step: Step) -> Settled:
    """Read top to bottom: this is the order of things, and nothing else is in here."""
    arrival = preparation.begin(ws, lease, batch)
    if (removal := views.kept_out(ws.ledger, batch)) is not None:
        return preparation.leave_out(ws, lease, arrival, removal)
    validated = step("validate", partial(preparation.validate, ws, lease, arrival))
    if validated.refused:
        return preparation.refuse(ws, lease, validated)
    warn_of(validated.warnings)
    step("store", partial(preparation.store, ws, lease, validated))
    if probation.hold_batch(ws, lease, batch):
        return preparation.settled(ws, batch)
    prepared = step("split", partial(preparation.split, ws, lease, validated))
    if step("pool", partial(pooling.pool, ws, lease, prepared)):
        return preparation.settled(ws, batch)
    bundle = step("train", partial(training.train, ws, lease, prepared))
    examined = step("examine", partial(examination.examine, ws, lease, prepared, bundle))
    if training.wants_adapter(bundle, examined):
        bundle = step("adapt", partial(training.train, ws, lease, prepared, adapt=True))
        examined = step("examine again", partial(examination.examine, ws, lease, prepared, bundle))
    register = partial(settlement.register, ws, lease, validated, prepared, examined)
    version = step("register", register)
    return step("settle", partial(settlement.settle, ws, lease, version, examined.notes))
