"""Whether a batch looks like the data that the champion was trained on.

Concept: two tests on frozen embeddings (a linear domain classifier and the maximum mean
discrepancy) and one on labels, each by permutation, so that the p-value holds at any
sample size and needs no distribution.

Promise: drifted only if the difference is both unlikely (p below alpha) and large (effect
above its floor); the same input and seed give the same finding; too few rows are said,
never guessed over. Rows are compared at one fixed sample size, because the classifier's
AUC grows with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from components.settings import DriftSettings

MIN_ROWS = 20
"""Fewer rows a side are not examined."""

MMD_FLOOR = 0.002
"""Share of the kernel's spread that lies between the two sides. In 384 dimensions with a
spectrum like MiniLM's, 0.002 goes with an AUC of about 0.6; without drift, 95 % of samples of
200 rows stay below 0.001 (measured)."""

_FOLDS = 5

Name = Literal["domain-classifier", "mmd", "labels"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One drift test.

    Args:
        name: which test.
        statistic: AUC, squared discrepancy or chi-square; None when not examined.
        p_value: chance of such a statistic without drift; None when not examined.
        effect: AUC, share of kernel spread, or Cramér's V: what `threshold` is held against.
        threshold: the floor of the effect.
        drifted: p below alpha and effect above the floor.
        n: rows a side (for labels: rows of the batch).
        sentence: the finding for a manager.
    """

    name: Name
    statistic: float | None
    p_value: float | None
    effect: float | None
    threshold: float
    drifted: bool
    n: int
    sentence: str

    @property
    def examined(self) -> bool:
        """Whether the test could be made; if not, `drifted` says nothing."""
        return self.p_value is not None


@dataclass(frozen=True, slots=True)
class Drift:
    """All findings about one batch."""

    findings: tuple[Finding, ...]


def examine(
    reference_embeddings: Any,
    batch_embeddings: Any,
    reference_labels: Sequence[str],
    batch_labels: Sequence[str],
    settings: DriftSettings,
    seed: int,
) -> Drift:
    """Compare a batch with the champion's training data.

    Args:
        reference_embeddings: shape (reference rows, dimensions), from the frozen base.
        batch_embeddings: shape (batch rows, dimensions). Rows in a stable order (by item
            digest): the sample is drawn by place.
        reference_labels: labels of the reference rows; as many as there are.
        batch_labels: labels of the batch's rows.
        settings: sample size, permutations (raised to what alpha needs), alpha and floors.
        seed: of the samples and permutations.
    """
    sample = _sample(reference_embeddings, batch_embeddings, settings.sample_items, seed)
    tests: tuple[tuple[Name, Any, float], ...] = (
        ("domain-classifier", _domain_classifier, settings.auc_floor),
        ("mmd", _mmd, MMD_FLOOR),
    )
    labels = _labels(reference_labels, batch_labels, settings, seed)
    if isinstance(sample, str):
        return Drift((*(_unexamined(name, floor, 0, sample) for name, _, floor in tests), labels))
    rounds, rows = _rounds(settings), len(sample) // 2
    findings = (
        _finding(name, test(sample, rounds, seed), floor, settings, rows)
        for name, test, floor in tests
    )
    return Drift((*findings, labels))


def _sample(reference: Any, batch: Any, rows: int, seed: int) -> Any:
    """Return equally many rows of both sides, reference first, or why that cannot be."""
    import numpy as np

    sides = [np.asarray(side, dtype=np.float64) for side in (reference, batch)]
    size = min(rows, *(len(side) for side in sides))
    if size < MIN_ROWS:
        return f"{size} rows a side are too few, at least {MIN_ROWS} are needed"
    if sides[0].ndim != 2 or sides[0].shape[1:] != sides[1].shape[1:]:
        return "the two sides have embeddings of different shapes"
    if not all(np.isfinite(side).all() for side in sides):
        return "some embeddings are not finite"
    rng = np.random.default_rng([seed, 1])
    drawn = [side[np.sort(rng.choice(len(side), size, replace=False))] for side in sides]
    return np.concatenate(drawn)


