"""What a command says to do next is a command that works, and does something new."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from components.cli.main import cli
from components.pipeline import arrival
from components.workspace.root import open_workspace
from tests.command import REPOSITORY, ratchet
from tests.stream import add_exam, batch, rows, settle, write_jsonl


def next_command(out: str) -> list[str]:
    """Return the words of the command that an output ends with, after `ratchet`."""
    [command] = [
        line.partition(": ratchet ")[2] for line in out.splitlines() if ": ratchet " in line
    ]
    return shlex.split(command)


def test_a_new_root_is_told_to_add_an_exam_before_it_runs_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = ratchet(Path("."), "init", "my model").out
    steps = ["cd 'my model'", "edit params.yaml", "ratchet holdout add", "ratchet run"]
    places = [told.index(step) for step in steps]
    assert places == sorted(places)
    monkeypatch.chdir(tmp_path / "my model")
    assert "cd " not in ratchet(Path("."), "init").out


def test_without_a_champion_nothing_is_to_be_watched(root: Path) -> None:
    exam = batch(root / "exam.jsonl", 900, 60)
    assert next_command(ratchet(root, "holdout", "add", exam, "--task", "two words").out) == [
        "run", "FILE", "--task", "two words",
    ]  # fmt: skip
    other = batch(root / "right.jsonl", 900, 20, flip=True)
    told = ratchet(root, "exam", "relabel", "two words", other, "--reason", "wrong")
    assert next_command(told.out) == ["run", "FILE", "--task", "two words"]
    assert "`ratchet run FILE --task 'two words'`" in ratchet(root, "status").out


def test_a_task_that_the_champion_has_not_learned_is_not_to_be_watched(grown: Path) -> None:
    exam = batch(grown / "other.jsonl", 901, 60)
    told = ratchet(grown, "holdout", "add", exam, "--task", "other")
    assert next_command(told.out) == ["run", "FILE", "--task", "other"]
    more = batch(grown / "more.jsonl", 902, 60)
    told = ratchet(grown, "holdout", "add", more, "--task", "mood")
    assert next_command(told.out) == ["watch"]


def test_a_held_batch_is_listed_shown_and_examined_again_as_the_hints_say(grown: Path) -> None:
    held = settle(grown, batch(grown / "few.jsonl", 5, 30), "other")
    assert held.action == "held"
    [listed] = ratchet(grown, "quarantine", "list", "--json").facts
    assert (listed["kind"], listed["status"], listed["rows"]) == ("held", "held", 30)
    assert listed["reason"] and listed["batch"] == held.batch
    shown = ratchet(grown, "quarantine", "show", held.batch[:12])
    assert shown.code == 2 and f"`ratchet version explain {held.version}`" in shown.err
    exam = batch(grown / "exam2.jsonl", 903, 100)
    told = ratchet(grown, "holdout", "add", exam, "--task", "other")
    release = next_command(told.out)
    assert release == ["quarantine", "release", held.batch[:12]]
    assert next_command(ratchet(grown, *release).out) == ["intake"]


def test_a_refused_batch_is_not_to_be_released_as_it_is_again_and_again(grown: Path) -> None:
    few = settle(grown, batch(grown / "few.jsonl", 5, 4))
    assert few.action == "refused"
    shown = ratchet(grown, "quarantine", "show", few.batch[:12]).out
    export = f"ratchet quarantine export {few.batch[:12]} rows.csv"
    assert f"next: `{export}`, correct them, and `ratchet run rows.csv --task mood`" in shown
    assert ratchet(grown, "quarantine", "release", few.batch[:12]).code == 0
    assert "It was released" in ratchet(grown, "quarantine", "show", few.batch[:12]).out


def test_a_rejected_batch_is_released_once_something_has_changed(grown: Path) -> None:
    turned = settle(grown, batch(grown / "turned.jsonl", 3, 360, flip=True))
    assert turned.action == "rejected"
    shown = ratchet(grown, "quarantine", "show", turned.batch[:12]).out
    assert "once the exams or the champion have changed: ratchet quarantine release" in shown


def test_a_file_without_the_columns_is_not_to_be_exported(grown: Path) -> None:
    """Fault: what can't be read as rows was to be exported, which failed."""
    odd = write_jsonl(grown / "odd.jsonl", [{"body": "good", "queue": "pos"}] * 20)
    arrived = arrival.arrive(open_workspace(grown), odd, "mood")
    assert arrived.refused
    refused = arrived.batch[:12]
    shown = ratchet(grown, "quarantine", "show", refused).out
    assert "quarantine export" not in shown and "change params.yaml as said above" in shown
    assert f"`ratchet quarantine release {refused}`" in shown


