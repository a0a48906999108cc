"""The checks of one examination: from answers to verdicts.

Concept: each known exam or pool is compared with the champion and with its anchor (a paired
non-inferiority test each), each known part of the batch with the champion, and drift findings
are weighed by policy. Where both models of a comparison share all that decides
their answers, it passes by certificate: nothing is computed, and no alpha is spent.

Promise: no partial examinations. Answers that are missing, empty, for other items, duplicated or
not plainly true or false give MISSING, and MISSING never promotes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from components.exam_names import spoken
from components.gate import sentences
from components.gate.alpha_spending import OVERUSED_AFTER
from components.gate.answer_pairs import Comparison
from components.gate.comparison import ask
from components.gate.new_labels import has_new_labels
from components.gate.pool_counts import REFERENCES
from components.gate.pools import ask_pool
from components.gate.questions import Finding
from components.gate.sources import Source, deciding, known_sources
from components.gate.verdicts import (
    ALARMS,
    BLOCKS,
    HOLDS,
    NOTES,
    Consequence,
    DriftNote,
    Examination,
    ExamResult,
    NewTask,
    Outcome,
    Rules,
    Verdict,
)


def exam_findings(examination: Examination, rules: Rules, whole: Rules) -> list[Finding]:
    """Return what is asked of every exam and pool: against the champion, then the anchor.

    One source of a task decides (`sources`); the others reject on FAIL and are noted else. An exam
    of a task that is not known yet is scored and noted, never blocking. `rules`: with the alpha of
    this look at the batch; `whole`: with all of it, for the anchor has a budget of its own.
    """
    known, decides = known_sources(examination), deciding(examination, whole)
    others = [exam for exam in examination.exams if not exam.known and exam.champion is not None]
    widened = [each for each in known if has_new_labels(each)]
    anchored = [each for each in known if _is_anchored(each, known, decides, rules)]
    noted = [replace(_against_champion(exam, rules, ()), requests=NOTES) for exam in others]
    return [
        *(_ask(each, _against_champion(each, rules, decides), rules) for each in known),
        *(_ask(each, _against_anchor(each, rules, whole, decides), rules) for each in anchored),
        *(_ask(each, _against_itself(each, rules, decides), rules) for each in widened),
        *(ask(comparison, rules) for comparison in _since_the_anchor(known, rules)),
        *(ask(comparison, rules) for comparison in noted),
    ]


def _ask(source: Source, comparison: Comparison, rules: Rules) -> Finding:
    if isinstance(source, ExamResult):
        return ask(comparison, rules)
    return ask_pool(comparison, source, REFERENCES[comparison.check], rules.alpha)


def row_comparisons(
    parts: Sequence[NewTask], examined: Collection[str], rules: Rules
) -> list[Comparison]:
    """Return what is asked of the batch's own rows of known tasks: no worse than the champion.

    Where a task is among those `examined`, its exam decides that on more items: then an open
    verdict on the few rows of the batch is noted only. A FAIL always rejects.
    """
    return [
        Comparison(
            "learned",
            part.task,
            "",
            f"{part.subject}, new items",
            "the champion",
            part.champion,
            part.candidate,
            rules.margin_points,
            rules.alpha,
            ALARMS if part.task in examined else BLOCKS,
        )
        for part in parts
        if part.known
    ]


def check_drift(notes: Iterable[DriftNote]) -> list[Verdict]:
    """Return drift findings as verdicts; with policy `ignore` there is none.

    Drift does not show by itself that the model is worse, so it is INCONCLUSIVE and FAIL
    only under policy `reject`. A finding without an answer is never PASS.
    """
    return [_drift(note) for note in notes if note.policy != "ignore"]


def _against_champion(source: Source, rules: Rules, decides: Collection[str]) -> Comparison:
    blocks = source.exam in decides
    return Comparison(
        "forgetting",
        source.task,
        source.exam,
        spoken(source.exam),
        "the champion",
        source.champion if isinstance(source, ExamResult) else None,
        source.candidate_for("champion") if isinstance(source, ExamResult) else None,
        rules.margin_points,
        rules.alpha,
        BLOCKS if blocks else ALARMS,
        certificate=source.shared("champion"),
        advice="" if blocks else sentences.NOT_DECIDING,
    )


def _against_anchor(
    source: Source, rules: Rules, whole: Rules, decides: Collection[str]
) -> Comparison:
    before = _against_champion(source, rules, decides)
    worn = source.charged >= OVERUSED_AFTER
    anchor, after, older = None, None, None
    if isinstance(source, ExamResult):
        anchor, older = source.anchor, source.older
        after = source.candidate_for("anchor")
    unjudged = older == frozenset()
    return replace(
        before,
        check="anchor",
        reference="the anchor",
        before=anchor,
        after=after,
        margin_points=rules.anchor_margin_points,
        level=whole.anchor_alpha(source.charged if rules.edition >= 4 else source.turned_away),
        requests={**before.requests, Outcome.MISSING: "hold"} if unjudged else before.requests,
        certificate=source.shared("anchor"),
        advice=before.advice + (sentences.overused(source.turned_away) if worn else ""),
        among=older,
    )


def _against_itself(source: Source, rules: Rules, decides: Collection[str]) -> Comparison:
    """Ask how many known items go to new labels that were right among the known ones."""
    before = _against_champion(source, rules, decides)
    return replace(
        before,
        check="competition",
        subject=f"{before.subject}, new labels",
        reference="its answers among the known labels",
        before=before.after,
        after=source.candidate if isinstance(source, ExamResult) else None,
        margin_points=rules.competition_points,
        certificate=None,
    )


def _since_the_anchor(known: Iterable[Source], rules: Rules) -> Iterator[Comparison]:
    """Ask how many items go to labels that the anchor did not know, over all batches since.

    Each batch may take its share, and nothing says how many there will be. What all took together
    is shown on labelled exams, without anybody's labels, and asks a person: it may be worth it.
    """
    if rules.anchor_competition_points is None:
        return
    for exam in known:
        if isinstance(exam, ExamResult) and "anchor" in exam.restricted:
            yield replace(
                _against_champion(exam, rules, ()),
                check="anchor_competition",
                subject=f"{spoken(exam.exam)}, labels since the anchor",
                reference="its answers among the anchor's labels",
                before=exam.restricted["anchor"],
                after=exam.candidate,
                margin_points=rules.anchor_competition_points,
                requests={**HOLDS, Outcome.MISSING: "note"},
                certificate=None,
                advice="",
                among=exam.older,
            )


def _is_anchored(
    source: Source, known: Sequence[Source], decides: Collection[str], rules: Rules
) -> bool:
    """Tell whether a source is held against the anchor as well."""
    if rules.edition < 4:
        fresher = any(
            each.task == source.task and each.turned_away < OVERUSED_AFTER for each in known
        )
        return source.turned_away < OVERUSED_AFTER or not fresher
    older = source.older if isinstance(source, ExamResult) else None
    return source.exam in decides or older is None or bool(older)


def _drift(note: DriftNote) -> Verdict:
    consequence: Consequence = "hold" if note.policy == "hold" else "note"
    outcome = Outcome.INCONCLUSIVE
    if note.drifted is None:
        consequence = "note" if note.policy == "note" else "hold"
    elif not note.drifted:
        outcome, consequence = Outcome.PASS, "promote"
    elif note.policy == "reject":
        outcome, consequence = Outcome.FAIL, "reject"
    return Verdict("drift", note.name, "", outcome, consequence, note.sentence)
