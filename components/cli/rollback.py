"""The command `rollback`: planned, asked for, done, and undone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from components.cli.arguments import VERSION, Words
from components.cli.options import Context, changing, json_option, pass_root
from components.cli.outcomes import show_planned, show_requeued, show_rollback, show_undone
from components.cli.output import confirmed, echo, facts

if TYPE_CHECKING:
    from components.operations.rollback import RolledBack
    from components.operations.rollback_undo import Undone


UNDO_REASON = '"it was a slip"'


def register(group: click.Group) -> None:
    """Add this module's command."""
    group.add_command(rollback)


@click.command()
@click.option(
    "--to",
    "target",
    type=VERSION,
    help="An earlier champion to roll back to.  [default: what the champion was trained from]",
)
@click.option("--undo", "undoing", is_flag=True, help="Undo the last rollback made by hand.")
@click.option("--reason", type=Words(), help="The reason; it is recorded in the ledger. [required]")
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask. Only a terminal is asked.")
@json_option
@pass_root
def rollback(
    context: Context,
    target: int | None,
    undoing: bool,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Roll back to an earlier champion, or undo that.

    Without --to, that is the version that the champion was trained from; `ratchet history` has
    them all, and --dry-run says which it would be. The versions after it are barred. The batch
    right after it goes to quarantine; later batches are queued again (run them with `ratchet
    intake`). In a terminal, the cost is shown and you are asked; elsewhere it is done at once.

    --undo makes the version that was left champion again, with its batches and exams, as long
    as nothing else changed the champion. What `ratchet watch` rolled back stays barred.
    """
    from components.operations import rollback as going_back
    from components.operations import rollback_undo

    if undoing and target is not None:
        raise click.UsageError("--undo takes no --to: it returns to the version that was left.")
    if reason is None and not dry_run:
        raise click.UsageError("Missing option '--reason'.")
    why, ws = reason or "", context.open()

    def plan() -> RolledBack | Undone:
        if undoing:
            return rollback_undo.plan(ws, why)
        return going_back.plan(ws, target, why)

    planned = plan()
    if dry_run:
        value = planned.to_json() | {"dry_run": True}
        facts(as_json, value, lambda: show_planned(value))
        return
    if sys.stdin.isatty() and not (yes or as_json):
        show_planned(planned.to_json())
        if not confirmed("Go ahead?"):
            echo("Nothing was changed.", err=True)
            sys.exit(1)
    with changing(ws) as lease:
        _require_same(planned, plan)
        if undoing:
            done = rollback_undo.undo(ws, lease, why).to_json()
        else:
            done = going_back.roll_back(ws, lease, planned.to_version, why).to_json()

    def show() -> None:
        if undoing:
            show_undone(done)
        else:
            show_rollback(done)
            show_requeued(done)
            if done["requeued"]:
                echo("  next: ratchet intake")
            echo(
                f"  to undo it: ratchet rollback --undo --reason {UNDO_REASON}",
                "    (as long as no other version comes into force)",
            )

    facts(as_json, done, show)


def _require_same(planned: RolledBack | Undone, plan: Callable[[], RolledBack | Undone]) -> None:
    """Do only what was shown: meanwhile, another process may have changed the champion.

    Raises:
        ConfigError: what would be done is another thing by now.
    """
    from components.errors import ConfigError

    if plan() != planned:
        raise ConfigError(
            "The champion or its batches changed meanwhile; nothing was rolled back.",
            "Run the same command again.",
        )
