"""The command `ratchet bench`: every method and strategy on the same streams."""

from __future__ import annotations

from pathlib import Path

import click

from components.cli.output import echo, progress_bar


def register(group: click.Group) -> None:
    """Add this module's command."""
    group.add_command(bench)


@click.command()
@click.argument("only", nargs=-1)
@click.option(
    "--quick", is_flag=True, help="A small table: a tiny base, 200 rows a task, one seed."
)
@click.option("--seeds", type=click.IntRange(1, 100), help="How many.  [default: 3, quick: 1]")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Runs at once, each on one thread.",
)
@click.option(
    "--clinc",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CLINC150's data_full.json; its stream is left out without.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("bench"),
    show_default=True,
    help="Keeps every run; the page lies beside it.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".cache"),
    show_default=True,
    help="Keeps downloads.",
)
@click.option("--list", "listing", is_flag=True, help="Name all streams and rows, and end.")
def bench(
    only: tuple[str, ...],
    quick: bool,
    seeds: int | None,
    jobs: int,
    clinc: Path | None,
    folder: Path,
    cache: Path,
    listing: bool,
) -> None:
    """Compare adapter methods and strategies on real streams.

    Makes a table with pictures of accuracy, forgetting, bytes and seconds. The whole takes
    several evenings on two cores, --quick less than 45 minutes. What was measured is kept and never
    measured twice: stop the command at any time, and run it again to go on.

    ONLY names streams (sentiment, newsgroups, reuters, clinc150), or parts of rows' names, for
    example `ratchet bench sentiment lora`; --list names them all. Answering costs are measured for
    the adapter methods among them.

    All runs compute in float32, whatever this machine is faster in. CPU seconds compare
    between runs on one kind of processor alone; the page names it for each row.
    """
    from components.bench.bench import listed, make_page

    if listing:
        echo(*listed().splitlines())
        return
    with progress_bar(phases=False) as progress:

        def done(count: int, total: int) -> None:
            progress("runs", count, total)

        def say(text: str) -> None:
            echo(text)

        page = make_page(folder, cache.resolve(), quick, clinc, only, seeds, jobs, say, done)
    echo(f"{page} is written.")
