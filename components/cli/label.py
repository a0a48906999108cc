"""The command `ratchet label`: a person says what inputs of a pool are, one by one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.cli.arguments import VERSION, Words
from components.cli.keys import END, Keys, reading_keys
from components.cli.next_steps import only_task
from components.cli.options import Context, changing, drain, json_option, pass_root, quiet_option
from components.cli.outcomes import show_probation, show_released, show_settled
from components.cli.output import (
    Styled,
    counted,
    echo,
    facts,
    paragraphs,
    progress_bar,
    table,
)
from components.shown_text import plain

if TYPE_CHECKING:
    from components.ledger.views import Version
    from components.operations.labelling import Kind, Open, Question
    from components.workspace.root import Workspace

OTHERS = "o another label   n none of these   ? cannot tell   u undo   s skip   q stop"
MARK = "  | "


def register(group: click.Group) -> None:
    """Add this module's commands."""
    group.add_command(label)


@click.group(invoke_without_command=True)
@click.option("--task", type=Words(), help="Ask about inputs of this task only.")
@click.option("--no-run", is_flag=True, help="Record answers only; `ratchet intake` does the rest.")
@quiet_option
@click.pass_context
def label(context: click.Context, task: str | None, no_run: bool) -> None:
    """Label the inputs that can decide about held versions.

    Asks one question at a time: a text, and the labels that the versions gave it, in an order
    that says nothing. Press the number of the right label, or:

    \b
      o  another label: type its beginning, Tab completes it
      n  none of these, without saying which
      ?  it cannot be told
      u  take the last answer back        s  skip for now
      q  stop; Ctrl-C does too

    Each answer is recorded at once, so stopping loses nothing. Only inputs that versions label
    differently are asked, and only while their label can still change the decision; one in
    ten is asked twice, to measure how far answers can be trusted. At the end, the
    versions that have all their labels are examined again. From a pipe, each line is an answer.
    """  # noqa: D301  (click looks for the character)
    if context.invoked_subcommand is None:
        _ask(context.obj, task, no_run)


@label.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--task", type=Words(), help="Export the questions of this task only.")
@json_option
@pass_root
def export(context: Context, file: Path, task: str | None, as_json: bool) -> None:
    """Write the open questions to FILE, a new .csv or .jsonl.

    Fill in the column `label`: a label, `(none)` for none of the choices, `?` where it cannot
    be told; leave it empty to skip. Then run `ratchet label import FILE`.
    """
    from components.operations import label_files

    count = label_files.export(context.open(), file, task)

    def show() -> None:
        echo(f"{file}: {counted(count, 'question')}. Fill in the column `label`, then:")
        echo(f"next: ratchet label import {file}")

    facts(as_json, {"file": str(file), "questions": count}, show)


@label.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@pass_root
def take(context: Context, file: Path, as_json: bool) -> None:
    """Record the answers in FILE, which `ratchet label export` wrote.

    Every line is checked first; if one cannot be used, nothing is recorded.
    """
    from components.operations import label_files

    ws = context.open()
    done = label_files.take(ws, file)
    left = len(label_files.open_questions(ws))

    def show() -> None:
        echo(f"{file}: {counted(done.answers, 'answer')} recorded, {done.blank} left empty.")
        echo(f"Still asked: {left}.", "next: ratchet label" if left else "next: ratchet intake")

    facts(as_json, {**asdict(done), "still_asked": left}, show)


@label.command("answers")
@click.option("--task", type=Words(), help="Show the answers of this task only.")
@json_option
@pass_root
def answers(context: Context, task: str | None, as_json: bool) -> None:
    """List the answers that count, the newest first, each with its number."""
    from components.operations import labelling

    found = labelling.recorded(context.open(), task)

    def show() -> None:
        rows = [
            (each.number, each.time[:16], each.by, each.task, each.label or each.answer, each.text)
            for each in found
        ]
        if rows:
            table(["number", "time (UTC)", "by", "task", "answer", "text"], rows)
        else:
            echo("No answer was given yet.", "next: ratchet label")

    facts(as_json, [asdict(each) for each in found], show)


@label.command("withdraw")
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True, type=VERSION)
@json_option
@pass_root
def withdraw(context: Context, numbers: tuple[int, ...], as_json: bool) -> None:
    """Take back answers that were wrong, by their numbers (`ratchet label answers`).

    They count no more, and are asked again where they still matter. What was decided with them
    stays as it is.
    """
    from components.operations import labelling

    ws = context.open()
    for number in numbers:
        labelling.withdraw(ws, number)
    facts(
        as_json,
        {"withdrawn": numbers},
        lambda: echo(f"{counted(len(numbers), 'answer')} taken back."),
    )


