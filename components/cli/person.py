"""The commands `ratchet person`: who has an account on the servers, and what each may do."""

from __future__ import annotations

from dataclasses import asdict

import click

from components.cli.arguments import Words
from components.cli.options import Context, json_option, pass_root
from components.cli.output import echo, facts, table

name_argument = click.argument("name", type=Words())


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(person)


@click.group()
def person() -> None:
    """Manage accounts: who may approve, answer or look.

    People log in to MLflow with them (`ratchet up`). MLflow checks the password; what somebody
    may do is in the ledger. As long as nobody is enrolled, commands on this machine take the word
    of whoever runs them; afterwards a word on a version needs an approver's login.
    """


@person.command("add")
@name_argument
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE",
    help="approver, labeller, pipeline or viewer; may be repeated.  [default: viewer]",
)
@json_option
@pass_root
def add(context: Context, name: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Give NAME an account with these roles, or other roles from now on.

    \b
    approver   may approve and reject held versions
    labeller   may say what inputs of pools are
    pipeline   registers versions of models whose roots are elsewhere; may not approve
    viewer     may look at everything

    The password of a new account is printed once, and kept nowhere.
    """  # noqa: D301  (click looks for the character)
    from components.operations import people

    added = people.enroll(context.open(), name, roles)

    def show() -> None:
        echo(f"{added.name}: {', '.join(added.roles)}.")
        if added.password:
            echo(f"  password: {added.password}", "  It is not shown again.")

    facts(as_json, asdict(added), show)


@person.command("password")
@name_argument
@json_option
@pass_root
def password(context: Context, name: str, as_json: bool) -> None:
    """Give NAME a new password, and print it once."""
    from components.operations import people

    made = people.new_password(context.open(), name)
    facts(as_json, {"name": name, "password": made}, lambda: echo(f"  password: {made}"))


@person.command("remove")
@name_argument
@json_option
@pass_root
def remove(context: Context, name: str, as_json: bool) -> None:
    """Take the account of NAME away. What this person said stays said."""
    from components.operations import people

    people.remove(context.open(), name)
    facts(as_json, {"name": name}, lambda: echo(f"{name} has no account any more."))


@person.command("list")
@json_option
@pass_root
def list_(context: Context, as_json: bool) -> None:
    """List who has an account."""
    from components.ledger import views

    found = {name: sorted(roles) for name, roles in views.people(context.open().ledger).items()}

    def show() -> None:
        if found:
            table(["name", "roles"], [(name, ", ".join(roles)) for name, roles in found.items()])
        else:
            echo("Nobody is enrolled.", "next: ratchet person add NAME --role approver")

    facts(as_json, found, show)
