"""The examination of one candidate: scores, drift, evidence, decision.

Concept: the exams are those of the snapshot whose task the champion already knows or the batch
brings; each model answers exactly the same items. The input of the decision becomes one immutable
document, the evidence, which has every answer.

Promise: the evidence contains no path, no random id and no time except latencies (measured once,
and only on request); so the same root state gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from components.gate.decision import judge
from components.gate.evidence import record
from components.gate.policies import CheckRules
from components.gate.verdicts import (
    Answers,
    Decision,
    Examination,
    ExamResult,
    NewTask,
    PoolResult,
    Rules,
)
from components.items import Item
from components.ledger import views
from components.ledger.events import CandidateExamined
from components.ledger.events.versions import Origin
from components.ledger.ledger import Lease
from components.pipeline import drift_survey
from components.pipeline.exams import Exam, known_items
from components.pipeline.extra_checks import extra_parts, traits
from components.pipeline.facts_of_rows import answers_by_label
from components.pipeline.pool_results import pool_result
from components.pipeline.pool_survey import pool_notes
from components.pipeline.preparation import Prepared
from components.pipeline.promotion_proposal import anchors_after, exams_to_join
from components.pipeline.sittings import asked_marks
from components.pipeline.turned_away import turned_away
from components.pipeline.version_answers import Given, Labels, ask, ask_among
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.drift import Drift
    from components.evaluation.scoring import Distrusted
    from components.model.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Models:
    """What answers: the candidate, the champion, and each task's anchor."""

    candidate: Bundle
    champion: Bundle | None
    anchors: Mapping[str, Bundle]

    def of(self, task: str) -> dict[str, Bundle]:
        """Return those that answer the exams of a task, by what they are in it."""
        found = {
            "champion": self.champion,
            "candidate": self.candidate,
            "anchor": self.anchors.get(task),
        }
        return {who: model for who, model in found.items() if model is not None}

    def narrower(self, task: str) -> dict[str, Labels]:
        """Return the labels of the champion and the anchor, where the candidate knows more."""
        own = frozenset(self.candidate.labels)
        labels = {who: frozenset(model.labels) for who, model in self.of(task).items()}
        return {who: known for who, known in labels.items() if own - known and own & known}


@dataclass(frozen=True, slots=True)
class Examined:
    """An examined candidate. `evidence` is the digest of `document`, which is stored.

    `notes`: information for people that does not affect the decision.
    """

    bundle: Bundle
    decision: Decision
    evidence: str
    document: Mapping[str, Any]
    drift: Drift | None
    notes: tuple[str, ...] = ()


def examine(ws: Workspace, lease: Lease, prepared: Prepared, bundle: Bundle) -> Examined:
    """Score the candidate and what it is held against, judge, and record evidence and proposal."""
    models = _open_models(ws, prepared, bundle)
    rows = drift_survey.rows_to_answer(ws, prepared)
    given = ask(ws, lease, _questions(prepared, models, rows))
    given = ask_among(ws, given, models.candidate, _narrowed(prepared, models))
    survey = drift_survey.survey(ws, prepared, models.champion, rows, given)
    examination = Examination(
        _exams(ws, prepared, models, given),
        _learned(prepared, models, given),
        [*survey.notes, *pool_notes(ws, prepared)],
        [exam.name for exam in (*prepared.exams, *prepared.pools) if exam.task in prepared.known],
        pools=_pools(ws, prepared, models, given),
        look=views.looks(
            ws.ledger, views.pooled_from(ws.ledger, prepared.batch), _look(prepared, models)
        ),
        **extra_parts(ws, prepared, bundle, models.champion, given),
    )
    examined = _decide(
        ws,
        lease,
        prepared,
        bundle,
        examination,
        _rules_for(ws, prepared),
        "batch",
        survey.record() | _confusion(prepared, models, given),
    )
    notes = tuple(_note(each) for each in given.distrusted)
    return replace(examined, drift=survey.drift, notes=notes)


def examine_change(
    ws: Workspace, lease: Lease, prepared: Prepared, bundle: Bundle, origin: Origin
) -> Examined:
    """Examine a candidate that came from no batch: on every exam and pool of what is known."""
    models = _open_models(ws, prepared, bundle)
    given = ask(ws, lease, _questions(prepared, models, drift_survey.Rows()))
    given = ask_among(ws, given, bundle, _narrowed(prepared, models))
    examination = Examination(
        _exams(ws, prepared, models, given),
        [],
        [],
        [exam.name for exam in (*prepared.exams, *prepared.pools)],
        pools=_pools(ws, prepared, models, given),
        **extra_parts(ws, prepared, bundle, models.champion, given),
    )
    asked = replace(rules(ws), undecided="hold")
    found = {"drift": None} | _confusion(prepared, models, given)
    return _decide(ws, lease, prepared, bundle, examination, asked, origin, found)


def _confusion(prepared: Prepared, models: Models, given: Given) -> dict[str, Any]:
    """Return, for people, what the models answer on each exam: label -> answer -> items."""
    return {
        "confusion": {
            exam.name: {
                who: answers_by_label(given.answered(model, exam.items))
                for who, model in models.of(exam.task).items()
                if who != "anchor"
            }
            for exam in prepared.exams
        }
    }


