"""A decision and all that it rests on, as one document, there and back.

Concept: the document holds every answer of every model (1 right, 0 wrong, ? unanswered, in the
order of the exam's items), what was found about the batch, the rules, and the decision. The
same rules over the same answers must give the same verdicts, whoever asks, years later.

Promise: `recall` reads what `record` wrote; what is not such a document is named.
Schema: `docs/evidence.schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from components.gate.decision import judge
from components.gate.verdicts import (
    Answers,
    Decision,
    DriftNote,
    Examination,
    ExamResult,
    NewTask,
    Rules,
)

FORMAT = 3
_MODELS = ("champion", "candidate", "anchor")
_NUMBER_OF = {"0": False, "1": True, "?": None}


def record(examination: Examination, rules: Rules, decision: Decision) -> dict[str, Any]:
    """Return the document's part that the gate answers for, as plain JSON values."""
    return {
        "format": FORMAT,
        "rules": asdict(rules),
        "expected": sorted(examination.expected),
        "exams": [_exam(result) for result in examination.exams],
        "learned": [_part(part) for part in examination.learned],
        "notes": [asdict(note) for note in examination.drift],
        "decision": decision.to_json(),
    }


def recall(document: Mapping[str, Any]) -> tuple[Examination, Rules]:
    """Return what the gate looked at, from a document that `record` wrote.

    Items of an exam are named by their place: verdicts don't depend on their names.

    Raises:
        ValueError: the document has another format, or a part of it is not what it should be.
    """
    if document.get("format") != FORMAT:
        raise ValueError(f"its format is {document.get('format')!r}, and only {FORMAT} has it all")
    try:
        exams = [
            ExamResult(
                **_only(each, "exam", "task", "known", "in_batch", "served", "parts"),
                **_models(each, _MODELS),
            )
            for each in document["exams"]
        ]
        learned = [
            NewTask(
                **_only(each, "task", "majority_share", "known", "label"),
                **_models(each, _MODELS[:2]),
            )
            for each in document["learned"]
        ]
        notes = [DriftNote(**note) for note in document["notes"]]
        return Examination(exams, learned, notes, document["expected"]), Rules(**document["rules"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"a part is missing or of another kind: {error}") from error


def replay(document: Mapping[str, Any]) -> tuple[Decision, list[str]]:
    """Decide anew from the document alone.

    Returns:
        The decision, and the names of its parts that differ from the recorded one.

    Raises:
        ValueError: as `recall`.
    """
    decision = judge(*recall(document))
    found, recorded = decision.to_json(), document["decision"]
    return decision, [name for name in found if found[name] != recorded.get(name)]


def bits(answers: Answers | None) -> str | None:
    """Return answers as a string of 0, 1 and ? (no answer), in the order of the items."""
    if answers is None:
        return None
    return "".join("?" if each is None else "01"[bool(each)] for each in answers.correct)


def _only(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _models(values: Mapping[str, Any], models: Sequence[str]) -> dict[str, Any]:
    return {who: _answers(values[who]) for who in models}


def _answers(kept: str | None) -> Answers | None:
    if kept is None:
        return None
    return Answers([str(place) for place in range(len(kept))], [_NUMBER_OF[bit] for bit in kept])


def _exam(result: ExamResult) -> dict[str, Any]:
    return {
        "exam": result.exam,
        "task": result.task,
        "known": result.known,
        "in_batch": result.in_batch,
        "served": result.served,
        "parts": dict(result.parts),
        "n": max((len(each.items) for each in _sat(result)), default=0),
        **{who: bits(getattr(result, who)) for who in _MODELS},
    }


def _sat(result: ExamResult) -> list[Answers]:
    return [each for each in (getattr(result, who) for who in _MODELS) if each is not None]


def _part(part: NewTask) -> dict[str, Any]:
    return {
        "task": part.task,
        "label": part.label,
        "known": part.known,
        "majority_share": part.majority_share,
        "items": list(part.candidate.items) if part.candidate else None,
        **{who: bits(getattr(part, who)) for who in _MODELS[:2]},
    }
