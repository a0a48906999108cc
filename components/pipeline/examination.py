"""The examination of one candidate: scores, drift, evidence, decision.

Concept: the exams are those of the snapshot whose task the champion already knows or the
batch brings; each model answers exactly the same items. What the decision looked at becomes
one immutable document, the evidence, which holds every answer.

Promise: the evidence carries no path, no random id and no time but what answers took, where that
is asked for and measured once; so the same root state gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.errors import Retryable
from components.gate.decision import judge
from components.gate.evidence import record
from components.gate.policies import Checks
from components.gate.verdicts import (
    Decision,
    Examination,
    ExamResult,
    NewTask,
    Outcome,
    Rules,
)
from components.items import Item
from components.ledger import views
from components.ledger.book import Lease
from components.ledger.events import CandidateJudged
from components.pipeline import drift_survey
from components.pipeline.examiner import Examiner
from components.pipeline.extra_checks import look_beyond, traits
from components.pipeline.preparation import Divided
from components.workspace.library import Library
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.drift import Drift
    from components.evaluation.scoring import Distrusted
    from components.model.bundle import Bundle
    from components.pipeline.drift_survey import Survey


@dataclass(frozen=True, slots=True)
class Examined:
    """A judged candidate. `evidence` is the digest of the stored document.

    `notes`: what people should hear of besides, and what decides nothing.
    """

    bundle: Bundle
    decision: Decision
    evidence: str
    exams: tuple[ExamResult, ...]
    drift: Drift | None
    notes: tuple[str, ...] = ()


def examine(
    ws: Workspace, lease: Lease, divided: Divided, bundle: Bundle, library: Library
) -> Examined:
    """Score the candidate and what it is held against, judge, and record the evidence.

    Raises:
        Retryable: kept answers did not hold, twice: something else writes them now.
    """
    distrusted: list[Distrusted] = []
    for _ in range(2):
        examiner = Examiner(ws, library)
        found = _examined(ws, divided, bundle, library, examiner)
        examiner.record(lease)
        distrusted += examiner.distrusted
        if not examiner.late:
            return _judged(ws, lease, divided, bundle, found, distrusted)
    raise Retryable(
        f"{ws.scores.path} is changed while answers are kept in it.",
        "Find out what writes there, then run the same command again.",
    )


def _examined(
    ws: Workspace, divided: Divided, bundle: Bundle, library: Library, examiner: Examiner
) -> tuple[Examination, Survey]:
    """Return all that the gate looks at."""
    champion = _open(ws, divided.parent)
    exams = _exams(ws, divided, bundle, champion, examiner)
    learned = _learned(ws, divided, bundle, champion, examiner)
    compared = drift_survey.survey(ws, divided, champion, library, examiner)
    known = views.known_tasks(ws.ledger)
    expected = [exam for exam in divided.exams if divided.tasks[exam] in known]
    sat = [divided.exams[exam.exam] for exam in exams]
    further = look_beyond(ws, examiner, bundle, champion, divided.cases, sat)
    return Examination(exams, learned, compared.notes, expected, **further), compared


def _judged(
    ws: Workspace,
    lease: Lease,
    divided: Divided,
    bundle: Bundle,
    found: tuple[Examination, Survey],
    distrusted: Sequence[Distrusted],
) -> Examined:
    examination, compared = found
    decision = judge(examination, rules(ws))
    evidence = ws.write_document(_evidence(ws, divided, bundle, examination, decision, compared))
    judged = CandidateJudged(
        batch=divided.batch,
        bundle=bundle.digest,
        snapshot=divided.snapshot,
        evidence=evidence,
        settings=ws.write_document(ws.in_force().model_dump(mode="json")),
        exams=_refused(examination.exams, decision),
        action=decision.action,
        headline=decision.headline,
    )
    ws.ledger.append(judged, lease)
    notes = tuple(_told(each) for each in distrusted)
    return Examined(bundle, decision, evidence, tuple(examination.exams), compared.drift, notes)


def _told(found: Distrusted) -> str:
    """Say in a line what an outcome says of kept answers that did not hold."""
    return (
        f"{found.items} kept answers of bundle {found.bundle[:12]} did not hold ({found.reason}); "
        "they were computed anew, and the decision rests on the new ones."
    )


def _refused(exams: Sequence[ExamResult], decision: Decision) -> dict[str, bool]:
    """Return whether each exam of a known task refused the candidate: did not let it pass."""
    refused = {
        verdict.exam
        for verdict in decision.verdicts
        if verdict.check in ("forgetting", "anchor") and verdict.outcome is not Outcome.PASS
    }
    return {exam.exam: exam.exam in refused for exam in exams if exam.known}


def rules(ws: Workspace) -> Rules:
    """Return the gate's rules as the settings have them."""
    gate = ws.settings.gate
    return Rules(
        gate.margin_points,
        gate.anchor_margin_points,
        gate.floor_points,
        gate.alpha,
        gate.approval,
        Checks.from_json(gate.checks.model_dump(exclude={"behaviour": {"file"}})),
    )


