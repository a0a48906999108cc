"""Commands that put a version to use: predict and export."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.cli.arguments import Number, VersionName
from components.cli.options import Context, json_option, pass_root, quiet_option
from components.cli.output import counted, echo, facts, progress_bar
from components.shown_text import plain

if TYPE_CHECKING:
    from components.ledger.views import Version
    from components.model.answering import Answerer
    from components.workspace.root import Workspace

DONT_KNOW = "don't know"
"""What stands for a label that is withheld, where people read; it is null in JSON."""

NO_TEXT = "no text"
"""What stands for the answer to a blank text, where people read; it is null in JSON."""


def register(group: click.Group) -> None:
    """Add this module's commands."""
    for command in (predict, export):
        group.add_command(command)


@click.command()
@click.argument("texts", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="Answer the rows of this file.")
@click.option("--out", type=click.Path(path_type=Path), help="A new .csv or .jsonl for the rows.")
@click.option("--force", is_flag=True, help="Replace the file that --out names.")
@click.option(
    "--version",
    "name",
    type=VersionName(),
    default="champion",
    show_default=True,
    help="Ask this version: a number, or `candidate`, the newest that is held.",
)
@click.option(
    "--threshold",
    type=Number(0, 1),
    default=0.0,
    help='Say "don\'t know" where the best label is less probable than this.',
)
@click.option("--proba", is_flag=True, help="Show the probability of each label.")
@quiet_option
@json_option
@pass_root
def predict(
    context: Context,
    texts: tuple[str, ...],
    file: Path | None,
    out: Path | None,
    force: bool,
    name: str,
    threshold: float,
    proba: bool,
    as_json: bool,
) -> None:
    """Classify TEXTS, lines of standard input or a file.

    The champion answers, or the version that --version names. With --file and --out each row is
    written as it stands, followed by its `prediction` and `probability`. The file may be of any
    size and of any format that a batch may have; --out appears once it is complete. A blank text
    has no answer; exits with 1 where there was one.
    """
    if (file is None) != (out is None) or (file and texts):
        raise click.UsageError("Name a file of texts and one for the answers: --file IN --out OUT.")
    with progress_bar() as progress:
        ws = context.open(progress)
        version = _asked(ws, name)
        if file is not None and out is not None:
            from components.operations.prediction_files import answer_file

            done = answer_file(
                ws,
                _answerer(ws, version),
                file,
                out,
                threshold=threshold,
                probabilities=proba,
                force=force,
            )
            value = {"version": version.version, **asdict(done)}
        else:
            value = _answers(ws, version, texts, threshold)
    facts(as_json, value, lambda: _show_file(value) if out else _show_answers(value, proba))
    sys.exit(1 if value.get("unanswered") else 0)


@click.command()
@click.argument("name", metavar="VERSION", type=VersionName())
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace what an earlier export wrote into FOLDER.")
@quiet_option
@json_option
@pass_root
def export(context: Context, name: str, folder: Path, force: bool, as_json: bool) -> None:
    """Write VERSION as a Hugging Face model into FOLDER.

    VERSION is a number, `champion` or `candidate`. The adapter is added into the base's weights; a
    model card says what it is. Before FOLDER appears, transformers loads it without Ratchet, and
    its answers are compared with the version's. A version that can't be one such model is refused:
    MLflow serves it.

    A folder that holds just this version is left as it is. One that holds another is refused, and
    replaced as a whole with --force; one with files that no export wrote is never touched.
    """
    from components.operations.exporting import export as write

    with progress_bar() as progress:
        ws = context.open(progress)
        done = write(ws, _asked(ws, name), folder, force)

    def show() -> None:
        if not done.written:
            echo(f"Version {done.version} is in {folder} already; nothing was written.")
            return
        if done.replaced:
            echo(f"Replaced {done.replaced}.")
        echo(
            f"Version {done.version} is in {folder} ({done.megabytes} MB, README.md describes it).",
            f"Checked on {counted(done.texts, 'text')}: no probability differs by more than "
            f"{done.difference:.1g} from the version's.",
            "next: transformers.pipeline('text-classification', model="
            f"{str(folder)!r}, trust_remote_code=True)",
        )

    facts(as_json, asdict(done), show)


def _answers(
    ws: Workspace, version: Version, texts: tuple[str, ...], threshold: float
) -> dict[str, Any]:
    from components.errors import ConfigError
    from components.model.serving import answers
    from components.pipeline.arrival import printable

    asked = [printable(line) for line in texts or (x.rstrip("\n") for x in sys.stdin)]
    if not any(map(str.strip, asked)):
        raise ConfigError(
            "No texts were given.",
            "Pass texts as arguments, as lines on standard input, or with --file and --out.",
        )
    found = answers(_answerer(ws, version), asked, threshold)
    rows = [{"text": text, **answer} for text, answer in zip(asked, found, strict=True)]
    unanswered = sum(row["probability"] is None for row in rows)
    return {"version": version.version, "answers": rows, "unanswered": unanswered}


def _show_answers(value: dict[str, Any], proba: bool) -> None:
    for row in value["answers"]:
        chances = "  ".join(f"{k} {v:.3f}" for k, v in (row["probabilities"] or {}).items())
        label = row["label"]
        if row["probability"] is None:
            label = NO_TEXT
        elif label is None:
            label = f"{DONT_KNOW} ({row['probability']:.3f})"
        echo("\t".join(map(plain, [label, row["text"], *([chances] if proba else [])])))


def _show_file(value: dict[str, Any]) -> None:
    said = f"Version {value['version']} answered {counted(value['answered'], 'row')}"
    withheld = f', {value["withheld"]:,} of them with "{DONT_KNOW}"' if value["withheld"] else ""
    echo(f"{said}{withheld}: {value['out']}")
    for each in value["problems"]:
        echo(f"line {each['line']}: {each['reason']}", err=True)
    if value["unanswered"]:
        more = value["unanswered"] - len(value["problems"])
        also = f", {more:,} of them not listed" if more else ""
        echo(
            f"Without an answer: {counted(value['unanswered'], 'line')}{also}.",
            "Correct them, then run this again with --force.",
            err=True,
        )


def _asked(ws: Workspace, name: str) -> Version:
    """Return the version to ask, and say where it is none to be served.

    Raises:
        ConfigError: there is none.
    """
    from components.operations.same_items import named
    from components.pipeline.pages import standing

    version = named(ws, name)
    if version.status in ("barred", "rejected"):
        what = standing(ws, version)
        echo(f"note: {what.title} {what.why}".rstrip(), err=True)
    return version


def _answerer(ws: Workspace, version: Version) -> Answerer:
    from components.model.answering import answerer
    from components.model.bundle import open_bundle
    from components.model.placement import placement_of

    return answerer(ws.base, open_bundle(ws.bundles, version.bundle), placement_of(ws.settings))