def _sides(rows: int, rounds: int, seed: int) -> Any:
    """Return who is of the batch (1) or not (0), shape (rows, 1 + rounds): as is, then shuffled."""
    import numpy as np

    rng = np.random.default_rng([seed, 2])
    truth = np.repeat([0.0, 1.0], rows // 2)
    return np.stack([truth, *(rng.permutation(truth) for _ in range(rounds))], axis=1)


def _domain_classifier(sample: Any, rounds: int, seed: int) -> tuple[float, float, float]:
    """Return AUC, p-value and effect (the AUC) of a linear classifier of the two sides.

    Ridge regression, cross-fitted over folds that do not look at the side: its held-out
    scores are one matrix times the sides, so a permutation costs a product.
    Source: Lopez-Paz and Oquab 2017, classifier two-sample tests.
    """
    import numpy as np
    from scipy.stats import rankdata

    rows = len(sample)
    folds = np.random.default_rng([seed, 3]).permutation(rows) % _FOLDS
    scorer = np.zeros((rows, rows))
    for fold in range(_FOLDS):
        held, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        centred = sample - sample[kept].mean(axis=0)
        gram = centred[kept] @ centred[kept].T
        ridge = (np.trace(gram) / len(kept) + 1e-12) * np.eye(len(kept))
        scorer[np.ix_(held, kept)] = centred[held] @ centred[kept].T @ np.linalg.inv(gram + ridge)
    sides = _sides(rows, rounds, seed)
    ranks = rankdata(np.round(scorer @ (sides - 0.5), 12), axis=0)
    half = rows // 2
    aucs = ((ranks * sides).sum(axis=0) - half * (half + 1) / 2) / half**2
    return float(aucs[0]), _p_value(aucs), float(aucs[0])


def _mmd(sample: Any, rounds: int, seed: int) -> tuple[float, float, float]:
    """Return squared discrepancy, p-value and effect under an RBF kernel of median width.

    The effect is the unbiased discrepancy as a share of the kernel's spread among all rows.
    Source: Gretton et al. 2012, A kernel two-sample test, equation 3.
    """
    import numpy as np
    from scipy.spatial.distance import pdist, squareform

    squares = pdist(sample, "sqeuclidean")
    kernel = squareform(np.exp(-squares / max(float(np.median(squares)), 1e-12)))
    rows, half = len(sample), len(sample) // 2
    signs = 2 * _sides(rows, rounds, seed) - 1
    within = np.einsum("ir,ij,jr->r", signs, kernel, signs, optimize=True)
    total = kernel.sum()
    same, across = (total + within) / 2, (total - within) / 2
    discrepancies = same / (half * (half - 1)) - 2 * across / (2 * half**2)
    spread = 1 - total / (rows * (rows - 1))
    observed = float(discrepancies[0])
    return observed, _p_value(discrepancies), max(0.0, observed) / max(float(spread), 1e-12)


def _labels(
    reference: Sequence[str], batch: Sequence[str], settings: DriftSettings, seed: int
) -> Finding:
    """Return whether the shares of the labels moved: chi-square by permutation, Cramér's V.

    V is corrected for its bias with many labels. Source: Bergsma 2013, Journal of the
    Korean Statistical Society 42, 323-328.
    """
    import numpy as np

    floor, size = settings.label_effect_floor, min(len(reference), len(batch))
    if size < MIN_ROWS:
        why = f"{size} labels a side are too few, at least {MIN_ROWS} are needed"
        return _unexamined("labels", floor, len(batch), why)
    counts = [Counter(reference), Counter(batch)]
    names = sorted(counts[0] | counts[1])
    both = np.array([[count[name] for name in names] for count in counts])
    totals, rows = both.sum(axis=0), int(both.sum())
    rng = np.random.default_rng([seed, 4])
    draws = rng.multivariate_hypergeometric(totals, len(batch), size=_rounds(settings))
    expected = totals * len(batch) / rows
    shares = (np.vstack([both[1:], draws]) - expected) ** 2 / expected
    squares = shares.sum(axis=1) * rows / len(reference)
    excess = max(0.0, float(squares[0]) / rows - (len(names) - 1) / (rows - 1))
    effect = (excess / (1 - 1 / (rows - 1))) ** 0.5
    measured = (float(squares[0]), _p_value(squares), effect)
    return _finding("labels", measured, floor, settings, len(batch))


def _p_value(statistics: Any) -> float:
    """Return the share of statistics as large as the first, itself included.

    Source: Phipson and Smyth 2010, permutation p-values should never be zero.
    """
    return float((statistics >= statistics[0] - 1e-12).mean())


def _rounds(settings: DriftSettings) -> int:
    """Return the permutations, at least so many that a p-value below alpha can occur."""
    return max(settings.permutations, ceil(2 / settings.alpha))


_SUBJECT: dict[Name, str] = {
    "domain-classifier": "a classifier tells the batch from earlier data with an AUC of {:.2f}",
    "mmd": "the batch lies apart from earlier data by {:.3f} of their spread",
    "labels": "the label shares differ from earlier data by {:.2f} (Cramér's V)",
}


def _finding(
    name: Name,
    measured: tuple[float, float, float],
    threshold: float,
    settings: DriftSettings,
    rows: int,
) -> Finding:
    statistic, p_value, effect = measured
    drifted = p_value < settings.alpha and effect > threshold
    verdict = "Drift" if drifted else "No drift"
    sentence = (
        f"{verdict}: {_SUBJECT[name].format(effect)}; {threshold:g} is the limit "
        f"(p = {p_value:.3f}, {rows:,} rows)."
    )
    return Finding(name, statistic, p_value, effect, threshold, drifted, rows, sentence)


def _unexamined(name: Name, threshold: float, rows: int, why: str) -> Finding:
    sentence = f"Drift by {name} was not examined: {why}."
    return Finding(name, None, None, None, threshold, False, rows, sentence)
