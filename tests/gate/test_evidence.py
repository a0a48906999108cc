"""A decision out of its own document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.gate import Answers, DriftNote, Examination, ExamResult, NewTask, Rules, judge
from components.gate.evidence import recall, record, replay

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
        known, refusals = draw(st.booleans()), draw(st.integers(0, 300))
        exams.append(ExamResult(f"e{place}", "task", *sat, known, refusals=refusals, parts=parts))
    part = answers(draw(st.integers(0, 30)))
    share = draw(st.sampled_from([None, 0.5]))
    learned = [NewTask("new", draw(part), draw(part), share, draw(st.booleans()))]
    policy = draw(st.sampled_from(["ignore", "note", "hold", "reject"]))
    notes = [DriftNote("mmd", draw(st.sampled_from([True, False, None])), policy, "Drift.")]
    return Examination(exams, learned, notes, ["e0"])


RULES = Rules(3.0, 6.0, 1.0, 0.05, "always")


@given(examinations())
def test_the_document_alone_gives_the_same_decision(examination: Examination) -> None:
    decision = judge(examination, RULES)
    document = json.loads(json.dumps(record(examination, RULES, decision)))
    assert replay(document) == (decision, [])


def document() -> dict[str, Any]:
    right = Answers(["a", "b"], [True, True])
    exam = ExamResult("e", "task", right, right, right, known=True)
    examination = Examination([exam], [])
    return record(examination, RULES, judge(examination, RULES))


def test_a_changed_answer_is_found() -> None:
    found = document()
    found["exams"][0]["candidate"] = "00"
    assert "verdicts" in replay(found)[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 1}, "its format is 1"),
        ({"exams": [{"exam": "e"}]}, "a part is missing"),
        ({"rules": {"margin": 1}}, "a part is missing or of another kind"),
        ({"rules": {"margin_points": 3, "anchor_margin_points": 6}}, "a part is missing"),
        (
            {"rules": {"margin_points": -1, "anchor_margin_points": 6, "checks": {}}},
            "margins must lie",
        ),
        (
            {"rules": {"margin_points": 3, "anchor_margin_points": 6, "checks": {"size": 1}}},
            "of another kind",
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
