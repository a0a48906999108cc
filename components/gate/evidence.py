"""A decision and all that it rests on, as one document, there and back.

Concept: the document holds every answer of every model (1 right, 0 wrong, ? unanswered, in the
order of the exam's items), what the checks beyond forgetting looked at, what was found about the
batch, the rules, and the decision. The same rules over the same answers must give the same
verdicts, whoever asks, years later.

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
    Case,
    Cases,
    Decision,
    DriftNote,
    Examination,
    ExamResult,
    NewTask,
    Rules,
    Timing,
)

FORMAT = 3
_MODELS = ("champion", "candidate", "anchor")
_SCORES = ("brier", "confidence")
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
        "cases": asdict(examination.cases) if examination.cases else None,
        "adapter_bytes": examination.adapter_bytes,
        "timing": asdict(examination.timing) if examination.timing else None,
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
                **_only(each, "exam", "task", "known", "in_batch", "refusals", "parts"),
                **_models(each, _MODELS, each["scores"]),
                labels=_by_place(each["labels"]),
                slices={name: _by_place(told) for name, told in each["slices"].items()},
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
        examination = Examination(
            exams,
            learned,
            [DriftNote(**note) for note in document["notes"]],
            document["expected"],
            _cases(document["cases"]),
            document["adapter_bytes"],
            Timing(**document["timing"]) if document["timing"] else None,
        )
        return examination, Rules.from_json(document["rules"])
    except (KeyError, TypeError, AttributeError, IndexError) as error:
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


def _models(
    values: Mapping[str, Any], models: Sequence[str], scores: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {who: _answers(values[who], (scores or {}).get(who)) for who in models}


def _answers(kept: str | None, scores: Mapping[str, Any] | None = None) -> Answers | None:
    if kept is None:
        return None
    correct = [_NUMBER_OF[bit] for bit in kept]
    return Answers([str(place) for place in range(len(kept))], correct, **(scores or {}))


def _by_place(told: Mapping[str, Any] | None) -> dict[str, str]:
    """Return place -> value, from the values that there are and each item's number among them."""
    if told is None:
        return {}
    numbers = enumerate(told["items"])
    return {str(place): told["values"][n] for place, n in numbers if n is not None}


def _told(values: Mapping[str, str], items: Sequence[str]) -> dict[str, Any] | None:
    """Return what `_by_place` reads; an item without a value has no number."""
    if not values:
        return None
    names = sorted({values[item] for item in items if item in values})
    numbers = {name: number for number, name in enumerate(names)}
    own = [numbers[values[item]] if item in values else None for item in items]
    return {"values": names, "items": own}


def _cases(told: Mapping[str, Any] | None) -> Cases | None:
    if told is None:
        return None
    return Cases(told["file"], [Case(**case) for case in told["cases"]])


def _exam(result: ExamResult) -> dict[str, Any]:
    sat = _sat(result)
    items = sat[0].items if sat else []
    return {
        "exam": result.exam,
        "task": result.task,
        "known": result.known,
        "in_batch": result.in_batch,
        "refusals": result.refusals,
        "parts": dict(result.parts),
        "n": max((len(each.items) for each in sat), default=0),
        **{who: bits(getattr(result, who)) for who in _MODELS},
        "scores": _scores(result),
        "labels": _told(result.labels, items),
        "slices": {name: _told(values, items) for name, values in result.slices.items()},
    }


def _scores(result: ExamResult) -> dict[str, Any]:
    """Return Brier score and confidence of each answer, of the models where they were kept."""
    return {
        who: {name: list(kept) for name in _SCORES if (kept := getattr(given, name)) is not None}
        for who in _MODELS[:2]
        if (given := getattr(result, who)) is not None
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
