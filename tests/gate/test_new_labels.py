"""A batch of new labels: the gain over all labels decides, one slow label does not."""

from __future__ import annotations

import json

import numpy as np

from components.gate import Answers, Examination, ExamResult, NewTask, Outcome, Rules, judge
from components.gate.evidence import recall, record

RULES = Rules(margin_points=3, anchor_margin_points=6)
ITEMS = 400
OLD = ("red", "blue")
NEW = ("green", "black", "white")


def answers(right: int, items: int, name: str) -> Answers:
    return Answers([f"{name}{place}" for place in range(items)], [i < right for i in range(items)])


def exam() -> ExamResult:
    """Return an exam of the known labels on which nothing changed."""
    same = answers(360, ITEMS, "i")
    labels = {item: OLD[place % 2] for place, item in enumerate(same.items)}
    among = {"champion": same, "anchor": same}
    return ExamResult("t", "t", same, same, same, True, labels=labels, restricted=among)


def label(name: str, right: int, items: int) -> NewTask:
    rows = answers(right, items, name)
    return NewTask("t", rows, answers(0, items, name), 0.2, known=False, label=name)


def test_a_label_that_is_not_learned_yet_is_noted_where_all_labels_together_gain() -> None:
    parts = [label("green", 8, 9), label("black", 8, 9), label("white", 1, 8)]
    decision = judge(Examination([exam()], parts), RULES)
    assert decision.action == "promote"
    found = {v.sentence.split(":")[0]: v for v in decision.verdicts if v.check == "learned"}
    assert found["t, label white"].outcome is Outcome.INCONCLUSIVE
    assert found["t, label white"].consequence == "note"


def test_a_label_that_is_not_learned_yet_holds_where_no_gain_is_shown() -> None:
    decision = judge(Examination([exam()], [label(name, 1, 8) for name in NEW]), RULES)
    assert decision.action == "hold"
    held = {v.check for v in decision.verdicts if v.consequence == "hold"}
    assert held == {"learned", "balance"}


def test_a_label_that_is_shown_to_be_guessed_rejects_whatever_the_others_gain() -> None:
    parts = [label("green", 30, 30), label("black", 30, 30), label("white", 0, 30)]
    decision = judge(Examination([exam()], parts), RULES)
    assert decision.action == "reject"


def test_one_label_more_is_a_gain_however_many_there_are() -> None:
    """A hundred known labels of 20 items each, none of which changed, and one new label."""
    same = answers(2000, 2000, "i")
    labels = {item: f"label {place % 100}" for place, item in enumerate(same.items)}
    among = {"champion": same, "anchor": same}
    many = ExamResult("t", "t", same, same, same, True, labels=labels, restricted=among)
    decision = judge(Examination([many], [label("green", 16, 20)]), RULES)
    [balance] = [v for v in decision.verdicts if v.check == "balance"]
    assert balance.outcome is Outcome.PASS and decision.action == "promote"


def test_answers_that_change_among_the_known_labels_do_not_hide_a_gain() -> None:
    """Of 100 known labels of 20 items each, 3 % of the answers change, half of them to wrong."""
    random = np.random.default_rng(0)
    before = answers(1000, 2000, "i")
    labels = {item: f"label {place % 100}" for place, item in enumerate(before.items)}
    for _ in range(20):
        flips = random.random(2000) < 0.03
        changed = [right != flip for right, flip in zip(before.correct, flips, strict=True)]
        after = Answers(before.items, [bool(right) for right in changed])
        among = {"champion": after, "anchor": after}
        many = ExamResult("t", "t", before, after, before, True, labels=labels, restricted=among)
        verdicts = judge(Examination([many], [label("green", 16, 20)]), RULES).verdicts
        assert [v.outcome for v in verdicts if v.check == "balance"] == [Outcome.PASS]


def test_a_gain_is_seldom_shown_where_the_known_labels_lose_as_much() -> None:
    """40 known labels of 20 items lose to a new one as much as it gains; 300 histories."""
    random, shown = np.random.default_rng(0), 0
    before = answers(800, 800, "i")
    labels = {item: f"label {place % 40}" for place, item in enumerate(before.items)}
    for _ in range(300):
        after = Answers(before.items, [bool(right) for right in random.random(800) >= 0.4 / 40])
        among = {"champion": before, "anchor": before}  # what is lost goes to the new label
        exam = ExamResult("t", "t", before, after, before, True, labels=labels, restricted=among)
        new = label("green", int(random.binomial(20, 0.4)), 20)
        verdicts = judge(Examination([exam], [new]), RULES).verdicts
        shown += any(v.check == "balance" and v.outcome is Outcome.PASS for v in verdicts)
    assert shown <= 0.05 * 300


def test_a_decision_about_several_new_labels_is_recomputed_from_its_document() -> None:
    examination = Examination([exam()], [label("green", 8, 9), label("black", 8, 9)])
    decision = judge(examination, RULES)
    again = judge(*recall(json.loads(json.dumps(record(examination, RULES, decision)))))
    assert again.to_json() == decision.to_json()
