"""Examinations for the checks beyond forgetting, made of counts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from components.gate import Answers, Decision, Examination, ExamResult, Rules, Verdict, judge
from components.gate.policies import CheckRules

GRAVITY = {"promote": 0, "hold": 1, "reject": 2}


def rules(**checks: Any) -> Rules:
    """Return rules whose forgetting passes nearly anything, with these checks."""
    return Rules(100.0, 100.0, checks=CheckRules(**checks))


def answers(correct: Sequence[Any], confidence: Sequence[float] | None = None) -> Answers:
    """Return answers to items i0000, i0001, ... with scores where confidences are given."""
    items = [f"i{place:04d}" for place in range(len(correct))]
    if confidence is None:
        return Answers(items, correct)
    pairs = list(zip(correct, confidence, strict=True))
    brier = [round((1 - sure) ** 2 if right else sure**2, 4) for right, sure in pairs]
    return Answers(items, correct, brier, confidence)


def exam(before: Answers | None, after: Answers | None, **more: Any) -> ExamResult:
    """Return a known exam; its anchor is the champion."""
    return ExamResult("tweets", "tweets", before, after, before, known=True, **more)


def decide(one: ExamResult, asked: Rules, **more: Any) -> Decision:
    """Judge one exam."""
    return judge(Examination([one], [], **more), asked)


def found(decision: Decision, check: str) -> list[Verdict]:
    """Return the verdicts of one check."""
    return [verdict for verdict in decision.verdicts if verdict.check == check]


def shuffled(one: Answers, seed: int) -> Answers:
    """Return the same answers with the items in another order."""
    order = list(range(len(one.items)))
    random.Random(seed).shuffle(order)

    def mixed(values: Sequence[Any] | None) -> list[Any] | None:
        return None if values is None else [values[place] for place in order]

    return replace(
        one,
        items=[one.items[place] for place in order],
        correct=[one.correct[place] for place in order],
        brier=mixed(one.brier),
        confidence=mixed(one.confidence),
    )