def _ask(context: Context, task: str | None, no_run: bool) -> None:
    from components.operations import labelling, probation

    with progress_bar() as progress:
        ws = context.open(progress)
        ended = (
            None if no_run else probation.check_if_due(ws, changing)
        )  # questions come with a look
    if ended is not None:
        show_probation(asdict(ended))
    with reading_keys() as keys:
        sitting = Sitting(ws, keys, task)
        examine = sitting.run() and not no_run
    ready = labelling.ready(ws)
    if not (ready or probation.is_due(ws)):
        return
    if examine:
        _run_ready(ws)
    else:
        what = "A held batch can be decided now." if ready else "A probation can end now."
        echo(what, "next: ratchet intake")


def _run_ready(ws: Workspace) -> None:
    """End a probation, queue again what can be decided, and run the inbox."""
    from components.operations import labelling, probation

    with progress_bar() as progress:
        ws.progress = progress
        ended = probation.check_if_due(ws, changing)
        with changing(ws) as lease:
            released = labelling.release_ready(ws, lease)
        outcomes = drain(ws, progress)
    if ended is not None:
        show_probation(asdict(ended))
    show_released(released)
    for outcome in outcomes:
        show_settled(outcome)


@dataclass(slots=True)
class Sitting:
    """One person's sitting: what was answered in it, so that it can be taken back.

    `skipped`: (task, item) of what was put off. `first`: the item that is asked next, whatever
    the order says.
    """

    ws: Workspace
    keys: Keys
    task: str | None
    given: list[tuple[Question, int]] = field(default_factory=list)
    skipped: set[tuple[str, str]] = field(default_factory=set)
    first: str | None = None

    def run(self) -> bool:
        """Ask until nothing is open or the person stops; return whether to examine."""
        from components.operations.labelling import waiting

        while True:
            opened = waiting(self.ws)
            questions = self._open(opened)
            if questions:
                if not self._ask(opened, questions):
                    return True
            else:
                echo("", *self._why_over(opened))
                key = self._key_at_the_end() if self.given else END
                if key != "u":
                    return key != "q"
                self._undo()

    def _open(self, opened: Sequence[Open]) -> list[Question]:
        """Return the questions of this sitting, each input once, the one that was undone first."""
        found: dict[tuple[str, str], Question] = {}
        for each in opened:
            for question in each.questions:
                place = question.task, question.item
                if self.task in (None, question.task) and place not in self.skipped:
                    found.setdefault(place, question)
        return sorted(found.values(), key=lambda question: question.item != self.first)

    def _ask(self, opened: Sequence[Open], questions: Sequence[Question]) -> bool:
        """Ask one question; return whether to go on."""
        from components.operations.labelling import times_answered

        question, before = questions[0], times_answered(self.ws, questions[0])
        self._show(opened, questions)
        answered: tuple[Kind, str | None] | None = None
        while answered is None:
            key = self.keys.key()
            if key in ("q", END):
                self._say_stopped(len(questions) + len(self.skipped))
                return False
            if key == "u":
                if self._undo():
                    return True
            elif key == "s":
                self.skipped.add((question.task, question.item))
                echo("> skipped for now")
                return True
            else:
                answered = self._read(question, key)
        self.first = None
        if times_answered(self.ws, question) != before:
            echo("Somebody else has answered it meanwhile.")
            return True
        self._record(question, *answered)
        return True

    def _read(self, question: Question, key: str) -> tuple[Kind, str | None] | None:
        """Return the answer that a key stands for, or None where it stands for none."""
        if key.isdecimal() and 1 <= int(key) <= len(question.choices):
            return "label", question.choices[int(key) - 1]
        if key == "n":
            return "neither", None
        if key == "?":
            return "unclear", None
        if key == "o":
            return self._other(question)
        echo(f"{plain(key)!r} is no answer: 1 to {len(question.choices)}, or {OTHERS}.")
        return None

    def _other(self, question: Question) -> tuple[Kind, str | None] | None:
        labels = sorted({*question.labels, *question.choices})
        typed = self.keys.choose("> label: ", lambda text: matching(text, labels))
        if typed is None:
            return None
        if typed in labels:
            return "label", typed
        found = matching(typed, labels)
        if found:
            echo(f"Several labels begin with {typed!r}: {', '.join(found)}.")
        else:
            known = ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")
            echo(f"No label that the version knows begins with {typed!r}: {known}.")
            echo("If the right label is not among them, press n: none of these.")
        return None

    def _record(self, question: Question, said: Kind, named: str | None) -> None:
        from components.operations.labelling import answer

        self.given.append((question, answer(self.ws, question, said, named)))
        told = {"neither": "none of these", "unclear": "cannot tell"}.get(said, named)
        echo(("> ", Styled(f"{told}", "green")))

    def _undo(self) -> bool:
        """Take the last answer of this sitting back, and ask it next."""
        from components.operations.labelling import take_back

        if not self.given:
            echo("There is no answer of this sitting left to take back.")
            return False
        question, given = self.given.pop()
        take_back(self.ws, question, given)
        self.first = question.item
        echo("> took the last answer back")
        return True

    def _show(self, opened: Sequence[Open], questions: Sequence[Question]) -> None:
        question = questions[0]
        echo("", (Styled(question.task, "cyan"), f"   {self._progress(opened, questions)}"))
        echo("")
        paragraphs(question.text, MARK)
        echo("")
        echo(*(f"  {number} {each}" for number, each in enumerate(question.choices, start=1)))
        echo(f"  {OTHERS}")

    def _progress(self, opened: Sequence[Open], questions: Sequence[Question]) -> str:
        from components.operations.labelling import summary

        asking = [each for each in opened if each.questions]
        versions = ", ".join(str(each.version.version) for each in asking)
        tasks = sorted({question.task for question in questions})
        done = sum(each.answered for each in asking)
        said = f"answered {done}, up to {len(questions)} more, for version {versions}"
        if len(tasks) > 1:
            said += f" ({', '.join(tasks)})"
        found = summary(self.ws, *tasks)
        if found.asked_twice:
            said += f"; second answers: {found.disagreeing} of {found.asked_twice} disagree"
        return said

    def _say_stopped(self, left: int) -> None:
        echo(f"Stopped: {counted(len(self.given), 'answer')} in this sitting, up to {left} more.")
        echo("next: ratchet label")

    def _why_over(self, opened: Sequence[Open]) -> list[str]:
        """Return why nothing is asked any more, or at all."""
        left = {(q.task, q.item) for each in opened for q in each.questions}
        if skipped := len(left & self.skipped):
            return [f"Nothing else is asked. Skipped: {skipped}; `ratchet label` asks again."]
        if left:
            return [f"Nothing is asked about {self.task}; about other tasks: {len(left)}."]
        if self.given:
            return ["That is enough: no other label can change the decision."]
        if opened:
            return ["All labels that were asked for have arrived."]
        return _why_nothing(self.ws)

    def _key_at_the_end(self) -> str:
        echo("  Enter go on   u undo the last answer   q stop")
        return self.keys.key()


