"""Whether a batch looks like what the champion was trained on, and what moved where it does not.

Concept: nine checks of one outline, listed in one table. Each takes what is compared
(`Compared`) and gives a raw measurement: statistic, p-value, effect, what moved. `findings`
makes the findings of one batch out of them, together.

Promise: drifted only if the difference is both unlikely (the p-value, adjusted for all checks
of the batch, is at most alpha) and large (the effect is above its floor). The same input and
seed give the same findings, in whatever order the rows come; too few rows are said, never
guessed over. Texts are compared at one fixed sample size, because a classifier's AUC grows with
it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from components.evaluation.drift import concept, covariate, labels, outliers, texts
from components.evaluation.drift.covariate import domain_classifier
from components.evaluation.drift.findings import DriftCheck, Finding, Measured, Shift, findings
from components.evaluation.drift.samples import MIN_ROWS, Answered, Chance, Compared, Counts, Side
from components.evaluation.drift.words import Words, moved_words

if TYPE_CHECKING:
    from components.settings import DriftSettings

__all__ = [
    "DRIFT_CHECKS",
    "MIN_ROWS",
    "Answered",
    "Chance",
    "Compared",
    "Counts",
    "Drift",
    "Finding",
    "Measured",
    "Shift",
    "Side",
    "Words",
    "domain_classifier",
    "examine",
]

DRIFT_CHECKS = (
    DriftCheck(
        "domain_classifier",
        covariate.domain_classifier,
        "auc_floor",
        "a classifier separates the batch's texts from earlier ones with an AUC of {}",
    ),
    DriftCheck(
        "mmd",
        covariate.mmd,
        "mmd_floor",
        "the batch's texts differ from earlier ones by {} of their spread",
    ),
    DriftCheck(
        "outliers",
        outliers.outliers,
        "outlier_floor",
        "{} of the texts are farther out than 95 % of earlier ones",
        "%",
    ),
    DriftCheck(
        "length",
        texts.length,
        "length_floor",
        "text lengths differ from earlier ones by {} (Cliff's delta)",
        only="text",
    ),
    DriftCheck(
        "language",
        texts.language,
        "language_floor",
        "{} of the texts are in a different language than before",
        "%",
        "text",
    ),
    DriftCheck(
        "labels",
        labels.shares,
        "label_effect_floor",
        "label shares differ from earlier ones by {} (Cramér's V)",
    ),
    DriftCheck(
        "new_labels",
        labels.new,
        "new_label_floor",
        "{} of the rows have a label that the champion does not know",
        "%",
    ),
    DriftCheck(
        "vanished_labels",
        labels.vanished,
        "vanished_label_floor",
        "labels that made up {} of earlier rows are absent",
        "%",
    ),
    DriftCheck(
        "concept",
        concept.concept,
        "concept_floor_points",
        "the champion's error rate on the batch is {} higher than on held-out rows",
        "points",
        held_above="concept_hold_points",
        remedy="Read rows with their labels: if the labels are wrong, send the rows again with "
        "right ones; if the texts are of another kind, give them a task of their own; if the "
        "meaning of the labels changed, let it in with a higher `drift.concept_hold_points`.",
    ),
)


@dataclass(frozen=True, slots=True)
class Drift:
    """All findings about one batch, and the words that moved; no words where nothing drifted.

    Words come from texts: they may be shown, and are not kept in evidence (law 11).
    """

    findings: tuple[Finding, ...]
    words: Words = field(default_factory=Words)


def examine(compared: Compared, settings: DriftSettings, seed: int) -> Drift:
    """Make every check of one batch that fits its contents and that the settings do not ignore.

    Args:
        compared: the two sides. Of more than `sample_items` rows a side, those with the
            smallest digests are taken, a uniform sample.
        settings: sample size, permutations (raised to what alpha needs), alpha, floors, policies.
        seed: of the permutations.

    Law: neither the order of the rows nor that of the labels changes a finding.
    """
    sampled = compared.sampled(settings.sample_items)
    wanted = [
        check
        for check in DRIFT_CHECKS
        if check.name in settings.wanted and check.only in (None, compared.modality)
    ]
    chance = Chance(max(settings.permutations, ceil(2 * len(wanted) / settings.alpha)), seed)
    found = findings(
        {check: check.test(sampled, chance) for check in wanted}, settings, compared.rows
    )
    if compared.modality != "text" or not any(finding.drifted for finding in found):
        return Drift(found)
    return Drift(found, moved_words(sampled.earlier.contents, sampled.batch.contents))
