"""The command `check`: what a file would be as a batch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from components.cli.daily import EXIT_CODES
from components.cli.gate import lacking
from components.cli.options import Context, json_option, pass_root, task_option
from components.cli.outcomes import show_warnings
from components.cli.output import Styled, counted, echo, facts, status
from components.evaluation.cause import percent
from components.shown_text import plain, shortened

LABELS = 12
"""Labels that are shown with their counts."""

TEXT_CHARS, PAIRS = 70, 5


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(check)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@task_option
@json_option
@pass_root
def check(context: Context, file: Path, task: str | None, as_json: bool) -> None:
    """Show what FILE would be as a batch; nothing is changed.

    Nothing is trained or recorded. Says how the file is read, which rows would be rejected, how
    its labels compare with the champion's, what is in an exam or an earlier batch already, how
    many texts are cut or unknown to the base or in a language that is new, where the champion
    surely answers otherwise than labelled, and what the exams can tell. Exits with 0; with 1 if a
    run would refuse the file; with 2 if a run would stop at the settings; with 3 if rows look wrong
    or none is new, so that somebody should look first; for rows that came before, as `ratchet run`
    did.
    """
    from components.operations.file_check import check as find

    value = find(context.open(), file, task)
    facts(as_json, value, lambda: _show(value, file, task))
    sys.exit(_exit_code(value))


def _exit_code(value: Mapping[str, Any]) -> int:
    if value["verdict"] == "seen":
        return EXIT_CODES.get(value["seen"]["status"], 1)
    return {"refused": 1, "blocked": 2, "doubtful": 3}.get(value["verdict"], 0)


def _show(value: dict[str, Any], file: Path, task: str | None) -> None:
    verdict = value["verdict"]
    if verdict == "refused":
        echo((status("refused"), f" {value['file']}: a run would refuse this file"))
        echo(f"  {value['refused']}")
    elif verdict == "blocked":
        echo(
            (
                Styled("blocked", "red"),
                f" {value['file']}: a run would stop before it takes any file in",
            )
        )
        echo(f"  {value['blocked']}")
    elif verdict == "seen":
        echo((Styled("seen", "yellow"), f" {value['file']}: {_seen(value['seen'])}"))
    else:
        accepted = counted(value["rows"]["accepted"], "row")
        said = f" {value['file']}: {accepted} for {_listed('task', list(value['tasks']))}"
        if value["rows"]["rejected"]:
            said += f"; {percent(value['rows']['rejected'] / value['rows']['read'])} rejected"
        echo((Styled(verdict, "yellow" if verdict == "doubtful" else "green"), said))
    if "rows" not in value:
        return
    lines: list[tuple[str, str]] = [
        ("format", _format(value["format"])),
        ("seen", _seen(value["seen"]) if verdict == "refused" else ""),
        ("rows", _rows(value["rows"])),
        *(("", line) for line in _rejected(value["rows"])),
        ("labels", _labels(value["labels"])),
    ]
    if verdict not in ("refused", "blocked"):
        lines += [
            ("copies", _copies(value["copies"])),
            ("tokens", _tokens(value["tokens"])),
            *(("exam", line) for line in _exams(value["tasks"])),
            *_champion(value["champion"]),
        ]
    for name, line in lines:
        if line:
            echo(f"  {name:<9} {line}")
    show_warnings(value["warnings"])
    _show_next(value, f"{shlex.quote(str(file))}{f' --task {shlex.quote(task)}' if task else ''}")


def _show_next(value: Mapping[str, Any], sent: str) -> None:
    """Print what to do; `sent`: the file as a command takes it, with its task."""
    seen = value["seen"]
    if value["verdict"] == "refused":
        return
    if value["verdict"] == "blocked":
        echo(f"next: correct params.yaml, then `ratchet check {sent}`")
    elif value["verdict"] == "seen":
        step, why = f"ratchet quarantine show {seen['batch'][:12]}", "what became of these rows"
        if seen["status"] in ("queued", "running"):
            step, why = "ratchet intake", "they wait to be trained on"
        elif seen["version"]:
            step = f"ratchet version explain {seen['version']}"
        echo(f"next: {step} ({why}; a run would train nothing)")
    elif sum(value["copies"].values()) >= value["rows"]["accepted"]:
        echo(f"next: send rows that are new; to train on these again, `ratchet run {sent}`")
    elif value["verdict"] == "doubtful":
        echo(
            f"next: look at these rows; where they are wrong, correct the file and `ratchet check "
            f"{sent}`; where they are right as they are, `ratchet run {sent}`"
        )
    else:
        echo(f"next: ratchet run {sent}")


def _format(found: Mapping[str, Any]) -> str:
    kind = {"csv": "CSV", "parquet": "Parquet"}.get(found["kind"], "JSON Lines")
    separator = f" with {found['separator']}" if found["separator"] else ""
    columns = [
        ours if theirs == ours else f"{theirs} (read as {ours})"
        for ours, theirs in found["columns"].items()
    ]
    unused = f"; not used: {', '.join(found['unused'])}" if found["unused"] else ""
    return f"{kind}{separator}; columns: {', '.join(columns)}{unused}"


def _seen(seen: Mapping[str, Any] | None) -> str:
    if seen is None:
        return ""
    version = f", version {seen['version']}" if seen["version"] else ""
    return (
        f"these rows came before: batch {seen['batch'][:12]}, {seen['source']}, "
        f"{seen['status']}{version}"
    )


def _rows(rows: Mapping[str, Any]) -> str:
    said = f"{rows['read']:,} read, {rows['accepted']:,} accepted"
    if not rows["rejected"]:
        return said
    why = ", ".join(f"{reason}: {count:,}" for reason, count in rows["reasons"].items())
    return f"{said}, {rows['rejected']:,} rejected ({why})"


def _rejected(rows: Mapping[str, Any]) -> Iterator[str]:
    for each in rows["first"]:
        yield f"line {each['line']}: {', '.join(each['reasons'])}"
    if rows["rejected"] > len(rows["first"]) > 0:
        yield f"and {rows['rejected'] - len(rows['first']):,} more"


def _labels(found: Mapping[str, Any]) -> str:
    counts = found["counts"]
    shown = _first([f"{name} {count:,}" for name, count in counts.items()])
    new = f"; new to the champion: {_first(found['new'])}" if found["new"] else ""
    absent = f"; it also knows: {_first(found['missing'])}" if found["missing"] else ""
    return f"{len(counts):,}: {shown}{new}{absent}"


def _first(names: list[str]) -> str:
    """Return names for a line, at most `LABELS` of them."""
    from components.gate.sentences import listed

    return listed(names, LABELS)


def _copies(found: Mapping[str, int]) -> str:
    exams, earlier = found["in_exams"], found["in_earlier_batches"]
    if not exams and not earlier:
        return "no row is in an exam or was trained on before"
    return (
        f"{counted(exams, 'row')} in an exam (not trained on), {counted(earlier, 'row')} trained "
        "on before (not held out)"
    )


def _tokens(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not looked at"
    return (
        f"{100 * found['cut']:.1f} % of the texts are cut at {found['max_tokens']} tokens "
        f"(19 of 20 have at most {found['long']:,}); {100 * found['unknown']:.1f} % of the tokens "
        f"are unknown to the base (looked at {counted(found['texts'], 'text')})"
    )


def _exams(tasks: Mapping[str, Any]) -> Iterator[str]:
    for task, each in tasks.items():
        deciding = [exam for exam in each["exams"] if exam["decides"]]
        for exam in deciding:
            more = exam["items_needed"] - exam["items"]
            has = f"{exam['exam']} has {counted(exam['items'], 'item')}"
            passing = "4 of 5 harmless updates to pass"
            add = f"add {more:,} (`ratchet holdout add FILE --task {task} --fill`)"
            enough = f"{has}, enough for {passing}"
            yield enough if more <= 0 else f"{has}; for {passing}, {add}"
            if exam["lacks"]:
                to_add = f"`ratchet holdout add FILE --task {task} --fill` adds some"
                yield f"{exam['exam']} {lacking(exam['lacks'])}; {to_add}"
        for pool in each["pools"]:
            usual = pool["labels"][len(pool["labels"]) // 2]
            yield (
                f"{pool['exam']} has {counted(pool['inputs'], 'input')}: a decision asks for about "
                f"{counted(usual['median'], 'label')}, in 9 of 10 cases at most "
                f"{usual['nine_in_ten']:,} (if {percent(usual['churn'])} of the answers change)"
            )
        if not deciding and not each["pools"]:
            what = "is new" if each["new"] else "has no exam that decides"
            other = (
                f"; did you mean --task {each['others'][0]}?" if len(each["others"]) == 1 else ""
            )
            held_out = counted(each["held_out"], "row")
            yield f"{task} {what}: about {held_out} would be held out{other}"


def _champion(found: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if found is None:
        yield "champion", "none that knows these tasks: labels were not compared with its answers"
        return
    part = ""
    if found["answered"] < found["rows"]:
        part = f"; asked {found['answered']:,} of {found['rows']:,} rows, drawn by their digests"
    if not found["compared"]:
        yield "champion", f"version {found['version']} knows none of these labels"
        return
    yield (
        "champion",
        f"version {found['version']} answers {found['otherwise']:,} of "
        f"{counted(found['compared'], 'row')} otherwise than labelled, "
        f"{found['surely_otherwise']:,} of these for sure{part}",
    )
    for each in found["pairs"][:PAIRS]:
        of = f"{each['rows']:,} of {counted(each['of'], 'row')}"
        new = " (new)" if each["new"] else ""
        yield "", f"labelled {each['label']}{new}, surely {each['champion']}: {of}"
    for each in found["worst"]:
        short = shortened(plain(each["text"]), TEXT_CHARS)
        yield (
            "",
            f"{percent(each['sure'])} {each['champion']}, labelled {each['label']}: {short}",
        )


def _listed(noun: str, names: list[str]) -> str:
    return f"{noun}{'s' * (len(names) != 1)} {', '.join(names) or 'none'}"
