"""The queue of questions to people: which inputs of a pool need a label, and their answers.

Concept: a held version's evidence says which inputs it and its references label differently. Those
whose label could still decide are asked, one by one, in an order that nobody could foresee, and
without saying which version said what. After each answer the decision is made again in memory, so
that nothing is asked that can't matter any more. Whoever asks (a terminal, a spreadsheet, a page)
uses these functions alone.

Promise: an answer is recorded at once, with who gave it, and can be taken back; stopping at any
moment loses nothing. A tenth of the inputs is asked twice, to measure how far answers can be
trusted.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from components.digest import json_digest, uniform
from components.errors import ConfigError, Corrupted
from components.gate.pool_counts import asked_inputs
from components.gate.verdicts import Decision, Differing, PoolResult
from components.ledger import views
from components.ledger.events import LabelGiven, LabelWithdrawn
from components.ledger.events import Recorded as Event
from components.ledger.ledger import Lease
from components.operations.quarantine_release import release_held
from components.pipeline.decision_now import Now, decide_now
from components.pipeline.held import waits_for_labels
from components.pipeline.pool_results import asked_twice, said_of
from components.workspace.item_library import Library
from components.workspace.root import Workspace

ASKED_TWICE = 0.1
"""Share of the inputs that are asked a second time."""

NONE_OF_THESE, CANNOT_TELL = "(none)", "?"
"""Answers in writing that are no label."""

APART = 5
"""A second question comes after so many others, or once nothing else is open."""


@dataclass(frozen=True, slots=True)
class Question:
    """One input to be labelled.

    `choices`: what the versions answered, in an order that says nothing; the right label may be
    another. `labels`: all labels that the candidate knows. `asked_by`: the evidence of the
    decision. `again`: it has an answer already.
    """

    task: str
    item: str
    text: str
    choices: tuple[str, ...]
    labels: tuple[str, ...]
    asked_by: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """A version, held or on probation, that waits for labels.

    `questions`: what is to be asked now, in order; none where all labels have arrived. `news`: why
    another examination could come out otherwise; empty where nothing has changed since the last.
    """

    version: views.Version
    decision: Decision
    questions: tuple[Question, ...]
    answered: int
    news: str

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks of which inputs are asked."""
        return frozenset(question.task for question in self.questions)


def waiting(ws: Workspace) -> list[Open]:
    """Return the held versions that asked for labels, oldest first; last, one on probation.

    One whose evidence is damaged is left out: `audit verify` names it, and nobody waits for it.
    """
    found = []
    for version in views.versions(ws.ledger, status="held"):
        with suppress(Corrupted):
            found += [each] if (each := _open(ws, version, version.evidence)) is not None else []
    on, champion = views.probation(ws.ledger), views.champion(ws.ledger)
    if on is not None and on.evidence is not None and champion is not None:
        with suppress(Corrupted):
            found += [each] if (each := _open(ws, champion, on.evidence, on.since)) else []
    return found


@dataclass(frozen=True, slots=True)
class Ready:
    """A held batch that can be decided now, and why. `passed`: the champion moved meanwhile."""

    arrival: views.Arrival
    why: str
    passed: bool


def release_ready(ws: Workspace, lease: Lease) -> list[str]:
    """Queue again what can be decided now; return the batches: those of `ready`."""
    found = ready(ws)
    for each in found:
        why = f"queued again: {each.why}"
        release_held(ws, lease, each.arrival, why, passed=each.passed)
    return [each.arrival.batch for each in found]


def ready(ws: Workspace) -> list[Ready]:
    """Return the held batches that can be decided now.

    Those are the held versions whose labels have arrived, and those that got some while another
    version became champion: they are trained from it, and the labels stay. Without an answer it
    would be a look for nothing, which the batch has less of alpha for each time.
    """
    if views.probation(ws.ledger) is not None:
        return []  # whether they are held against the right champion is open until it ends
    champion = views.champion(ws.ledger)
    found = []
    for each in waiting(ws):
        passed = each.version.parent != (champion.version if champion else None)
        arrival = views.arrival(ws.ledger, each.version.batch or "")
        if arrival is None or arrival.status != "held" or not each.news:
            continue
        if passed or not each.questions:
            why = ", and the champion changed while it waited" if passed else ""
            found.append(Ready(arrival, f"{each.news}{why}", passed))
    return found


