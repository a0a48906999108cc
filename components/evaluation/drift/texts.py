"""Whether the texts moved in length or in language.

Concept: both look at the text itself, so they see what an embedding may hide and say it in
words that people use. Languages are told by py3langid, offline and from its own model; short
texts are told badly, so a text counts only where the language is sure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from components.evaluation.drift.findings import Measured, Shift
from components.evaluation.drift.labels import Table, chi_squares
from components.evaluation.drift.samples import MIN_ROWS, Chance, Compared, p_value, too_few

SURE = 0.5
"""Confidence from which the language of a text counts as told."""


def length(compared: Compared, chance: Chance) -> Measured | str:
    """Measure whether the texts got longer or shorter, in characters, by ranks.

    The effect is Cliff's delta, which is 2 AUC - 1, without its sign. Source: Mann and Whitney
    1947; Cliff 1993, Psychological Bulletin 114, 494-509.
    """
    from statistics import median

    from scipy.stats import mannwhitneyu

    before, now = (
        [len(text) for text in side.contents] for side in (compared.earlier, compared.batch)
    )
    if min(len(before), len(now)) < MIN_ROWS:
        return too_few(min(len(before), len(now)))
    found = mannwhitneyu(now, before, method="asymptotic")
    delta = 2 * float(found.statistic) / (len(before) * len(now)) - 1
    p = float(found.pvalue) if len({*before, *now}) > 1 else 1.0
    middle = f"{median(before):g} characters before, {median(now):g} now (medians)"
    order = sorted(zip(now, compared.batch.items, strict=True), reverse=delta > 0)
    examples = [item for _, item in order]
    return Measured(float(found.statistic), p, abs(delta), len(now), middle, examples)


def language(compared: Compared, chance: Chance) -> Measured | str:
    """Measure whether the languages' shares moved: chi-square by permutation.

    The effect is the total variation distance: the share of texts that moved.
    """
    sides = compared.earlier, compared.batch
    told = [[language_of(text) for text in side.contents] for side in sides]
    table = Table(*(Counter(each for each in side if each) for side in told))
    past, rows = table.before.total(), table.now.total()
    if min(past, rows) < MIN_ROWS:
        return too_few(min(past, rows), "texts per side with a clear language")
    squares = chi_squares(table, chance)
    classes = [
        Shift(name, table.before[name] / past, table.now[name] / rows) for name in table.names
    ]
    effect = sum(abs(each.growth) for each in classes) / 2
    grown = max(classes, key=lambda each: (each.growth, each.name))
    moved = f"{grown.name} {_percent(grown.before)} before, {_percent(grown.after)} now"
    examples = _of(grown.name, told[1], compared.batch.items)
    return Measured(float(squares[0]), p_value(squares), effect, rows, moved, examples, classes)


def language_of(text: str) -> str | None:
    """Return the ISO 639 code of a text's language; None where it is not sure or is none."""
    name, confidence = _identifier().classify(text)
    return str(name) if confidence >= SURE and name != "zxx" else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _of(name: str, told: Sequence[str | None], items: Sequence[str]) -> list[str]:
    return [item for item, each in zip(items, told, strict=True) if each == name]


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0):.1f} %"
