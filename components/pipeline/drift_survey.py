"""Compare a batch with the champion's training data: drift findings, and counts for later batches.

Concept: the batch is compared with earlier rows of its own tasks, in the shares in which the
lineage was trained on them; rows of a new task are compared with everything learned so far. The
replay memory gives the rows, but balances labels; so each evidence document counts what its
candidate was trained on, and the next comparison begins from the champion's.

Promise: the counts hold no text and no item; the same root state gives the same survey.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from components.evaluation.causes import causes
from components.gate.verdicts import Answers, DriftNote
from components.items import Item
from components.ledger import views
from components.pipeline.facts_of_rows import by_label, read_by_base
from components.pipeline.preparation import Prepared
from components.pipeline.survey_parts import Asked, parts
from components.pipeline.version_answers import Given
from components.workspace.item_library import Library
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.drift import Answered, Counts, Drift, Side
    from components.model.bundle import Bundle
    from components.training.memory import MemoryRef

KEPT_LOOKS = 100
"""Evidence of so many batches is added up for one champion; older ones count as looks only."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that the champion answers: `past` ones, held out of earlier batches, and the batch's."""

    past: Sequence[Item] = ()
    own: Sequence[Item] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """What a batch is like.

    Args:
        drift: the findings; None where there is no champion, or no check is wanted.
        seen: rows that the lineage was trained on before this batch; brought: the batch's own.
        answered: the champion's answers to rows of this batch, none where it was not asked.
        answers: the same label by label, beside those to rows held out of earlier batches.
        texts: how many rows the base cuts, and how many pieces of texts it does not know.
        parts: facts of parts of the batch, where there are any (`survey_parts`).
    """

    drift: Drift | None
    seen: Counts
    brought: Counts
    answered: Answered
    answers: Mapping[str, Any]
    texts: Mapping[str, Any] | None
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> list[DriftNote]:
        """The findings as the gate weighs them; what to do is told with the cause, if one shows."""
        caused = bool(causes({**self.record(), "labels": ()}))
        notes = []
        for each in self.drift.findings if self.drift else ():
            drifted = each.drifted if each.examined else None
            remedy = f" {each.remedy}" if each.remedy and not caused else ""
            notes.append(DriftNote(each.name, drifted, each.policy, f"{each.sentence}{remedy}"))
        return notes

    def record(self) -> dict[str, Any]:
        """Return what evidence keeps of it; words of texts are left out (law 11)."""
        findings = [asdict(each) for each in self.drift.findings] if self.drift else None
        counts = {"seen": self.seen, "brought": self.brought, "answered": self.answered}
        return {
            "drift": findings,
            "counts": counts,
            "answers": self.answers,
            "texts": self.texts,
            **self.parts,
        }


def rows_to_answer(ws: Workspace, prepared: Prepared) -> Rows:
    """Return what the champion must answer for a survey; nothing where no check asks for it.

    Of the held-out rows those that came out of batches, as the batch's own rows do: what people
    bring as an exam may be of another kind on purpose.
    """
    settings = ws.settings.drift
    if prepared.parent is None or "concept" not in settings.wanted:
        return Rows()
    trained = views.trained_among(ws.ledger, [item.near for item in prepared.split.train])
    fresh = [item for item in prepared.split.train if item.near not in trained]
    own = [*sample(fresh, settings.sample_items), *prepared.split.holdout]
    tasks = {item.task for item in own}
    held = {
        item.digest: item for exam in prepared.exams if exam.task in tasks for item in exam.items
    }
    past = [held[digest] for digest in sorted(views.held_from_batches(ws.ledger, held))]
    examined = {item.task for item in past}
    return Rows(past, [item for item in own if item.task in examined])


def survey(
    ws: Workspace, prepared: Prepared, champion: Bundle | None, rows: Rows, given: Given
) -> Survey:
    """Compare the batch's training rows with what the champion was trained on."""
    from components.evaluation.drift import Compared, examine
    from components.training.memory import remembered

    now = prepared.split.train
    brought = _counted((item.task, item.label) for item in now)
    batch = sample(now, ws.settings.drift.sample_items)
    if champion is None or prepared.parent is None:
        return Survey(None, {}, brought, {}, {}, read_by_base(ws, batch, []))
    settings, seen = ws.settings, _seen(ws, prepared.parent, champion)
    if not settings.drift.wanted:
        return Survey(None, seen, brought, {}, {}, None)
    own = given.by(champion, rows.own)
    answered = _tally(rows.own, own)
    wrong = [item for item, right in zip(own.items, own.correct, strict=True) if right is False]
    memory = remembered(champion, views.renamed_tasks(ws.ledger))
    refs = representative(memory, seen, brought, settings.drift.sample_items)
    past = Library(ws).remembered(refs)
    compared = Compared(
        earlier=side_of(ws, past),
        batch=side_of(ws, batch),
        seen=seen,
        brought=brought,
        known=frozenset(champion.labels),
        held=_tally(rows.past, given.by(champion, rows.past)),
        answered=answered,
        since=_since(ws, prepared.parent, prepared.batch),
        wrong=sorted(wrong),
        modality=ws.identity.modality,
        rows=len(prepared.rows),
    )
    asked = Asked(
        compared,
        batch,
        past,
        given.answered(champion, rows.past),
        given.answered(champion, rows.own),
    )
    found = Survey(
        examine(compared, settings.drift, settings.seed),
        seen,
        brought,
        answered,
        by_label(asked.held, asked.own, prepared.rows),
        read_by_base(ws, batch, past),
    )
    return replace(found, parts=parts(ws, prepared.batch, asked, found.record()))


