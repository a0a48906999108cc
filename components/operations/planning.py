"""What the gate can detect with the current holdouts, and a replay of its decisions.

Concept: before a batch comes, the exams' sizes and the share of answers that updates change say
which losses would be noticed and how many good updates would be held. After a decision, its
evidence alone gives the same verdicts again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any, Literal

from components.errors import ConfigError, Corrupted
from components.exam_names import origin, task_of
from components.gate import Rules, evidence
from components.gate.alpha_spending import OVERUSED_AFTER, count
from components.gate.planning import (
    TIES,
    Sitting,
    detectable_points,
    forecast,
    items_needed,
    labels_asked,
)
from components.gate.pool_counts import REFERENCES
from components.gate.sources import choose, least_items
from components.ledger import views
from components.ledger.events import CandidateExamined
from components.operations.explanation import registered
from components.pipeline.exam_gaps import labels_lacking
from components.pipeline.examination import rules
from components.workspace.root import Workspace

ASSUMED_CHURN = 0.08
"""Share of changed answers before there was an update to observe: updates of the rated
sentences change 6 to 12 %."""

CHURNS = (0.01, 0.03, 0.06, 0.1)
"""Shares of changed answers that labels are forecast for, beside the one that was observed."""

LOOKED_BACK = 20
"""The newest decisions that the churn is taken from."""


def plan(ws: Workspace, margin_points: float | None, churn: float | None) -> dict[str, Any]:
    """Return per exam what it can tell, and what would become of three kinds of updates.

    Args:
        ws: the root.
        margin_points: another margin to try; None for the setting.
        churn: share of answers that an update changes; None for what was observed.

    Raises:
        ConfigError: nothing is held out of a task that is known.
    """
    asked = rules(ws)
    if margin_points is not None:
        wider = max(asked.anchor_margin_points, margin_points)
        asked = replace(asked, margin_points=margin_points, anchor_margin_points=wider)
    known = views.known_tasks(ws.ledger)
    most = ws.settings.holdout.max_items
    held = views.exams(ws.ledger, most)
    pools = [pool for pool in views.pools(ws.ledger, most) if pool.task in known]
    exams = [exam for exam in held if exam.task in known]
    if not exams and not pools:
        raise ConfigError(
            "There is no exam yet for a task that the champion has learned.",
            f"Add one: `ratchet holdout add FILE --task {shlex.quote(min(known))}`."
            if known
            else "Run a first batch: `ratchet run FILE`. Part of it is held out.",
        )
    observed, use = _observed_churn(ws, "forgetting"), views.use_by_exam(ws.ledger)
    sat = _with_deciding(_sittings(ws, [*exams, *pools], {} if churn else observed, churn), asked)
    deciding, labelled = sum(each.decides for each in sat), [_labelled(each) for each in sat]
    margin, lacking = asked.margin_points / 100, labels_lacking(ws, exams)
    kinds = {
        "harmless": 0.0,
        "slightly bad": margin / 2,
        "bad": margin,
        "clearly bad": 2 * margin,
    }
    return {
        "margin_points": asked.margin_points,
        "alpha": asked.alpha,
        "approval": asked.approval,
        "churn_from": "given" if churn is not None else "observed" if observed else "assumed",
        "exams": [
            {
                "exam": each.exam,
                "items": each.items,
                "churn": each.churn,
                "detectable_points": detectable_points(each, asked.alpha),
                "items_needed": items_needed(each, deciding, asked),
                "lacks": lacking[each.exam],
                "decides": each.decides,
                "decisions": use(each.exam).decisions,
                "refusals": use(each.exam).turned_away,
                "worn": each.charged >= OVERUSED_AFTER,
            }
            for each in sat
            if origin(each.exam) != "pool"
        ],
        "pools": [
            {
                "exam": each.exam,
                "inputs": each.items,
                "decides": each.decides,
                "labels": _labels(each, asked, given=churn is not None),
            }
            for each in sat
            if origin(each.exam) == "pool"
        ],
        "updates": [
            {
                "update": kind,
                "loss_points": 100 * loss,
                **asdict(forecast(labelled, loss, asked, ws.settings.seed)),
            }
            for kind, loss in kinds.items()
        ],
    }


def _labelled(each: Sitting) -> Sitting:
    """Return an exam as it is, and a pool as the exam that it is once its labels are there."""
    return replace(each, churn=each.churn * (1 - TIES)) if origin(each.exam) == "pool" else each


def _labels(pool: Sitting, asked: Rules, given: bool) -> list[dict[str, Any]]:
    """Return how many labels a pool is expected to ask for, by the share of changed answers."""
    churns = [pool.churn] if given else sorted({*CHURNS, round(pool.churn, 3)})
    return [asdict(labels_asked(pool.items, churn, asked)) for churn in churns]


def _sittings(
    ws: Workspace,
    exams: Sequence[views.HeldExam],
    observed: Mapping[str, float],
    given: float | None,
) -> list[Sitting]:
    """Return the exams as the next candidate will sit them."""
    use, apart = views.use_by_exam(ws.ledger), _observed_churn(ws, "anchor")
    usual = given or (median(observed.values()) if observed else ASSUMED_CHURN)
    sat = []
    for each in exams:
        churn = observed.get(each.exam, usual)
        far = max(0.0, apart.get(each.exam, churn) - churn)
        past = use(each.exam)
        charged = count(past.spent, [1.0] * past.turned_away)
        sat.append(Sitting(each.exam, len(each.items), churn, far, charged))
    return sat


def _with_deciding(sat: Sequence[Sitting], asked: Rules) -> list[Sitting]:
    """Return the exams with what the gate will ask of each, for a batch of every task."""
    chosen = choose(sat, least_items(asked.at_look(0)))
    return [replace(each, decides=each is chosen[task_of(each.exam)]) for each in sat]


def decide_again(ws: Workspace, number: int) -> dict[str, Any]:
    """Return the decision on a version as its evidence alone gives it.

    Raises:
        ConfigError: there is no such version, or its evidence is of an earlier format.
        Corrupted: the decision comes out otherwise.
    """
    version = registered(ws, number)
    document = ws.read_document(version.evidence)
    place = f"The evidence of version {number} ({ws.document_path(version.evidence)})"
    try:
        decision, differs = evidence.decide_again(document)
    except ValueError as error:
        raise ConfigError(
            f"{place} cannot be replayed: {error}.",
            f"Read it with `ratchet version explain {number}`; new versions record what "
            "replay needs.",
        ) from error
    if differs:
        raise Corrupted(
            f"{place} does not give the recorded decision: {', '.join(differs)} differ.",
            "Run `ratchet audit verify`; if it finds nothing, the gate's code has changed since.",
        )
    return {"version": number, "evidence": version.evidence, **decision.to_json()}


def _observed_churn(ws: Workspace, check: Literal["forgetting", "anchor"]) -> dict[str, float]:
    """Return the median share of changed answers by exam, over the newest decisions.

    Of a pool these are all answers that differ, whichever is right.
    """
    shares: dict[str, list[float]] = {}
    for event in views.told(ws.ledger, CandidateExamined)[-LOOKED_BACK:]:
        document = ws.read_document(event.payload.evidence)
        for verdict in document["decision"]["verdicts"]:
            if verdict["check"] == check and verdict["n"] and origin(verdict["exam"]) != "pool":
                changed = verdict["right_to_wrong"] + verdict["wrong_to_right"]
                shares.setdefault(verdict["exam"], []).append(changed / verdict["n"])
        reference = REFERENCES[check]
        for pool in document.get("pools", ()):
            differ = [each for each in pool["differing"] if each["candidate"] != each[reference]]
            if pool["n"] and reference not in pool["unanswered"]:
                shares.setdefault(pool["exam"], []).append(len(differ) / pool["n"])
    return {exam: median(found) for exam, found in shares.items()}