def _decide(
    ws: Workspace,
    lease: Lease,
    prepared: Prepared,
    bundle: Bundle,
    examination: Examination,
    asked: Rules,
    origin: Origin,
    found: Mapping[str, Any],
) -> Examined:
    """Judge, and record evidence (with `found`, what else was looked at) and proposal."""
    decision, batch = judge(examination, asked), prepared.batch or None
    document = {
        **record(examination, asked, decision),
        "batch": batch,
        "bundle": bundle.digest,
        "parent": prepared.parent.bundle if prepared.parent else None,
        "labels": list(bundle.labels),
        "snapshot": prepared.snapshot,
        "wall": prepared.wall,
        "asked": asked_marks(examination.exams, prepared.exams),
        **found,
    }
    evidence = ws.write_document(document)
    away, spent = turned_away(examination, decision)
    examined = CandidateExamined(
        origin=origin,
        batch=batch,
        parent=prepared.parent.version if prepared.parent else None,
        bundle=bundle.digest,
        snapshot=prepared.snapshot,
        evidence=evidence,
        settings=ws.write_document(ws.in_force().model_dump(mode="json")),
        exams=away,
        spent=sorted(spent),
        action=decision.action,
        headline=decision.headline,
        anchors=anchors_after(prepared, examination, asked),
        joins=exams_to_join(prepared),
    )
    ws.ledger.append(examined, lease)
    return Examined(bundle, decision, evidence, document, None)


def sit(
    ws: Workspace, lease: Lease, prepared: Prepared, bundle: Bundle
) -> tuple[list[ExamResult], list[PoolResult]]:
    """Return how a version, its parent and the anchors do on the exams and pools of a batch."""
    models = _open_models(ws, prepared, bundle)
    given = ask(ws, lease, _questions(prepared, models, drift_survey.Rows()))
    given = ask_among(ws, given, bundle, _narrowed(prepared, models))
    return _exams(ws, prepared, models, given), _pools(ws, prepared, models, given)


def _rules_for(ws: Workspace, prepared: Prepared) -> Rules:
    """Return the rules for a batch: one that had a probation, in whatever form, gets no other."""
    found = rules(ws)
    if found.undecided == "hold":
        return found
    lineage = {*views.pooled_from(ws.ledger, prepared.batch)}
    had = [views.version(ws.ledger, each.version) for each in views.probations(ws.ledger)]
    again = any(version is not None and version.batch in lineage for version in had)
    return replace(found, undecided="hold") if again else found


def rules(ws: Workspace) -> Rules:
    """Return the gate's rules as the settings have them."""
    gate = ws.settings.gate
    return Rules(
        gate.margin_points,
        gate.anchor_margin_points,
        gate.floor_points,
        gate.alpha,
        gate.approval,
        CheckRules.from_json(gate.checks.model_dump(exclude={"behaviour": {"file"}})),
        competition_points=gate.competition_points,
        anchor_competition_points=gate.anchor_competition_points,
        horizon=gate.horizon,
        undecided=gate.undecided,
    )


def _open_models(ws: Workspace, prepared: Prepared, candidate: Bundle) -> Models:
    from components.model.bundle import open_bundle

    parent = prepared.parent
    if parent is None:
        return Models(candidate, None, {})
    sat = {exam.task for exam in (*prepared.exams, *prepared.pools)}
    anchors = {
        task: open_bundle(ws.bundles, version.bundle)
        for task, number in parent.anchors.items()
        if task in sat and (version := views.version(ws.ledger, number)) is not None
    }
    return Models(candidate, open_bundle(ws.bundles, parent.bundle), anchors)


def _questions(
    prepared: Prepared, models: Models, rows: drift_survey.Rows
) -> Iterator[tuple[Bundle, Sequence[Item]]]:
    """Yield who is to answer what: the exams, the batch's holdout, the cases, the survey's rows."""
    cases = prepared.cases.items if prepared.cases else []
    sat = (*prepared.exams, *prepared.pools)
    exams = [item for exam in sat for item in exam.items]
    both = [*exams, *prepared.split.holdout, *cases]
    if models.champion is not None:
        yield models.champion, [*both, *rows.past, *rows.own]
    yield models.candidate, both
    for exam in sat:
        if exam.task in models.anchors:
            yield models.anchors[exam.task], exam.items


def _narrowed(prepared: Prepared, models: Models) -> Iterator[tuple[Labels, Sequence[Item]]]:
    """Yield the labels of each model that knows fewer than the candidate, and what it answers."""
    for exam in (*prepared.exams, *prepared.pools):
        if exam.task in prepared.known:
            for labels in models.narrower(exam.task).values():
                yield labels, exam.items


