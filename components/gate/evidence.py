"""Write a decision and everything it is based on as one document, and read it back.

Concept: the document holds every answer of every model (1 right, 0 wrong, ? unanswered, in the
order of the exam's items), the inputs of the extra checks, the findings about the batch, the
rules, and the decision. The same rules and answers must give the same verdicts, even years later.

Answers that cannot be put in the same order as the others are written as missing, so that a
replay cannot use what the gate could not use.

Promise: a replay is never more lenient than the decision; `recall` reads what `record` wrote; an
invalid document is reported.
Schema: `docs/evidence.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

from components.gate.answer_pairs import is_truth
from components.gate.decision import judge
from components.gate.policies import Policy
from components.gate.verdicts import (
    UNASKED,
    Answers,
    CaseResult,
    CaseResults,
    Decision,
    Differing,
    DriftNote,
    Examination,
    ExamResult,
    NewTask,
    PoolResult,
    Rules,
    Said,
    Timing,
    Undecided,
)

FORMAT = 4
EARLIER = 3
"""Format 3 has no pools and no looks; its rules are of edition 3, and it replays under them."""

_MODELS = ("champion", "candidate", "anchor")
_SCORES = ("brier", "confidence")
_NUMBER_OF = {"0": False, "1": True, "?": None}


def record(examination: Examination, rules: Rules, decision: Decision) -> dict[str, Any]:
    """Return the document's part that the gate answers for, as plain JSON values."""
    return {
        "format": FORMAT,
        "rules": _rules(rules),
        "expected": sorted(examination.expected),
        "look": examination.look,
        "exams": [_exam(result) for result in examination.exams],
        "pools": [_pool(result) for result in examination.pools],
        "learned": [_part(part) for part in examination.learned],
        "notes": [asdict(note) for note in examination.drift],
        "cases": asdict(examination.cases) if examination.cases else None,
        "adapter_bytes": examination.adapter_bytes,
        "timing": asdict(examination.timing) if examination.timing else None,
        "decision": decision.to_json(),
    }


def _rules(rules: Rules) -> dict[str, Any]:
    """Return the rules as they are written: what they do not ask for is left out."""
    unasked = {"undecided": "hold", "anchor_competition_points": None}
    told = asdict(rules)
    return {k: told[k] for k in told if k not in unasked or told[k] != unasked[k]}


