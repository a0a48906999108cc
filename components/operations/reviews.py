"""What people are asked in MLflow's review queues, and what they answer there.

Concept: two experiments a model. In the one, approvers decide on held versions; in the other,
labellers say what inputs of pools are. `show` fills the queues from the ledger; the server's hooks
record each answer with who had logged in (`registry.called`), and it is taken from there: a word on
a version by `approval`, a label by `take_labels`.

Promise: MLflow holds the text of an input only while a decision waits for it, and never says what
which version answered. The queues hold nothing that `show` could not write again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from components.ledger import views
from components.ledger.events import LabelGiven, PersonEnrolled, Recorded
from components.operations.labelling import (
    CANNOT_TELL,
    NONE_OF_THESE,
    Given,
    Open,
    Question,
    answer_all,
    counted,
    read_answer,
    take_back,
    waiting,
)
from components.pipeline.held import beyond_a_person, decision_on
from components.pipeline.publication import show_words
from components.registry.review_queues import OPTIONS, Card, Queue, card_key, keep_facts, plain
from components.registry.server_rules import (
    ANSWERED,
    APPROVER,
    CHOICES,
    EVIDENCE,
    LABELLER,
    NOT_BY,
    VERSION,
)
from components.workspace.item_library import Library
from components.workspace.root import Workspace

PORTION = 25
"""How many questions of a decision are asked at once: answers can make the others needless."""

_OPTION_LENGTH = 64
"""How long MLflow lets an option be."""

DECIDE = (
    "Read what is said on the left, and say why; it is recorded. The gate does not answer for a "
    "version that comes into force on a person's word."
)
CHOOSE = "Choose the right label. You are not told which version said what."
TYPE = (
    f"Type the right label, as it is written; {NONE_OF_THESE} if it is none of the labels that are "
    f"named, {CANNOT_TELL} if it cannot be told."
)

STALE = (
    "Since then another version became champion. If you approve, the batch is trained again from "
    "that one, and you are asked about the result."
)

OK, SECOND = 200, "second opinion"

_WRITTEN = {"(none of these)": NONE_OF_THESE, "(cannot tell)": CANNOT_TELL}


def show(ws: Workspace) -> None:
    """Ask in MLflow what is open, and nothing else; nobody is asked where nobody is enrolled."""
    people = views.people(ws.ledger)
    if not views.told(ws.ledger, PersonEnrolled) or not views.versions(ws.ledger):
        return
    show_words(ws, views.versions(ws.ledger, status="held"))
    queues = {
        role: [*make(ws, asked)] if (asked := _those_who_are(role, people)) else []
        for role, make in ((APPROVER, _approvals), (LABELLER, _labels))
    }
    cards = [card for own in queues.values() for queue in own for card in queue.cards]
    keep_facts(ws.mlruns, cards)
    for role, own in queues.items():
        ws.registry.show_queues(role, own)


def _those_who_are(role: str, people: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    return tuple(name for name, roles in people.items() if role in roles)


def has_labels(ws: Workspace) -> bool:
    """Tell whether a label was given in MLflow that counts and was not taken yet."""
    return any(True for _ in _given(ws))


def take_labels(ws: Workspace) -> int:
    """Record the labels that were given in MLflow; return how many count.

    Another answer of the same person to the same question takes the place of the first, and so does
    somebody else's, where the first could not tell.
    """
    newest = {_key(ws, given.question): (given, earlier) for given, earlier in _given(ws)}
    for given, earlier in newest.values():
        if earlier is not None:
            take_back(ws, given.question, earlier.seq)
    return len(answer_all(ws, [given for given, _ in newest.values()]))


def _given(ws: Workspace) -> Iterator[tuple[Given, Recorded[LabelGiven] | None]]:
    """Yield each new label that counts, and the answer that it is to replace."""
    calls = [
        each
        for each in views.open_calls(ws.ledger, LabelGiven)
        if each.payload.action == ANSWERED
        and each.payload.version is None
        and each.payload.status == OK
    ]
    if not calls:
        return
    asking = waiting(ws)
    open_ = {_key(ws, question): question for each in asking for question in each.questions}
    answered = {
        _key(ws, question): (question, event)
        for each in asking
        for question, event in _answered(ws, each)
    }
    second = {
        _key(ws, question, SECOND): (question, event)
        for question, event in answered.values()
        if event.payload.answer == "unclear"
    }
    for event in calls:
        said, key = event.payload, (event.payload.key or "")[len("tr-") :]
        question, earlier = second.get(key) or answered.get(key) or (open_.get(key), None)
        if question is None or (earlier and (earlier.payload.by == said.user) == (key in second)):
            continue  # it is asked no more, or of others
        given = read_answer(question, _WRITTEN.get(said.value or "", said.value or ""))
        if given is not None:
            yield replace(given, by=said.user, call=event.seq), earlier


def _answered(ws: Workspace, asking: Open) -> list[tuple[Question, Recorded[LabelGiven]]]:
    """Return the questions of a decision that were answered in MLflow while others are open."""
    if not asking.questions:
        return []
    evidence, labels = asking.questions[0].asked_by, asking.questions[0].labels
    events = [
        event
        for event in counted(ws)
        if event.payload.asked_by == evidence and event.payload.call is not None
    ]
    held = views.held(ws.ledger, [event.payload.item for event in events])
    texts = Library(ws).held(held.values())
    names = views.renamed_tasks(ws.ledger)
    return [
        (
            Question(
                names.get(said.task, said.task),
                said.item,
                texts[said.item].text,
                (*said.offered,),
                labels,
                evidence,
                said.again,
            ),
            event,
        )
        for event in events
        if (said := event.payload).item in texts
    ]


def _approvals(ws: Workspace, people: tuple[str, ...]) -> Iterator[Queue]:
    held = views.versions(ws.ledger, status="held")
    cards = tuple(card for version in held if (card := _approval(ws, version)))
    if cards:
        yield Queue(
            "approvals",
            "Decision",
            DECIDE,
            ("approved", "rejected"),
            people,
            cards,
            comment=True,
        )


def _approval(ws: Workspace, version: views.Version) -> Card | None:
    """Return the card of a held version; None where no person may approve it."""
    decision, model = decision_on(ws, version), ws.settings.model.name
    if decision is None or beyond_a_person(decision):
        return None
    number, headline = version.version, decision["headline"]
    page = f"#/models/{model}/versions/{number}"
    champion = views.champion(ws.ledger)
    stale = version.parent != (champion.version if champion else None)
    held = [each["sentence"] for each in decision["verdicts"] if each["consequence"] == "hold"]
    others = [each for each in held if each not in headline]
    ways = decision.get("settle", ())
    parts = [
        f"**{plain(headline)}**",
        STALE if stale else "",
        f"[All numbers, and the report]({page})",
        _list("Besides:", others),
        _list("Without a person's word, it takes:", ways),
    ]
    return Card(
        card_key(
            model, number, version.evidence, *([champion.version] if stale and champion else [])
        ),
        f"Is version {number} of {model} to come into force?",
        "\n\n".join(filter(None, parts)),
        {VERSION: str(number), EVIDENCE: version.evidence},
    )


def _list(above: str, lines: Sequence[str]) -> str:
    return "\n".join([above, "", *(f"- {plain(line)}" for line in lines)]) if lines else ""


def _labels(ws: Workspace, people: tuple[str, ...]) -> Iterator[Queue]:
    for asking in waiting(ws):
        answered = _answered(ws, asking)
        cards = [
            *((question, _label(ws, question, people)) for question in asking.questions[:PORTION]),
            *_second_opinions(ws, answered, people),
            *(
                (question, replace(_label(ws, question, people), answered=True))
                for question, _ in answered
            ),
        ]
        for task in sorted({question.task for question, _ in cards}):
            own = [(question, card) for question, card in cards if question.task == task]
            number, options = asking.version.version, _options(own[0][0].labels)
            yield Queue(
                f"{task}, version {number}",
                f"What is this? ({task}, for version {number})",
                CHOOSE if options else TYPE,
                options,
                people,
                tuple(card for _, card in own),
            )


def _second_opinions(
    ws: Workspace,
    answered: Sequence[tuple[Question, Recorded[LabelGiven]]],
    people: tuple[str, ...],
) -> Iterator[tuple[Question, Card]]:
    """Yield the inputs that one person could not tell, for another: once each."""
    tried = Counter(
        (each.payload.asked_by, each.payload.item)
        for each in views.told(ws.ledger, LabelGiven)
        if each.payload.answer == "unclear"
    )
    for question, event in answered:
        unclear = event.payload.answer == "unclear"
        if unclear and tried[question.asked_by, question.item] == 1 and len(people) > 1:
            card = _label(ws, question, people)
            facts = {**card.facts, NOT_BY: event.payload.by or ""}
            yield question, replace(card, key=_key(ws, question, SECOND), facts=facts)


def _label(ws: Workspace, question: Question, people: tuple[str, ...]) -> Card:
    options = _options(question.labels)
    choices = options or (*question.labels, *question.choices, NONE_OF_THESE, CANNOT_TELL)
    facts = {
        EVIDENCE: question.asked_by,
        CHOICES: json.dumps(sorted({*choices}), ensure_ascii=False),
    }
    if question.again and {*people} - {first := _first(ws, question)}:
        facts[NOT_BY] = first
    likely = "" if options else f"Perhaps {' or '.join(map(plain, question.choices))}."
    return Card(_key(ws, question), question.text, likely, facts)


def _first(ws: Workspace, question: Question) -> str:
    """Return who has answered a question that is asked again."""
    given = [each for each in counted(ws) if each.payload.item == question.item]
    return (given[0].payload.by or given[0].actor) if given else ""


def _options(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return what can be chosen; empty where the labels are more or longer than MLflow takes."""
    options = (*labels, *_WRITTEN)
    fit = len(options) <= OPTIONS and all(0 < len(each) <= _OPTION_LENGTH for each in options)
    return options if fit and len({*options}) == len(options) else ()


def _key(ws: Workspace, question: Question, *more: str) -> str:
    model = ws.settings.model.name
    return card_key(model, question.asked_by, question.task, question.item, question.again, *more)
