"""The commands by which a person decides on a held version."""

from __future__ import annotations

from typing import Literal

import click

from components.cli.arguments import VERSION
from components.cli.options import Context, changing, json_option, pass_root
from components.cli.output import echo, facts, status
from components.cli.tasks import reason_option

seen_option = click.option(
    "--evidence", "seen", help="Only if the digest of its evidence begins like this."
)


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(approve)
    group.add_command(reject)


@click.command()
@click.argument("number", metavar="VERSION", type=VERSION)
@reason_option
@seen_option
@json_option
@pass_root
def approve(context: Context, number: int, reason: str, seen: str | None, as_json: bool) -> None:
    """Promote the held VERSION on your word.

    For what can't be told, and is right as far as you can see: it is outside of what the gate
    promises. What failed or is missing can't be approved, and no other version may have become
    champion meanwhile: then the batch is trained again from that one. Who approved and why is
    recorded, also where it does not count.

    Once people are enrolled (`ratchet person`), set MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD: only an approver's word counts.
    """
    _decide(context, "approve", number, reason, seen, as_json)


@click.command()
@click.argument("number", metavar="VERSION", type=VERSION)
@reason_option
@seen_option
@json_option
@pass_root
def reject(context: Context, number: int, reason: str, seen: str | None, as_json: bool) -> None:
    """Reject the held VERSION on your word.

    Its batch goes to quarantine. It can be released from there, and is then trained and examined
    again.
    """
    _decide(context, "reject", number, reason, seen, as_json)


def _decide(
    context: Context,
    word: Literal["approve", "reject"],
    number: int,
    reason: str,
    seen: str | None,
    as_json: bool,
) -> None:
    """Say a word on a version and print what came of it."""
    from components.operations import approval, people

    ws = context.open()
    name, roles = people.logged_in(ws)
    with changing(ws) as lease:
        speaker = approval.Speaker(name, roles, seen)
        action = approval.say(ws, lease, number, word, reason, speaker)

    def show() -> None:
        echo((status(action), f" version {number}: {reason}"))
        if action == "superseded":
            echo("  Another version became champion: its batch is trained again from that one.")
            echo("  next: ratchet intake")
        if action == "held":
            echo(f"  It takes {ws.settings.gate.approvals} people (`gate.approvals`).")

    facts(as_json, {"version": number, "action": action, "reason": reason}, show)
    if action in ("superseded", "held"):
        click.get_current_context().exit(3)
