"""The commands `watch`, `forget`, `probe` and `reconcile`."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from components.cli.arguments import BatchPrefix, Words
from components.cli.options import (
    Context,
    changing,
    follow_root,
    json_option,
    leased,
    pass_root,
    quiet_option,
    with_prefect,
)
from components.cli.outcomes import show_probation, show_rollback, show_settled
from components.cli.output import counted, echo, facts, progress_bar


def register(group: click.Group) -> None:
    """Add this module's commands."""
    for command in (watch, forget, probe, reconcile):
        group.add_command(command)


@click.command()
@quiet_option
@json_option
@pass_root
def watch(context: Context, as_json: bool) -> None:
    """Examine the champion again; roll back if a task regressed.

    Uses the current holdouts. The offending batch goes to quarantine; the batches after it are
    queued again and run. Exits with 0 if the champion is fine, and 1 if it was rolled back.
    """
    with progress_bar() as progress:
        ws = context.open(progress)
        result = with_prefect(progress, lambda flows: flows.watch(str(ws.root)))

    def show() -> None:
        if result["probation"]:
            show_probation(result["probation"])
        if result["champion"] is None:
            echo("There is no champion to watch yet.")
        elif result["rollback"] is None:
            echo(f"Version {result['champion']} is fine on {counted(result['exams'], 'exam')}.")
        else:
            show_rollback(result["rollback"])
        for outcome in result["settled"]:
            show_settled(outcome)

    facts(as_json, result, show)
    sys.exit(1 if result["rollback"] else 0)


@click.command()
@click.argument("batch", type=BatchPrefix())
@click.option(
    "--reason", type=Words(), required=True, help="The reason; it is recorded in the ledger."
)
@quiet_option
@json_option
@pass_root
def forget(context: Context, batch: str, reason: str, as_json: bool) -> None:
    """Take a batch out of the champion as if it had never come.

    BATCH is the beginning of its digest. Only where the head is solved from sums
    (`strategy.method` analytic, hybrid or prototype) and the adapter did not learn from it. The
    result is a new version that sits every exam: it is promoted, held (exits with 3) or rejected
    (1) like any other. The batch's rows stay in the data.
    """
    from components.operations.forgetting import forget as take_out

    with progress_bar() as progress:
        ws = context.open(progress)
        with changing(ws) as lease:
            done = take_out(ws, lease, batch, reason)

    def show() -> None:
        echo(
            f"Version {done.version}, without the {counted(done.rows, 'row')} of batch"
            f" {done.batch[:12]}: {done.action}. {done.headline}"
        )

    facts(as_json, done.to_json(), show)
    sys.exit({"promoted": 0, "held": 3}.get(done.action, 1))


@click.command()
@json_option
@pass_root
def probe(context: Context, as_json: bool) -> None:
    """Measure again which number format is fastest here.

    `training.precision: auto` is measured once, with the first batch; a busy machine may have
    misled it. What is found now holds from the next version on; versions so far stay as they are.
    Measure on an idle machine.
    """
    from components.pipeline.automatic_settings import probe_again

    ws = context.open()
    with changing(ws) as lease:
        probed = probe_again(ws, lease)

    def show() -> None:
        for when, each in (("recorded", probed.recorded), ("measured", probed.found)):
            echo(f"{when}: {each.value}: {each.why}." if each else f"{when}: nothing yet.")
        set_ = ws.settings.training.precision
        if probed.taken:
            echo(f"Versions are trained and examined in {probed.found.value} from now on.")
        elif set_ != "auto":
            echo(f"Nothing changes: params.yaml says `training.precision: {set_}`.")
        else:
            echo("Nothing changes.")

    facts(as_json, asdict(probed), show)


@click.command()
@click.option("--rebuild", is_flag=True, help="Also rebuild the projections from the events.")
@click.option(
    "--accept-ledger",
    is_flag=True,
    help="Continue with an older ledger; what it does not know is moved to data/unknown.",
)
@json_option
@pass_root
def reconcile(context: Context, rebuild: bool, accept_ledger: bool, as_json: bool) -> None:
    """Repair what a crash left behind, in MLflow as well.

    Interrupted operations are finished or undone; then MLflow is brought in line with the
    ledger. If MLflow's database is lost or damaged, it is rebuilt from the ledger and the
    bundles. A damaged bundle is restored from its copy in MLflow, the description of a
    quarantined batch from the ledger. Nothing is deleted: what the ledger does not know is
    moved aside. Exits with 3 if MLflow, the quarantine or the recorded head are ahead of the
    ledger.
    """
    from components.ledger.verify import rebuild as fill_again
    from components.operations import reconciliation
    from components.operations.bundle_restoration import (
        require_champion,
        restore_bundles,
        restore_registry,
    )
    from components.operations.quarantine_restoration import restore_entries
    from components.workspace import unknown_files

    ws = context.open(follow=False)
    with leased(ws) as lease:
        done = follow_root(ws)
        done += [f"rebuilt from {counted(fill_again(ws.ledger), 'event')}"] if rebuild else []
        done += unknown_files.accept_ledger(ws, lease) if accept_ledger else []
        ws.ledger.require_newest()
        done += restore_registry(ws)
        done += restore_bundles(ws)
        done += reconciliation.reconcile(ws, lease, whole=True)
        done += restore_entries(ws)
    facts(as_json, {"done": done}, lambda: echo(*done or ["Nothing to repair."]))
    require_champion(ws)
