"""What became of a batch, or of a champion, as people read it."""

from __future__ import annotations

from typing import Any

import click

from components.cli.output import status
from components.pipeline.new_tasks import sentences


def show_settled(outcome: dict[str, Any]) -> None:
    """Print a settled batch: what, why, and what to type next."""
    version = f", version {outcome['version']}" if outcome["version"] else ""
    again = " (seen before, nothing was trained)" if outcome.get("seen_before") else ""
    click.echo(f"{status(outcome['action'])} batch {outcome['batch'][:12]}{version}{again}")
    click.echo(f"  {outcome['headline']}")
    for loud, sentence in sentences(outcome["new_tasks"]):
        click.echo(f"  {click.style(sentence, fg='yellow') if loud else sentence}")
    if outcome.get("report"):
        click.echo(f"  report: {outcome['report']}")
    if outcome["version"]:
        click.echo(f"  next: ratchet version explain {outcome['version']}")
        if outcome["action"] == "held" and not outcome["headline"].startswith("Hold for approval"):
            click.echo(
                "        or bring items (`ratchet holdout add FILE --task NAME --fill`), then"
                f" `ratchet quarantine release {outcome['batch'][:12]}` and `ratchet intake`"
            )
    elif outcome["action"] == "refused":
        click.echo(f"  next: ratchet quarantine show {outcome['batch'][:12]}")


def show_left(left: list[dict[str, Any]]) -> None:
    """Print what stays in data/incoming, and why."""
    for each in left:
        click.echo(f"{click.style('left', fg='yellow')} {each['path']}: {each['reason']}")


def show_warnings(warnings: list[str]) -> None:
    """Print what somebody should look at."""
    for warning in warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}")


def show_rollback(undone: dict[str, Any]) -> None:
    """Print a rollback and its cost."""
    click.echo(
        f"{status('barred')} version {undone['from_version']}; "
        f"version {undone['to_version']} is champion again.\n  {undone['reason']}"
    )
    cost = undone["cost"]
    lost = [
        f"{what} {_listed(cost[what])}" for what in ("versions", "tasks", "labels") if cost[what]
    ]
    click.echo(f"  cost: {'; '.join(lost)}")
    click.echo(f"  batch {undone['guilty'][:12]} is in quarantine")


def _listed(values: list[Any]) -> str:
    return ", ".join(str(value) for value in values)
