"""The worker's log: one line an event, with its time, in a terminal and in a file alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.cli.output import Line, Styled, counted, echo, status
from components.clock import system_clock

Value = Mapping[str, Any]


def log(words: Line, err: bool = False) -> None:
    """Print a line with the time before it; `err`: on stderr, where faults belong."""
    pieces = words if isinstance(words, tuple) else (words,)
    echo((f"{now()} ", *pieces), err=err)


def now() -> str:
    """Return the time in UTC, to the second."""
    return system_clock().isoformat(timespec="seconds")


def log_event(kind: str, value: Value) -> None:
    """Print what the worker tells of."""
    log(WORDS[kind](value), err=kind in ("fault", "put back", "not shown"))


def _arrived(value: Value) -> str:
    batch, source = value["batch"][:12], value["source"]
    if not value["is_new"]:
        more = [value["note"], value["taken_out"], (value["other_task"] or {}).get("sentence")]
        said = "; ".join(each for each in more if each)
        return f"seen before: {source} is batch {batch}, {value['known_as']}" + (
            f"; {said}" if said else ""
        )
    alike = value["alike"]
    like = f", with the texts and labels of batch {alike[:12]}" if alike else ""
    return f"took in {source}: batch {batch}{like}"


def _refused(value: Value) -> Line:
    show = f"ratchet quarantine show {value['batch'][:12]}"
    return (status("refused"), f" {value['source']}: {value['refused']} next: {show}")


def _settled(value: Value) -> Line:
    batch, version = value["batch"][:12], value["version"]
    named = f" {value['source'] or 'batch'} ({batch}{f', version {version}' if version else ''})"
    follows = f"ratchet version explain {version}" if version else ""
    if value["action"] == "refused":
        follows = f"ratchet quarantine show {batch}"
    notes = [f"note: {note}" for note in value["notes"]]
    said = " ".join([value["headline"], *notes, *([f"next: {follows}"] if follows else [])])
    return (status(value["action"]), f"{named}: {said}")


def _heard(value: Value) -> str:
    said = f"version {value['version']}: {value['word']} by {value['by']}"
    return f"not counted: {said}: {value['refused']}" if value["refused"] else f"heard: {said}"


def _probation(value: Value) -> str:
    back = "" if value["confirmed"] else f"version {value['champion']} is champion again: "
    return f"{back}{value['reason']}"


def _watched(value: Value) -> str:
    undone = value["rollback"]
    if undone is not None:
        return (
            f"rolled back from version {undone['from_version']} to version "
            f"{undone['to_version']}: {undone['reason']}"
        )
    if value["champion"] is None:
        return "there is no champion to watch yet"
    return f"watched version {value['champion']}: fine on {counted(value['exams'], 'exam')}"


WORDS: Mapping[str, Callable[[Value], Line]] = {
    "arrived": _arrived,
    "refused": _refused,
    "started": lambda value: f"running {value['source']}: batch {value['batch'][:12]}",
    "settled": _settled,
    "watched": _watched,
    "pooled": lambda value: (
        f"took in {value['path']}: {counted(value['inputs'], 'new input')} for the pool of "
        f"{value['task']}"
    ),
    "probation": _probation,
    "released": lambda value: (
        f"batch {value['batch'][:12]} is queued again: it waited for labels, and can be decided now"
    ),
    "put back": lambda value: "an alias had been moved in MLflow past the pipeline: it is back",
    "not shown": lambda value: f"people can't be asked in MLflow: {value['reason']}",
    "labelled": lambda value: f"{counted(value['labels'], 'label')} given in MLflow",
    "heard": _heard,
    "left": lambda value: f"left {value['path']}: {value['reason']}",
    "fault": lambda value: (
        Styled(f"error ({value['code']}):", "red"),
        f" {value['message']} {value['remedy']}",
    ),
}
"""What the worker tells of -> the line about it."""