Kind = Literal["label", "neither", "unclear"]


@dataclass(frozen=True, slots=True)
class Given:
    """A person's answer: the `label`, or that it is none of the choices, or unclear.

    `by`, `call`: who gave it in MLflow, and the event that recorded it there.
    """

    question: Question
    said: Kind
    label: str | None = None
    by: str | None = None
    call: int | None = None


def read_answer(question: Question, said: str) -> Given | None:
    """Return what somebody answered in writing; None where it is no label that is known."""
    if said == NONE_OF_THESE:
        return Given(question, "neither")
    if said == CANNOT_TELL:
        return Given(question, "unclear")
    known = {*question.labels, *question.choices}
    for label in (said, said.removeprefix("'")):
        if label in known:
            return Given(question, "label", label)
    return None


def answer(ws: Workspace, question: Question, said: Kind, label: str | None = None) -> int:
    """Record an answer; return the number of its event, by which it can be taken back.

    Raises:
        ConfigError: a label was given that is none.
    """
    return answer_all(ws, [Given(question, said, label)])[0]


def answer_all(ws: Workspace, given: Sequence[Given]) -> list[int]:
    """Record answers, all or none; return the numbers of their events."""
    events = ws.ledger.append_all([_event(each) for each in given], None)
    return [event.seq for event in events]


def _event(given: Given) -> LabelGiven:
    question, said, label = given.question, given.said, given.label
    if (said == "label") != bool(label and label.strip()):
        raise ConfigError(
            f"The answer {said!r} does not go with the label {label!r}.",
            "Give a label, or say that it is neither or unclear.",
        )
    return LabelGiven(
        task=question.task,
        item=question.item,
        answer=said,
        label=label,
        offered=question.choices,
        asked_by=question.asked_by,
        again=question.again,
        by=given.by,
        call=given.call,
    )


def times_answered(ws: Workspace, question: Question) -> int:
    """Return how many answers to this input count now, whoever asked."""
    return len(views.answers(ws.ledger, question.task).get(question.item, ()))


def question_name(task: str, item: str, again: bool, choices: Sequence[str]) -> str:
    """Return a short name of a question, the same whenever and for whatever decision it is asked.

    It begins with a letter, so that no spreadsheet takes it for a number.
    """
    return f"q{json_digest([task, item, again, sorted(choices)])[:15]}"


@dataclass(frozen=True, slots=True)
class Summary:
    """What people said of inputs: how many have a label, or are unclear.

    `asked_twice`: inputs with a second answer; `disagreeing`: those that it contradicts the first.
    """

    labelled: int
    unclear: int
    asked_twice: int
    disagreeing: int


def summary(ws: Workspace, *tasks: str) -> Summary:
    """Return what people said of the inputs of some tasks, removed ones included."""
    given = [views.answers(ws.ledger, task) for task in tasks]
    said = [said_of(own) for each in given for own in each.values()]
    unclear = sum(each.unclear for each in said)
    twice = [differ for each in given for differ in asked_twice(each).values()]
    return Summary(len(said) - unclear, unclear, len(twice), sum(twice))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer as it is recorded: `number` is its event's; `text` is "" where it was removed."""

    number: int
    time: str
    by: str
    task: str
    text: str
    answer: Kind
    label: str | None


def recorded(ws: Workspace, task: str | None = None) -> list[Recorded]:
    """Return the answers that count, of one task or of all, the newest first."""
    names = views.renamed_tasks(ws.ledger)
    given = counted(ws)
    held = views.held(ws.ledger, [each.payload.item for each in given])
    texts = Library(ws).held(held.values())
    found = [
        Recorded(
            each.seq,
            each.time,
            said.by or each.actor,
            names.get(said.task, said.task),
            texts[said.item].text if said.item in texts else "",
            said.answer,
            said.label,
        )
        for each in reversed(given)
        if (said := each.payload)
    ]
    return [each for each in found if task in (None, each.task)]


def withdraw(ws: Workspace, number: int) -> None:
    """Take an answer back by the number of its event: it counts no more, and is asked again.

    Decisions that were made with it stay as they are.

    Raises:
        ConfigError: no answer that counts has that number.
    """
    found = {each.seq: each.payload for each in counted(ws)}
    if number not in found:
        raise ConfigError(f"There is no answer {number}.", "`ratchet label answers` shows all.")
    said = found[number]
    ws.ledger.append(LabelWithdrawn(task=said.task, item=said.item, given=number), None)


