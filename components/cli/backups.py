"""The commands `backup` and `restore`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.cli.options import Context, changing, json_option, pass_root, quiet_option
from components.cli.output import echo, facts, progress_bar

if TYPE_CHECKING:
    from components.ledger.ledger import Head
    from components.operations.backup_manifest import Left


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(backup)
    group.add_command(restore)


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@quiet_option
@json_option
@pass_root
def backup(context: Context, target: Path, as_json: bool) -> None:
    """Back up the whole root to TARGET, a new folder or .tar file.

    A running worker pauses between two batches until the backup is done. Store the printed
    digest elsewhere: it shows whether the backup was replaced.
    """
    from components.operations.backup import back_up

    with progress_bar() as progress:
        ws = context.open(progress)
        with changing(ws):
            done = back_up(ws, target)

    def show() -> None:
        echo(
            f"Backed up {done.files} files ({done.bytes / 1e6:,.1f} MB) to {done.place}.",
            _where(done.champion, done.head),
            f"Digest of its manifest: {done.digest}",
        )
        _show_left(done.not_included)

    facts(as_json, asdict(done), show)


@click.command()
@click.argument("backup", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@quiet_option
@json_option
@pass_root
def restore(context: Context, backup: Path, folder: Path, as_json: bool) -> None:
    """Restore BACKUP into FOLDER, which must be new or empty.

    Every file and the ledger are verified before FOLDER is created. Its path and machine may
    differ from those of the original root. Exits with 4 if the backup is damaged.
    """
    from components.operations.restore import restore as make

    with progress_bar() as progress:
        done = make(backup, folder, progress=progress)

    def show() -> None:
        echo(
            f"Restored {done.files} files to {done.root}, as of {done.taken[:19]} UTC.",
            _where(done.champion, done.head),
        )
        _show_left(done.not_included)

    facts(as_json, asdict(done), show)


def _where(champion: int | None, head: Head) -> str:
    version = "none yet" if champion is None else f"version {champion}"
    return f"Champion: {version}. Ledger: event {head.seq}, {head.hash}."


def _show_left(left: list[Left]) -> None:
    for each in left:
        digest = f" (digest {each.sha256})" if each.sha256 else ""
        echo(f"Not included: {each.what} ({each.why}){digest}.")
