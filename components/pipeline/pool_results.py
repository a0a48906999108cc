"""What the models say of the inputs of a pool, and what people said of them.

Concept: a pool is an exam without labels. Of every input the models' answers are compared, and
only where they differ a person's label is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from components.gate.verdicts import UNASKED, Differing, PoolResult, Said
from components.ledger import views
from components.pipeline.exams import Exam
from components.pipeline.version_answers import Given, Labels
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.model.bundle import Bundle


def pool_result(
    ws: Workspace,
    pool: Exam,
    models: Mapping[str, Bundle],
    narrower: Mapping[str, Labels],
    given: Given,
    in_batch: bool,
    use: views.ExamUse,
) -> PoolResult:
    """Return how the models answered one pool of a known task.

    `use`: the use that the pool had before.

    `models`: "champion", "candidate" and "anchor", as far as they are there; `narrower`: the
    labels of those that know fewer than the candidate.
    """
    labels = {who: given.labels(model, pool.items) for who, model in models.items()}
    silent = {who for who, own in labels.items() if None in own}
    silent |= {"champion", "candidate", "anchor"} - models.keys()
    heard = {who: own for who, own in labels.items() if who not in silent}
    unheard = [None] * len(pool.items)
    answered = views.answers(ws.ledger, pool.task)
    twice = asked_twice(answered)
    among: dict[str, list[str | None]] = {
        who: [given.restricted[own][item.digest] for item in pool.items]
        for who, own in narrower.items()
    }
    differing = [
        Differing(
            item.digest,
            heard.get("champion", unheard)[place],
            heard.get("candidate", unheard)[place],
            heard.get("anchor", unheard)[place],
            said_of(answered.get(item.digest, ())),
            {who: label for who, own in among.items() if (label := own[place]) is not None},
        )
        for place, item in enumerate(pool.items)
        if len({own[place] for own in chain(heard.values(), among.values())}) > 1
    ]
    return PoolResult(
        pool.name,
        pool.task,
        len(pool.items),
        differing,
        known=True,
        in_batch=in_batch,
        turned_away=use.turned_away,
        spent=use.spent,
        parts={who: given.key(model, pool.task) for who, model in models.items()},
        unanswered=frozenset(silent),
        repeats=len(twice),
        conflicts=sum(unclear for unclear in twice.values()),
    )


def with_answers(
    pool: PoolResult, answers: Mapping[str, Sequence[views.Answer]], since: int = 0
) -> PoolResult:
    """Return a pool's result with the answers of today.

    An input that had an answer by the event `since` is unclear: what it says was used before.
    """
    differing = [
        replace(each, given=_said_since(answers.get(each.item, ()), since))
        for each in pool.differing
    ]
    twice = asked_twice(answers)
    return replace(pool, differing=differing, repeats=len(twice), conflicts=sum(twice.values()))


def _said_since(answers: Sequence[views.Answer], since: int) -> Said:
    return Said(unclear=True) if any(a.seq <= since for a in answers) else said_of(answers)


def said_of(answers: Sequence[views.Answer]) -> Said:
    """Return what all answers to one input say together.

    Who could not tell, or contradicts another answer, leaves the input unclear.
    """
    labels = {each.label for each in answers if each.answer == "label"}
    none_of = frozenset(
        label for each in answers if each.answer == "neither" for label in each.offered
    )
    if len(labels) > 1 or labels & none_of or any(each.answer == "unclear" for each in answers):
        return Said(unclear=True)
    if labels:
        return Said(label=labels.pop())
    return Said(none_of=none_of) if none_of else UNASKED


def asked_twice(answered: Mapping[str, Sequence[views.Answer]]) -> dict[str, bool]:
    """Return the inputs that were asked for twice -> whether the answers contradict each other."""
    return {
        item: said_of(own).unclear
        for item, own in answered.items()
        if any(each.again for each in own)
    }