def _exams(ws: Workspace, prepared: Prepared, models: Models, given: Given) -> list[ExamResult]:
    """Return how each model did on every exam.

    Nothing can be forgotten of an item whose label a model does not know, and it would make a loss
    look smaller. So an exam of a known task is the items whose label the champion knows; one that
    has none of these is only noted.
    """
    use = views.use_by_exam(ws.ledger, but=_look(prepared, models))
    results = []
    for exam in prepared.exams:
        asked = models.of(exam.task)
        known = exam.task in prepared.known and bool(own := known_items(exam, models.champion))
        exam = replace(exam, items=own) if known else exam
        sittings: dict[str, Any] = {who: None for who in ("champion", "candidate", "anchor")}
        sittings |= {who: given.by(model, exam.items) for who, model in asked.items()}
        results.append(
            ExamResult(
                exam.name,
                exam.task,
                **sittings,
                known=known,
                in_batch=exam.task in prepared.tasks,
                turned_away=use(exam.name).turned_away,
                spent=use(exam.name).spent,
                parts={who: given.key(model, exam.task) for who, model in asked.items()},
                older=_older(exam, asked.get("anchor")),
                **_among_known(exam, models, given, known),
                **traits(ws.settings, exam.items),
            )
        )
    return results


def _older(exam: Exam, anchor: Bundle | None) -> frozenset[str] | None:
    """Return the items that are held against the anchor: of those, what has a label it knows."""
    known = known_items(exam, anchor)
    if len(known) in (0, len(exam.items)):
        return exam.older
    own = frozenset(item.digest for item in known)
    return own if exam.older is None else own & exam.older


def _among_known(exam: Exam, models: Models, given: Given, known: bool) -> dict[str, Any]:
    """Return what the candidate answers among known labels, where it knows more than these."""
    narrower = models.narrower(exam.task) if known else {}
    among = {who: given.candidate_among(own, exam.items) for who, own in narrower.items()}
    if not narrower:
        return {"restricted": among}
    pairs = [*zip(exam.items, given.labels(models.candidate, exam.items), strict=True)]

    def new_to(who: str) -> dict[str, str]:
        own = narrower.get(who)
        return {
            item.digest: label
            for item, label in pairs
            if own is not None and label is not None and label not in own
        }

    return {"restricted": among, "taken": new_to("champion"), "newer": new_to("anchor")}


def _pools(ws: Workspace, prepared: Prepared, models: Models, given: Given) -> list[PoolResult]:
    """Return how each model answered every pool."""
    use = views.use_by_exam(ws.ledger, but=_look(prepared, models))
    return [
        pool_result(
            ws,
            pool,
            models.of(pool.task),
            models.narrower(pool.task),
            given,
            pool.task in prepared.tasks,
            use(pool.name),
        )
        for pool in prepared.pools
    ]


def _look(prepared: Prepared, models: Models) -> views.Look:
    return views.Look(models.candidate.digest, prepared.snapshot)


def _learned(prepared: Prepared, models: Models, given: Given) -> list[NewTask]:
    """Return what held-out rows say of the batch, a part per task and per new label.

    These are the batch's own rows; for what is new, the items of the task's exams as well.
    Law 5: what is new and has no held-out row becomes a part without items, which is MISSING.
    """
    rows, own, known = _by_task(prepared.rows), _by_task(prepared.split.holdout), prepared.known
    sat: dict[str, list[Item]] = {}
    for exam in prepared.exams:
        sat.setdefault(exam.task, []).extend(exam.items)
    parts = []
    for task in sorted(rows):
        items = own.get(task, []) + (sat.get(task, []) if task not in known else [])
        if items or task not in known:
            parts.append(_part(task, None, items, task in known, models, given))
    reference = models.champion or models.candidate
    new = frozenset(models.candidate.labels) - frozenset(reference.labels)
    for task in sorted(rows.keys() & known):
        seen = own.get(task, []) + sat.get(task, [])
        for label in sorted(new & {item.label for item in rows[task]}):
            items = [item for item in seen if item.label == label]
            parts.append(_part(task, label, items, False, models, given))
    return parts


def _part(
    task: str, label: str | None, items: list[Item], known: bool, models: Models, given: Given
) -> NewTask:
    counts, candidate = Counter(item.label for item in items), given.by(models.candidate, items)
    share = max(counts.values()) / len(items) if items else None
    if len(counts) == 1:  # guessing among the labels that the model tells apart
        share = 1 / len(models.candidate.labels)
    return NewTask(
        task,
        candidate=candidate,
        champion=given.by(models.champion, items) if models.champion else None,
        majority_share=share,
        known=known,
        label=label,
        both=_also_guessed(items, counts, candidate) if len(counts) > 1 else None,
    )


def _also_guessed(items: Sequence[Item], counts: Mapping[str, int], candidate: Answers) -> int:
    """Return how many items of the majority class are answered correctly."""
    majority = max(counts, key=lambda label: (counts[label], label))
    own = {item.digest for item in items if item.label == majority}
    pairs = zip(candidate.items, candidate.correct, strict=True)
    return sum(right is True for item, right in pairs if item in own)


def _by_task(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.task, []).append(item)
    return found


def _note(found: Distrusted) -> str:
    """Say in a line what an outcome says of kept answers that did not hold."""
    return (
        f"{found.items} stored answers of bundle {found.bundle[:12]} were wrong "
        f"({found.reason}); they were recomputed, and the decision uses the new ones."
    )