def test_copies_and_few_refused_rows_are_not_to_be_released(grown: Path) -> None:
    """Fault: a release of these was refused for want of rows."""
    some = rows(3)
    copied = settle(grown, write_jsonl(grown / "copied.jsonl", [*some, some[0]]))
    shown = ratchet(grown, "quarantine", "show", copied.batch[:12]).out
    assert "Nothing is to be done" in shown and "quarantine release" not in shown
    gap = [{"text": "a row without a label", "label": ""}]
    gaps = settle(grown, write_jsonl(grown / "gaps.jsonl", [*rows(4), *gap]))
    shown = ratchet(grown, "quarantine", "show", gaps.batch[:12]).out
    assert "add them to the next file of mood" in shown and "quarantine release" not in shown


def test_after_a_rollback_each_batch_is_named_with_what_to_do_about_it(grown: Path) -> None:
    """Fault: of a batch that was queued again, an entry of the quarantine was to be shown."""
    assert settle(grown, batch(grown / "b3.jsonl", 3)).action == "promoted"
    back = ratchet(grown, "rollback", "--to", "1", "--reason", "worse").out
    assert "(as long as no other version comes into force)" in back
    queued = ratchet(grown, "version", "explain", "3").out
    assert "is queued, to be examined again: `ratchet intake`" in queued
    assert "quarantine show" not in queued
    assert (
        "is in quarantine: `ratchet quarantine show"
        in ratchet(grown, "version", "explain", "2").out
    )
    index = (grown / "mlruns" / "reports" / "index.html").read_text()
    assert "Of 3 batches: 2 barred (1 of them queued again)." in index
    assert settle(grown, batch(grown / "b4.jsonl", 4)).action == "promoted"
    late = ratchet(grown, "rollback", "--undo", "--reason", "a slip")
    assert late.code != 0 and "`ratchet quarantine release" in late.err


def test_what_a_plan_lacks_is_named_with_its_task(grown: Path) -> None:
    add_exam(grown, write_jsonl(grown / "small.jsonl", rows(77, 12)), "mood")
    said = ratchet(grown, "gate", "plan", "--margin", "0.5").out
    assert "ratchet holdout add FILE --task mood --fill" in said and "NAME" not in said


HINT = re.compile(r"`ratchet ([^`]*)`|next: ratchet (.*)")
PLAIN = {"FILE", "NAME", "WHY", "TEXT", "BATCH", "POINTS", "VERSION"}


def hints() -> Iterator[tuple[str, str]]:
    """Yield every command that a message of ours names, with its place; values become `7`."""
    for path in sorted(REPOSITORY.glob("components/**/*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}
        inner = {
            id(piece)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for piece in node.values
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                pieces = [str(v.value) if isinstance(v, ast.Constant) else "7" for v in node.values]
            elif isinstance(node, ast.Constant) and id(node) not in docs | inner:
                pieces = [node.value] if isinstance(node.value, str) else []
            else:
                continue
            for found in HINT.finditer("".join(pieces)):
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", found[1] or found[2]


def _has_docstring(node: Any) -> bool:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node) is not None


def parse(words: list[str], whole: bool) -> str:
    """Say why a command can't be typed like this; a bare name, not `whole`, only has to exist."""
    command: click.Command = cli
    context = click.Context(cli, info_name="ratchet")
    while isinstance(command, click.Group) and words:
        name, *words = words
        found = command.get_command(context, name)
        if found is None:
            return f"there is no command {name}"
        command, context = found, click.Context(found, parent=context)
    if not words and not whole:
        return ""
    try:
        command.make_context("x", words, parent=context.parent)
    except click.UsageError as error:
        return error.format_message()
    return ""


def test_every_command_that_a_message_names_can_be_typed() -> None:
    wrong, count = [], 0
    for place, hint in hints():
        words = shlex.split(re.sub(r"\s*\(.*|[;,].*|\s{2,}.*", "", hint).rstrip(". "))
        words = ["." if word == "PATH" else "7" if word in PLAIN else word for word in words]
        if not words or words[0].startswith("-"):
            continue
        count += 1
        if why := parse(words, whole=len(words) > 2 or "next: " in hint):
            wrong.append(f"{place}: `ratchet {hint}`: {why}")
    assert count > 80 and not wrong, "\n".join(wrong)