def counted(ws: Workspace) -> list[Event[LabelGiven]]:
    """Return the answers that count, oldest first."""
    gone = {each.payload.given for each in views.told(ws.ledger, LabelWithdrawn)}
    return [each for each in views.told(ws.ledger, LabelGiven) if each.seq not in gone]


def take_back(ws: Workspace, question: Question, given: int) -> None:
    """Take an answer back, so that its question is asked again."""
    ws.ledger.append(LabelWithdrawn(task=question.task, item=question.item, given=given), None)


def _open(ws: Workspace, version: views.Version, evidence: str, since: int = 0) -> Open | None:
    document = ws.read_document(evidence)
    if not waits_for_labels(document["decision"]):
        return None
    now, names = decide_now(ws, document, since), views.renamed_tasks(ws.ledger)
    pools = [replace(pool, task=names.get(pool.task, pool.task)) for pool in now.examination.pools]
    own = [
        each
        for given in now.answers.values()
        for each in chain.from_iterable(given.values())
        if each.asked_by == evidence
    ]
    open_tasks = views.pool_sizes(ws.ledger)
    if any(pool.task not in open_tasks for pool in pools if pool.differing):
        news = "a pool that it asked about was removed or retired"
        return Open(version, now.decision, (), len(own), news)
    asking = _Asking(ws, evidence, (*document["labels"],), pools, now.decision)
    return Open(version, now.decision, asking.questions(own), len(own), _news(ws, version, now))


def _news(ws: Workspace, version: views.Version, now: Now) -> str:
    """Return what came since a version was examined, for the inputs that it answers otherwise."""
    examined = views.examined(ws.ledger, version)
    since = examined.seq if examined is not None else 0
    items = [(pool.task, each.item) for pool in now.examination.pools for each in pool.differing]
    given = (answer for task, item in items for answer in now.answers[task].get(item, ()))
    if any(answer.seq > since for answer in given):
        return "its labels have arrived"
    held = views.held(ws.ledger, [item for _, item in items])
    gone = any(item not in held for _, item in items)
    return "inputs that it asked about were removed" if gone else ""


@dataclass(frozen=True, slots=True)
class _Asking:
    """What one decision asks: its evidence, the candidate's labels, and how it would come out."""

    ws: Workspace
    evidence: str
    labels: tuple[str, ...]
    pools: Sequence[PoolResult]
    decision: Decision

    def questions(self, own: Sequence[views.Answer]) -> tuple[Question, ...]:
        """Return what is to be asked now; `own`: the answers that this decision got so far."""
        wanted: frozenset[str] = frozenset()
        if self.decision.action == "hold":
            wanted = asked_inputs(self.pools, self.decision.verdicts)
        differing = {each.item: (pool.task, each) for pool in self.pools for each in pool.differing}
        own = sorted((each for each in own if each.item in differing), key=lambda each: each.seq)
        seeds = views.pool_seeds(self.ws.ledger, wanted | {each.item for each in own})
        draws = {item: self._draw(seed, item) for item, seed in seeds.items()}
        asked = [each.item for each in own]
        again = [
            item
            for place, item in enumerate(asked)
            if asked.count(item) == 1
            and self._draw(seeds.get(item, ""), item, "again") < ASKED_TWICE
            and (not wanted or len(asked) - 1 - place >= APART)
        ]
        order = [*again, *sorted(wanted & draws.keys(), key=draws.__getitem__)]
        held = views.held(self.ws.ledger, order)
        texts = Library(self.ws).held(held.values())
        return tuple(
            self._question(*differing[item], texts[item].text, seeds[item], item in again)
            for item in order
            if item in texts
        )

    def _question(self, task: str, each: Differing, text: str, seed: str, again: bool) -> Question:
        said = {each.champion, each.candidate, each.anchor, *each.restricted.values()} - {None}
        choices = sorted(label for label in said if label is not None)
        random.Random(f"{seed}{self.evidence}{each.item}{again}").shuffle(choices)
        return Question(task, each.item, text, tuple(choices), self.labels, self.evidence, again)

    def _draw(self, seed: str, *parts: str) -> float:
        """Return a number in [0, 1) that whoever lacks the seed can't foresee."""
        return uniform([seed, self.evidence, *parts])