def recall(document: Mapping[str, Any]) -> tuple[Examination, Rules]:
    """Return what the gate looked at, from a document that `record` wrote.

    Items of an exam are named by their place: verdicts don't depend on their names.

    Raises:
        ValueError: the document has another format, or a part of it is not what it should be.
    """
    if not isinstance(document, Mapping):
        raise ValueError(f"it must be a mapping, not {type(document).__name__}")
    if document.get("format") not in (EARLIER, FORMAT):
        raise ValueError(
            f"its format is {document.get('format')!r}, but replay needs {EARLIER} or {FORMAT}"
        )
    try:
        _check(document)
        exams = [
            ExamResult(
                **_only(each, "exam", "task", "known", "in_batch", "parts"),
                turned_away=each["refusals"],
                spent=each.get("spent", 0),
                **_models(each, _MODELS, each["scores"]),
                labels=_by_place(each["labels"]),
                slices={name: _by_place(told) for name, told in each["slices"].items()},
                older=_places(each.get("older")),
                restricted={
                    who: given
                    for who, kept in each.get("restricted", {}).items()
                    if (given := _answers(kept)) is not None
                },
                taken=_by_place(each.get("taken")),
                newer=_by_place(each.get("newer")),
            )
            for each in document["exams"]
        ]
        earlier = document["format"] == EARLIER
        learned = [
            NewTask(
                **_only(each, "task", "majority_share", "known", "label"),
                **_models(each, _MODELS[:2]),
                both=each.get("both"),
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
            [] if earlier else [_pool_result(each) for each in document["pools"]],
            0 if earlier else document["look"],
        )
        return examination, Rules.from_json(document["rules"])
    except (KeyError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"a part is missing or has the wrong type: {error}") from error


def _check(document: Mapping[str, Any]) -> None:
    """Refuse counts, policies and names that the gate would stumble over.

    Raises:
        ValueError: one is not what it should be; it is named.
    """
    look = document.get("look", 0)
    if type(look) is not int or look < 0:
        raise ValueError(f"look must be a whole number of at least 0, not {look!r}")
    for each in [*document["exams"], *document.get("pools", [])]:
        for name in ("refusals", "spent"):
            count = each.get(name, 0)
            if type(count) is not int or count < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, not {count!r}")
        for name in ("parts", "scores", "slices"):
            if not isinstance(each.get(name, {}), Mapping):
                raise ValueError(f"{name} must be a mapping, not {each[name]!r}")
    rules = document["rules"]
    for name, part in {"rules": rules, "checks": rules["checks"], **rules["checks"]}.items():
        if not isinstance(part, Mapping):
            raise ValueError(f"{name} has the wrong type: it must be a mapping, not {part!r}")
    weighed = [(note["name"], note["policy"]) for note in document["notes"]]
    weighed += [(n, part.get("policy", "ignore")) for n, part in rules["checks"].items()]
    for name, policy in weighed:
        if policy not in get_args(Policy):
            raise ValueError(f"the policy of {name} must be one of {get_args(Policy)}: {policy!r}")
    if rules.get("approval", "auto") not in ("auto", "always"):
        raise ValueError(f"approval must be auto or always, not {rules['approval']!r}")
    if rules.get("undecided", "hold") not in get_args(Undecided):
        raise ValueError(f"undecided must be hold or probation, not {rules['undecided']!r}")


def decide_again(document: Mapping[str, Any]) -> tuple[Decision, list[str]]:
    """Decide again from the document alone.

    Outcomes, numbers and the action are compared; sentences are not, so that better wording
    does not make an old decision look changed.

    Returns:
        The decision, and the names of its parts that differ from the recorded one, then those
        of the document that do not follow from the rest.

    Raises:
        ValueError: as `recall`.
    """
    examination, rules = recall(document)
    told = document.get("decision")
    if not isinstance(told, Mapping):
        raise ValueError(f"decision must be a mapping, not {told!r}")
    try:
        decision = judge(examination, rules)
        again = record(examination, rules, decision)
        if document["format"] == EARLIER:
            document = _in_this_format(document)
        found, told = _without_wording(decision.to_json()), _without_wording(told)
    except (KeyError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"a part cannot be judged: {error!r}") from error
    differs = [name for name in {**found, **told} if not _same(found, told, name)]
    return decision, differs + [name for name in _DERIVED if not _same(again, document, name)]


_DERIVED = ("exams", "pools", "look", "rules", "expected", "notes")
"""The parts that `decide_again` writes again and compares with the document."""


def _in_this_format(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of format 3 with what this format says besides."""
    more: dict[str, Any] = {"spent": 0, "older": None, "restricted": {}, "taken": None}
    exams = [{**exam, **more} for exam in document["exams"]]
    rules = _rules(Rules.from_json(document["rules"]))
    return {**document, "exams": exams, "pools": [], "look": 0, "rules": rules}


_WORDING = ("headline", "reasons", "settle")


def _without_wording(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision without the sentences that say the same to people."""
    kept = {name: part for name, part in decision.items() if name not in _WORDING}
    verdicts = [{"open_labels": 0, **each, "sentence": ""} for each in decision["verdicts"]]
    return {**kept, "verdicts": verdicts}


def _same(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Return whether both have this part and it is equal once written as JSON."""
    if name not in one or name not in other:
        return False
    return json.dumps(one[name], sort_keys=True) == json.dumps(other[name], sort_keys=True)


def bits(answers: Answers | None) -> str | None:
    """Return answers as a string of 0, 1 and ? (not plainly right or wrong), item by item."""
    if answers is None:
        return None
    return "".join("01"[bool(each)] if is_truth(each) else "?" for each in answers.correct)


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


def _cases(told: Mapping[str, Any] | None) -> CaseResults | None:
    if told is None:
        return None
    return CaseResults(told["file"], [CaseResult(**case) for case in told["cases"]])


def _exam(result: ExamResult) -> dict[str, Any]:
    aligned = _aligned({who: getattr(result, who) for who in _MODELS})
    items = _items(aligned)
    restricted = {who: _in_order(each, items) for who, each in result.restricted.items()}
    return {
        **_about(result),
        "n": len(items),
        **{who: bits(each) for who, each in aligned.items()},
        "scores": _scores(aligned),
        "older": None if result.older is None else _marks(result.older, items),
        "restricted": {who: bits(each) for who, each in sorted(restricted.items())},
        "taken": _told(result.taken, items),
        **({"newer": _told(result.newer, items)} if result.newer else {}),
        "labels": _told(result.labels, items),
        "slices": {name: _told(values, items) for name, values in result.slices.items()},
    }


def _about(result: ExamResult | PoolResult) -> dict[str, Any]:
    """Return what is told of exams and pools alike."""
    return {
        "exam": result.exam,
        "task": result.task,
        "known": result.known,
        "in_batch": result.in_batch,
        "refusals": result.turned_away,
        "spent": result.spent,
        "parts": dict(result.parts),
    }


def _marks(among: frozenset[str], items: Sequence[str]) -> str:
    """Return a string of 0 and 1, item by item: 1 for those that are `among` them."""
    return "".join("01"[item in among] for item in items)


def _places(marks: str | None) -> frozenset[str] | None:
    if marks is None:
        return None
    return frozenset(str(place) for place, mark in enumerate(marks) if mark == "1")


def _pool(result: PoolResult) -> dict[str, Any]:
    return {
        **_about(result),
        "n": result.size,
        "unanswered": sorted(result.unanswered),
        "repeats": result.repeats,
        "conflicts": result.conflicts,
        "differing": [_differing(each) for each in sorted(result.differing, key=_by_item)],
    }


def _by_item(each: Differing) -> str:
    return each.item


def _differing(each: Differing) -> dict[str, Any]:
    given = {**asdict(each.given), "none_of": sorted(each.given.none_of)}
    return {**asdict(each), "given": None if each.given == UNASKED else given}


def _pool_result(told: Mapping[str, Any]) -> PoolResult:
    return PoolResult(
        **_only(told, "exam", "task", "known", "in_batch", "parts", "repeats", "conflicts"),
        size=told["n"],
        turned_away=told["refusals"],
        spent=told["spent"],
        unanswered=frozenset(told["unanswered"]),
        differing=[
            Differing(**{**each, "given": _said(each["given"])}) for each in told["differing"]
        ],
    )


def _said(told: Mapping[str, Any] | None) -> Said:
    return Said(**{**told, "none_of": frozenset(told["none_of"])}) if told else UNASKED


def _scores(aligned: Mapping[str, Answers | None]) -> dict[str, Any]:
    """Return Brier score and confidence of each answer, of the models where they were kept."""
    return {
        who: {name: list(kept) for name in _SCORES if (kept := getattr(given, name)) is not None}
        for who in _MODELS[:2]
        if (given := aligned[who]) is not None
    }


def _aligned(given: Mapping[str, Answers | None]) -> dict[str, Answers | None]:
    """Return every model's answers in the order of the first model that has some.

    Answers to other items, to an item twice, or of another length can't be brought into that
    order; each of them is written as not given. So are all where the first one's own are broken.
    Law: the document never shows more than was there, so deciding again is never kinder.
    """
    items = next((list(each.items) for each in given.values() if each is not None), [])
    return {who: each and _in_order(each, items) for who, each in given.items()}


def _in_order(answers: Answers, items: Sequence[str]) -> Answers:
    own = list(answers.items)
    named = all(isinstance(item, str) and item for item in own)
    whole = named and len(set(own)) == len(own) == len(answers.correct)
    if not whole or set(own) != set(items) or len(own) != len(items):
        return Answers(items, [None] * len(items))
    places = {item: place for place, item in enumerate(own)}
    order = [places[item] for item in items]
    scores = {name: _scores_in_order(getattr(answers, name), order) for name in _SCORES}
    return Answers(items, [answers.correct[place] for place in order], **scores)


def _scores_in_order(kept: Sequence[Any] | None, order: Sequence[int]) -> list[Any] | None:
    """Return the scores in this order: none of them where one is no number from 0 to 1."""
    if kept is None or len(kept) != len(order) or not all(_is_score(each) for each in kept):
        return None
    return [kept[place] for place in order]


def _is_score(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def _items(aligned: Mapping[str, Answers | None]) -> Sequence[str]:
    return next((each.items for each in aligned.values() if each is not None), [])


def _part(part: NewTask) -> dict[str, Any]:
    aligned = _aligned({"candidate": part.candidate, "champion": part.champion})
    return {
        "task": part.task,
        "label": part.label,
        "known": part.known,
        "majority_share": part.majority_share,
        "both": part.both,
        "items": list(_items(aligned)) if part.candidate else None,
        **{who: bits(aligned[who]) for who in _MODELS[:2]},
    }
