"""Print the outcome of a batch or of a rollback."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from components.cli.output import Styled, counted, echo, status
from components.evaluation.cause import called
from components.pipeline.new_tasks import sentences
from components.pipeline.taken_out import is_back

BY_ITSELF = ("ratchet label", "ratchet approve", "ratchet reject", "ratchet run")
"""What settles a held batch, or takes its place, without that it is examined again."""


def show_settled(outcome: dict[str, Any], told: Collection[str] = ()) -> None:
    """Print a settled batch: what, why, and what to type next; no notes that were `told` before."""
    version = f", version {outcome['version']}" if outcome["version"] else ""
    source = f", {outcome['source']}" if outcome["source"] else ""
    out = outcome.get("taken_out")
    known = "seen before, taken out since" if out else "seen before"
    again = f" ({known}, nothing was trained)" if outcome.get("seen_before") else ""
    echo((status(outcome["action"]), f" batch {outcome['batch'][:12]}{source}{version}{again}"))
    if outcome.get("pooled"):
        echo(f"  trained together: {', '.join(outcome['pooled'])}")
    echo(f"  {out or outcome['headline']}")
    show_causes(outcome.get("causes", ()), called(outcome["action"]))
    for note in outcome.get("notes", ()):
        if note not in told:
            echo(f"  note: {note}")
    for loud, sentence in sentences(outcome["new_tasks"]):
        echo(("  ", Styled(sentence, "yellow" if loud else None)))
    if outcome.get("broken") and outcome["action"] != "refused":
        show = f"ratchet quarantine show {outcome['batch'][:12]}"
        echo(f"  {counted(outcome['broken'], 'row')} of it in quarantine: {show}")
    if outcome.get("blocked"):
        echo(
            f"  {counted(outcome['blocked'], 'row')} of it held out for exams, or nearly the same: "
            "never trained on (labels of an exam: ratchet exam relabel)"
        )
    if outcome.get("report"):
        echo(f"  report: {outcome['report']}")
    if outcome["version"]:
        echo(f"  next: ratchet version explain {outcome['version']}")
        show_settle(outcome["settle"], outcome["batch"])
    elif outcome["action"] == "refused":
        echo(f"  next: ratchet quarantine show {outcome['batch'][:12]}")


def show_causes(causes: Sequence[str], name: str = called("held")) -> None:
    """Print what probably went wrong."""
    for cause in causes:
        echo((Styled(f"  {name}: ", "yellow"), cause))


def show_settle(ways: Sequence[str], batch: str) -> None:
    """Print all that it takes to settle a held batch."""
    from components.pipeline.held import WAIT

    if ways:
        echo("  to settle it:", *(f"    - {way}" for way in ways))
    if any(all(each not in way for each in (*BY_ITSELF, WAIT)) for way in ways):
        release = f"`ratchet quarantine release {batch[:12]}` and `ratchet intake`"
        echo(f"    once exams or settings have changed, examine it again, as it is: {release}")


def show_arrived(arrived: dict[str, Any]) -> None:
    """Print what is unusual about a new file; its outcome is printed once it is settled."""
    batch = arrived["batch"][:12]
    if not arrived["is_new"]:
        echo(f"seen before: {arrived['source']} is batch {batch}, {arrived['known_as']}")
        if arrived["note"]:
            echo(f"  note: {arrived['note']}")
        if arrived["taken_out"]:
            echo(f"  {arrived['taken_out']}")
        if arrived["other_task"]:
            echo(f"  {arrived['other_task']['sentence']}")
            echo(f"  next: {arrived['other_task']['next']}")
    elif arrived["alike"]:
        echo(
            f"note: {arrived['source']} has the same texts and labels as batch "
            f"{arrived['alike'][:12]}, but other tasks or columns: it becomes batch {batch}"
        )
    elif arrived["refused"]:
        echo((status("refused"), f" batch {batch}, {arrived['source']}"))
        echo(f"  {arrived['refused']}", f"  next: ratchet quarantine show {batch}")


def show_pooled(pooled: list[dict[str, Any]]) -> None:
    """Print the files of unlabelled inputs that were taken from data/pool."""
    for each in pooled:
        inputs = counted(each["inputs"], "new input")
        echo(f"{each['path']}: {inputs} for the pool of {each['task']}")


def show_released(batches: list[str]) -> None:
    """Print which held batches can be decided now."""
    for batch in batches:
        echo(f"batch {batch[:12]} is queued again: it waited for labels, and can be decided now")


def show_heard(word: dict[str, Any]) -> None:
    """Print what somebody said in MLflow, and what came of it."""
    said = f"version {word['version']}: {word['word']} by {word['by']}"
    if word["refused"]:
        echo(f"not counted: {said}: {word['refused']}")
    else:
        echo((status(word["action"]), f" {said}"))


def show_probation(ended: dict[str, Any]) -> None:
    """Print how a probation ended."""
    if not ended["confirmed"]:
        echo(f"Version {ended['champion']} is champion again.")
    echo(ended["reason"])


def show_left(left: list[dict[str, Any]]) -> None:
    """Print which files stay in data/incoming or data/pool, and why."""
    for each in left:
        echo((Styled("left", "yellow"), f" {each['path']}: {each['reason']}"))


def show_warnings(warnings: list[str]) -> None:
    """Print warnings."""
    for warning in warnings:
        echo((Styled("warning:", "yellow"), f" {warning}"))


def show_planned(planned: dict[str, Any]) -> None:
    """Print what a rollback, or undoing one, would do."""
    to = f"from version {planned['from_version']} to version {planned['to_version']}"
    if "restored" in planned:
        echo(f"Undoing the rollback would go {to}.")
        _show_restored(planned)
        return
    echo(f"A rollback would go {to}, and bar {_listed('version', planned['cost']['versions'])}.")
    _show_cost(planned, "would go to")
    show_requeued(planned, "would be queued")


def show_rollback(undone: dict[str, Any]) -> None:
    """Print a rollback and its cost."""
    again = f" version {undone['from_version']}; version {undone['to_version']} is champion again."
    echo((status("barred"), again), f"  {undone['reason']}")
    _show_cost(undone, "is in")
    _show_servers(undone)


def show_undone(done: dict[str, Any]) -> None:
    """Print that a rollback was undone."""
    echo((status("champion"), f" version {done['to_version']} again; the rollback is undone."))
    echo(f"  {done['reason']}")
    _show_restored(done)
    _show_servers(done)
    echo(f"  next: ratchet version explain {done['to_version']}")


def show_requeued(rollback: dict[str, Any], queued: str = "queued") -> None:
    """Print which batches a rollback queued again; `watch` and the worker run them at once."""
    if rollback["requeued"]:
        batches = ", ".join(batch[:12] for batch in rollback["requeued"])
        echo(f"  {queued} again: {batches}")


def _show_cost(rollback: dict[str, Any], set_aside: str) -> None:
    """Print which versions are barred, what they take away, and which batch is set aside."""
    cost = rollback["cost"]
    lost = [_listed(what, cost[f"{what}s"]) for what in ("version", "task", "label")]
    echo(f"  cost: {'; '.join(filter(None, lost)) or 'nothing'}")
    for batch, version in cost.get("returned", {}).items():
        echo(f"  {is_back(batch, version)}")
    if rollback["offending_batch"]:
        echo(f"  batch {rollback['offending_batch'][:12]} {set_aside} quarantine")


def _show_servers(moved: dict[str, Any]) -> None:
    """Say that what serves the champion has loaded it once."""
    echo(f"  servers answer with version {moved['from_version']} until they are started again")


def _show_restored(undone: dict[str, Any]) -> None:
    """Print which versions and batches come back, and which examinations no longer count."""
    echo(f"  no longer barred: {_listed('version', undone['restored'])}")
    for batch in undone["batches"]:
        echo(f"  promoted again: batch {batch[:12]}")
    if undone["superseded"]:
        echo(f"  no longer held: {_listed('version', undone['superseded'])}")


def _listed(noun: str, values: list[Any]) -> str:
    """Return `task a` or `tasks a, b`; nothing where there are none."""
    named = ", ".join(str(value) for value in values)
    return f"{noun}{'s' * (len(values) > 1)} {named}" if values else ""
