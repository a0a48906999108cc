"""A decision out of its own document."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.gate import Answers, DriftNote, Examination, ExamResult, NewTask, Rules, judge
from components.gate.evidence import decide_again, recall, record
from components.gate.policies import Calibration, CheckRules, Floors, NegativeFlips

MODELS = ("champion", "candidate", "anchor")


@st.composite
def answers(draw: st.DrawFn, items: int) -> Answers | None:
    kinds = st.sampled_from([True, True, True, False, None])
    correct = draw(st.lists(kinds, min_size=items, max_size=items))
    whole = draw(st.booleans())
    given = [bool(each) if whole else each for each in correct]
    return draw(st.sampled_from([None, *[Answers([f"i{n}" for n in range(items)], given)] * 9]))


@st.composite
def examinations(draw: st.DrawFn) -> Examination:
    exams = []
    for place in range(draw(st.integers(0, 3))):
        one = answers(draw(st.integers(0, 80)))
        sat = [draw(one) for _ in range(3)]
        parts = draw(st.dictionaries(st.sampled_from(MODELS), st.sampled_from(["a", "b"])))
        known, away = draw(st.booleans()), draw(st.integers(0, 300))
        exams.append(ExamResult(f"e{place}", "task", *sat, known, turned_away=away, parts=parts))
    part = answers(draw(st.integers(0, 30)))
    share = draw(st.sampled_from([None, 0.5]))
    learned = [NewTask("new", draw(part), draw(part), share, draw(st.booleans()))]
    policy = draw(st.sampled_from(["ignore", "note", "hold", "reject"]))
    notes = [DriftNote("mmd", draw(st.sampled_from([True, False, None])), policy, "Drift.")]
    return Examination(exams, learned, notes, ["e0"])


RULES = Rules(3.0, 6.0, 1.0, 0.05, "always")


@settings(deadline=None)
@given(examinations())
def test_the_document_alone_gives_the_same_decision(examination: Examination) -> None:
    decision = judge(examination, RULES)
    document = json.loads(json.dumps(record(examination, RULES, decision)))
    assert decide_again(document) == (decision, [])


GRAVITY = {"promote": 0, "hold": 1, "reject": 2}
STRICTER = CheckRules(
    Floors("reject", {"task": 5.0}),
    negative_flips=NegativeFlips("reject", 90.0),
    calibration=Calibration("reject", 90.0, 90.0),
)
LENIENT = Rules(90.0, 90.0, 0.0, 0.05, "auto", STRICTER)
FAULTS = ["permuted", "other", "twice", "short", "long", "unnamed", "nan", "half", "text", "score"]


def with_fault(given: Answers, fault: str, random: np.random.Generator) -> Answers:
    """Return these answers, broken in this way; `permuted` only puts them in another order."""
    items, correct = list(given.items), list(given.correct)
    brier, confidence = list(given.brier or ()), list(given.confidence or ())
    wrong = {"nan": float("nan"), "half": 0.5, "text": "1"}
    if fault == "permuted":
        order = random.permutation(len(items))
        columns = (items, correct, brier, confidence)
        return Answers(*([column[place] for place in order] for column in columns))
    if fault in wrong:
        correct[0] = wrong[fault]
    elif fault == "score":
        confidence[-1] = float("nan")
    elif fault == "short":
        correct.pop()
    elif fault == "long":
        correct.append(True)
    else:
        items[0] = {"other": "elsewhere", "twice": items[1], "unnamed": ""}[fault]
    return Answers(items, correct, brier, confidence)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(MODELS), st.sampled_from(FAULTS)),
    st.booleans(),
    st.integers(2, 60),
    st.integers(0, 999),
)
def test_deciding_again_is_never_kinder(
    faults: dict[str, str], learned: bool, items: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    sat = {}
    for who in MODELS:
        sure = random.uniform(0.9, 1.0, items).round(4).tolist()
        right = (random.random(items) < 0.95).tolist()
        whole = Answers([f"i{n}" for n in range(items)], right, [0.01] * items, sure)
        sat[who] = with_fault(whole, faults[who], random) if who in faults else whole
    exam = ExamResult("e", "task", **sat, known=True)
    part = NewTask("task", sat["candidate"], sat["champion"], 0.3, True)
    examination = Examination([exam], [part] if learned else [])
    decision = judge(examination, LENIENT)
    again, differs = decide_again(json.loads(json.dumps(record(examination, LENIENT, decision))))
    assert GRAVITY[again.action] >= GRAVITY[decision.action]
    if set(faults.values()) <= {"permuted"}:
        assert (again, differs) == (decision, [])


@pytest.mark.parametrize("fault", [each for each in FAULTS if each not in ("permuted", "score")])
@pytest.mark.parametrize("who", MODELS)
def test_what_was_rejected_as_missing_is_so_again(who: str, fault: str) -> None:
    random = np.random.default_rng(0)
    whole = Answers([f"i{n}" for n in range(80)], [True] * 80, [0.0] * 80, [1.0] * 80)
    sat = dict.fromkeys(MODELS, whole) | {who: with_fault(whole, fault, random)}
    examination = Examination([ExamResult("e", "task", **sat, known=True)], [])
    decision = judge(examination, LENIENT)
    again, _ = decide_again(record(examination, LENIENT, decision))
    assert decision.action == again.action == "reject"


def document() -> dict[str, Any]:
    right = Answers(["a", "b"], [True, True])
    exam = ExamResult("e", "task", right, right, right, known=True)
    examination = Examination([exam], [])
    return record(examination, RULES, judge(examination, RULES))


def test_a_changed_answer_is_found() -> None:
    found = document()
    found["exams"][0]["candidate"] = "00"
    assert "verdicts" in decide_again(found)[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 1}, "its format is 1"),
        ({"exams": [{"exam": "e"}]}, "a part is missing"),
        ({"rules": {"margin": 1}}, "a part is missing or has the wrong type"),
        ({"rules": {"margin_points": 3, "anchor_margin_points": 6}}, "a part is missing"),
        (
            {"rules": {"margin_points": -1, "anchor_margin_points": 6, "checks": {}}},
            "margins must be",
        ),
        (
            {"rules": {"margin_points": 3, "anchor_margin_points": 6, "checks": {"size": 1}}},
            "wrong type",
        ),
        (
            {"rules": {"margin_points": 3, "anchor_margin_points": 6, "checks": {"sizes": {}}}},
            "no such check: sizes",
        ),
    ],
)
def test_what_is_no_such_document_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        recall(document() | change)


def changed(*way: Any, to: Any) -> dict[str, Any]:
    """Return a document in which the part that this way leads to is another."""
    found: Any = json.loads(json.dumps(document()))
    place = found
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = to
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({k: v for k, v in document().items() if k != "decision"}, "decision must be"),
        (changed("decision", to=None), "decision must be"),
        (changed("decision", to=[]), "decision must be"),
        (changed("exams", 0, "refusals", to=-1), "refusals must be"),
        (changed("exams", 0, "refusals", to="3"), "refusals must be"),
        (changed("exams", 0, "parts", to=[]), "parts must be"),
        (changed("exams", 0, "scores", to=[]), "scores must be"),
        (changed("exams", 0, "slices", to=[]), "slices must be"),
        (changed("exams", 0, to=[]), "wrong type"),
        (changed("exams", to=None), "wrong type"),
        (changed("rules", to=[]), "wrong type"),
        (changed("rules", "checks", to=[]), "wrong type"),
        (changed("rules", "checks", "size", to=[]), "size has the wrong type"),
        (changed("rules", "checks", "size", "policy", to="nonsense"), "the policy of size"),
        (changed("rules", "approval", to="nonsense"), "approval must be"),
        (changed("rules", "alpha", to="x"), "wrong type"),
        (
            changed(
                "notes", to=[{"name": "m", "drifted": True, "policy": "none", "sentence": "D"}]
            ),
            "the policy of m",
        ),
        ([], "it must be a mapping"),
    ],
)
def test_deciding_again_names_what_is_malformed(broken: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decide_again(broken)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (changed("exams", 0, "n", to=9), "exams"),
        (changed("exams", 0, "extra", to=9), "exams"),
        (changed("rules", "checks", to={}), "rules"),
        (changed("expected", to=["e", "e"]), None),
        (changed("decision", "extra", to=1), "extra"),
        (changed("decision", "action", to="promote"), "action"),
        (changed("decision", "verdicts", 0, "outcome", to="FAIL"), "verdicts"),
        (changed("decision", "verdicts", 0, "n", to=3), "verdicts"),
        (changed("decision", "verdicts", 0, "upper_points", to=0.1), "verdicts"),
        (changed("decision", "verdicts", to=[]), "verdicts"),
        (changed("decision", "headline", to="Promote."), None),
        (changed("decision", "reasons", to=["It passed."]), None),
        (changed("decision", "verdicts", 0, "sentence", to="It passed."), None),
    ],
)
def test_parts_that_do_not_follow_from_the_rest_are_named(
    other: dict[str, Any], named: str | None
) -> None:
    assert decide_again(other)[1] == ([named] if named else [])