def matching(typed: str, labels: Sequence[str]) -> list[str]:
    """Return the labels that begin with `typed`, whatever the case; the one that it is, alone."""
    wanted = _folded(typed)
    exact = [each for each in labels if each == typed] or [
        each for each in labels if _folded(each) == wanted
    ]
    return exact or [each for each in labels if _folded(each).startswith(wanted)]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip()).casefold()


def _needs_more(ws: Workspace, version: Version) -> bool:
    from components.pipeline.held import decision_on, lacks_more_than_labels

    decision = decision_on(ws, version)
    return decision is not None and lacks_more_than_labels(decision)


def _why_nothing(ws: Workspace) -> list[str]:
    from components.ledger import views

    pools = views.pool_sizes(ws.ledger)
    if not pools:
        return [
            "Nothing is asked: there is no pool of unlabelled inputs.",
            f"next: ratchet pool add FILE --task {only_task(ws)}",
        ]
    held = ", ".join(f"{name} ({counted(size, 'input')})" for name, size in pools.items())
    if more := [each for each in views.versions(ws.ledger, status="held") if _needs_more(ws, each)]:
        names = ", ".join(str(each.version) for each in more)
        return [
            f"Nothing is asked: version {names} is held by what no label can settle.",
            f"next: ratchet version explain {more[-1].version}",
        ]
    return [
        f"Nothing is asked: no held version waits for labels. Pools: {held}.",
        "Questions come when a batch is held because its version and the champion label inputs of",
        "a pool differently.",
        f"next: ratchet run FILE --task {only_task(ws)}",
    ]