def _open(ws: Workspace, version: views.Version | None) -> Bundle | None:
    if version is None:
        return None
    from components.model.bundle import open_bundle

    return open_bundle(ws.bundles, version.bundle)


def _exams(
    ws: Workspace, divided: Divided, bundle: Bundle, champion: Bundle | None, examiner: Examiner
) -> list[ExamResult]:
    """Sit every exam of a task that is known or in the batch."""
    known = views.known_tasks(ws.ledger)
    in_batch = {item.task for item in divided.split.train + divided.split.holdout}
    sat = {
        exam: items
        for exam, items in divided.exams.items()
        if divided.tasks[exam] in known | in_batch
    }
    tasks = {divided.tasks[exam] for exam in sat}
    anchors = {
        task: _open(ws, views.version(ws.ledger, number))
        for task, number in (divided.parent.anchors if divided.parent else {}).items()
        if task in tasks
    }
    examiner.prepare(filter(None, (champion, bundle)), sat.values())
    served = views.served(ws.ledger, but=bundle.digest)
    results = []
    for exam, items in sat.items():
        task = divided.tasks[exam]
        models = {"champion": champion, "candidate": bundle, "anchor": anchors.get(task)}
        asked = {name: model for name, model in models.items() if model is not None}
        sittings: dict[str, Any] = {
            name: examiner.sit(model, items) if model else None for name, model in models.items()
        }
        results.append(
            ExamResult(
                exam,
                task,
                **sittings,
                known=task in known,
                in_batch=task in in_batch,
                refusals=served.get(exam, views.Served()).refusals,
                parts={name: examiner.key(model, task) for name, model in asked.items()},
                **traits(ws, examiner.items(items)),
            )
        )
    return results


def _learned(
    ws: Workspace, divided: Divided, bundle: Bundle, champion: Bundle | None, examiner: Examiner
) -> list[NewTask]:
    """Return what held-out rows say of the batch, a part per task and per new label.

    These are the batch's own rows; for what is new, the items of the task's exams as well.
    Law 5: what is new and has no held-out row becomes a part without items, which is MISSING.
    """
    known = views.known_tasks(ws.ledger)
    rows = _by_task(divided.split.train + divided.split.holdout)
    own, sat = _by_task(divided.split.holdout), _exam_items(divided, examiner, rows)
    parts = []
    for task in sorted(rows):
        items = own.get(task, []) + (sat.get(task, []) if task not in known else [])
        if items or task not in known:
            parts.append(_part(task, None, items, task in known, bundle, champion, examiner))
    new = frozenset(bundle.labels) - frozenset(champion.labels if champion else bundle.labels)
    for task in sorted(rows.keys() & known):
        seen = own.get(task, []) + sat.get(task, [])
        for label in sorted(new & {item.label for item in rows[task]}):
            items = [item for item in seen if item.label == label]
            parts.append(_part(task, label, items, False, bundle, champion, examiner))
    return parts


def _by_task(items: Sequence[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.task, []).append(item)
    return found


def _exam_items(
    divided: Divided, examiner: Examiner, tasks: Collection[str]
) -> dict[str, list[Item]]:
    """Return the items of the snapshot by task, for these tasks."""
    found: dict[str, list[Item]] = {}
    for exam, digests in divided.exams.items():
        if divided.tasks[exam] in tasks:
            found.setdefault(divided.tasks[exam], []).extend(examiner.items(digests))
    return found


def _part(
    task: str,
    label: str | None,
    items: list[Item],
    known: bool,
    bundle: Bundle,
    champion: Bundle | None,
    examiner: Examiner,
) -> NewTask:
    counts = Counter(item.label for item in items)
    share = max(counts.values()) / len(items) if items else None
    if len(counts) == 1:  # guessing among the labels that the model tells apart
        share = 1 / len(bundle.labels)
    return NewTask(
        task,
        candidate=examiner.answer(bundle, items),
        champion=examiner.answer(champion, items) if champion else None,
        majority_share=share,
        known=known,
        label=label,
    )


def _evidence(
    ws: Workspace,
    divided: Divided,
    bundle: Bundle,
    examination: Examination,
    decision: Decision,
    compared: drift_survey.Survey,
) -> dict[str, Any]:
    return {
        **record(examination, rules(ws), decision),
        "batch": divided.batch,
        "bundle": bundle.digest,
        "parent": divided.parent.bundle if divided.parent else None,
        "labels": list(bundle.labels),
        "snapshot": divided.snapshot,
        "wall": divided.wall,
        **compared.record(),
    }