def representative(
    memory: Sequence[MemoryRef], seen: Counts, brought: Counts, size: int
) -> list[MemoryRef]:
    """Return at most `size` references in the shares in which their rows were seen.

    Tasks weigh as much as they do in the batch, labels of a task as in all that was seen of it;
    a new task's part is spread over everything. Inside a group the smallest digests stand for
    it; places go to groups as seats to parties (Webster's method). Law: depends on the set of
    references, never on their order.
    """
    groups: dict[tuple[str, str], list[MemoryRef]] = {}
    for ref in sorted(memory, key=lambda ref: (ref.item, ref.batch)):
        groups.setdefault((ref.task, ref.label), []).append(ref)
    ranked = [
        ((place + 0.5) / weight, ref)
        for group, weight in _weights(seen, brought).items()
        for place, ref in enumerate(groups.get(group, []))
    ]
    return [ref for _, ref in sorted(ranked)[:size]]


def _weights(seen: Counts, brought: Counts) -> dict[tuple[str, str], float]:
    """Return the share of each (task, label); they sum to 1."""
    rows = sum(sum(labels.values()) for labels in brought.values())
    weights: dict[tuple[str, str], float] = {}
    for task, labels in brought.items():
        past = {task: seen[task]} if seen.get(task) else seen
        total = sum(sum(each.values()) for each in past.values())
        for other, counts in past.items():
            for label, count in counts.items():
                share = count / total * sum(labels.values()) / rows
                weights[other, label] = weights.get((other, label), 0.0) + share
    return weights


def _seen(ws: Workspace, parent: views.Version, champion: Bundle) -> Counts:
    """Return what the lineage was trained on; of an older root, what its memory holds."""
    from components.training.memory import remembered

    counts, names = _counts(ws, parent.evidence), views.renamed_tasks(ws.ledger)
    if not counts:
        return _counted((ref.task, ref.label) for ref in remembered(champion, names))
    parts = (counts["seen"], counts["brought"])
    tasks = sorted({task for part in parts for task in part})
    return {
        task: dict(sum((Counter(part.get(task, {})) for part in parts), Counter[str]()))
        for task in tasks
    }


def _counts(ws: Workspace, evidence: str) -> dict[str, dict[str, Any]]:
    """Return an evidence's counts under what its tasks are called now; empty in older ones."""
    counts = ws.read_document(evidence).get("counts") or {}
    names = views.renamed_tasks(ws.ledger)
    return {part: _merged(tasks, names) for part, tasks in counts.items()}


def _merged(tasks: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Any]:
    """Add up the counts of tasks that are one now: numbers, or lists of them."""
    found: dict[str, dict[str, Any]] = {}
    for task, labels in tasks.items():
        own = found.setdefault(names.get(task, task), {})
        for label, count in labels.items():
            before = own.get(label, 0)
            if isinstance(count, int):
                own[label] = before + count
            else:
                own[label] = [a + b for a, b in zip(before or [0] * len(count), count, strict=True)]
    return found


def _since(ws: Workspace, champion: views.Version, batch: str) -> list[Answered]:
    """Return the champion's answers to the other batches that came while it was in force."""
    trained = views.versions(ws.ledger, parent=champion.version)
    newest = {each.batch: each.evidence for each in trained if each.batch not in (None, batch)}
    kept = list(newest.values())[-KEPT_LOOKS:]
    told = [_counts(ws, evidence) for evidence in kept]
    answered: list[Answered] = [counts.get("answered") or {} for counts in told]
    return [*({} for _ in range(len(newest) - len(kept))), *answered]


def side_of(ws: Workspace, items: Sequence[Item]) -> Side:
    """Return items as one side of a comparison, with the frozen base's view of them."""
    from components.evaluation.drift import Side
    from components.model.frozen import embed
    from components.model.placement import placement_of

    contents, modality = [item.content for item in items], ws.identity.modality
    shown = partial(ws.progress, "embedding")
    placement = placement_of(ws.in_force())
    vectors = embed(ws.base, contents, placement, ws.activations, shown, modality)
    return Side([item.digest for item in items], contents, [item.label for item in items], vectors)


def sample(items: Iterable[Item], size: int) -> list[Item]:
    """Return the items with the smallest digests: a fixed, uniform sample."""
    return sorted(items, key=lambda item: (item.digest, item.task))[:size]


def _counted(pairs: Iterable[tuple[str, str]]) -> Counts:
    found: dict[str, dict[str, int]] = {}
    for (task, label), rows in sorted(Counter(pairs).items()):
        found.setdefault(task, {})[label] = rows
    return found


def _tally(items: Sequence[Item], answers: Answers) -> Answered:
    """Count answers by task and label; a row without an answer counts nowhere."""
    found: dict[str, dict[str, list[int]]] = {}
    for item, right in zip(items, answers.correct, strict=True):
        if right is not None:
            told = found.setdefault(item.task, {}).setdefault(item.label, [0, 0])
            told[0], told[1] = told[0] + 1, told[1] + (not right)
    return found
