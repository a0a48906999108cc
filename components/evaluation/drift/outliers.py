"""How many texts lie farther out than nearly all earlier ones.

Concept: the distance of a text is that to the nearest label's mean, measured in the spread
that all labels share. Rows that the means and the spread were fitted to look nearer than they
are, so distances are cross-fitted: each row of either side is measured by a fit of other
earlier rows.

Source: Lee et al. 2018, A simple unified framework for detecting out-of-distribution samples;
the covariance is shrunk as in Ledoit and Wolf 2004, Journal of Multivariate Analysis 88, 365.
"""

from __future__ import annotations

from typing import Any

from components.evaluation.drift.covariate import usable
from components.evaluation.drift.findings import Measured
from components.evaluation.drift.samples import Chance, Compared

BEYOND = 0.05
"""Share of the earlier rows that lies beyond the limit: what is expected without drift."""

_FOLDS = 5


def outliers(compared: Compared, chance: Chance) -> Measured | str:
    """Measure the share of the batch that lies beyond 95 % of earlier rows.

    The limit is the k-th largest of m cross-fitted earlier distances, k about m / 20. Without
    drift the rows of the batch beyond it are beta-binomial with parameters k and m + 1 - k,
    whatever the distances' distribution.
    """
    from math import ceil

    from scipy.stats import betabinom

    why = usable(compared)
    if why is not None:
        return why
    earlier, batch = _distances(compared, chance)
    place = ceil(BEYOND * len(earlier))
    limit = sorted(earlier)[-place]
    far = int((batch > limit).sum())
    p = float(betabinom.sf(far - 1, len(batch), place, len(earlier) + 1 - place))
    items = compared.batch.items
    order = sorted(range(len(batch)), key=lambda row: (-batch[row], items[row]))
    examples = [items[row] for row in order[:far]]
    moved = f"{far} of {len(batch)}, where {100 * place / len(earlier):.0f} % are expected"
    return Measured(float(far), min(1.0, p), far / len(batch), len(batch), moved, examples)


def _distances(compared: Compared, chance: Chance) -> tuple[Any, Any]:
    """Return the cross-fitted distances of both sides."""
    import numpy as np

    sides = compared.earlier.embeddings, compared.batch.embeddings
    labels = np.asarray(compared.earlier.labels)
    random = chance.generator(5)
    folds = [random.permutation(len(side)) % _FOLDS for side in sides]
    found = [np.empty(len(side)) for side in sides]
    for fold in range(_FOLDS):
        kept = folds[0] != fold
        means, precision = _fit(sides[0][kept], labels[kept])
        for distances, side, own in zip(found, sides, folds, strict=True):
            distances[own == fold] = _nearest(side[own == fold], means, precision)
    return found[0], found[1]


def _fit(rows: Any, labels: Any) -> tuple[Any, Any]:
    """Return the labels' means, (labels, dimensions), and the inverse of the shared spread."""
    import numpy as np

    names, of = np.unique(labels, return_inverse=True)
    means = np.stack([rows[of == place].mean(axis=0) for place in range(len(names))])
    return means, np.linalg.inv(_shrunk(rows - means[of]))


def _shrunk(centred: Any) -> Any:
    """Return the covariance, shrunk towards a multiple of the identity, (dimensions, dimensions).

    Source: Ledoit and Wolf 2004, section 3.3.
    """
    import numpy as np

    rows, dimensions = centred.shape
    sample = centred.T @ centred / rows
    scale = np.trace(sample) / dimensions
    distance = float(((sample - scale * np.eye(dimensions)) ** 2).sum())
    lengths = (centred**2).sum(axis=1)
    noise = (float((lengths**2).sum()) / rows - float((sample**2).sum())) / rows
    weight = min(1.0, max(0.0, noise) / distance) if distance > 0 else 1.0
    return (1 - weight) * sample + (weight * scale + 1e-12) * np.eye(dimensions)


def _nearest(rows: Any, means: Any, precision: Any) -> Any:
    """Return each row's squared distance to the nearest mean."""
    import numpy as np

    apart = [
        np.einsum("rd,de,re->r", rows - mean, precision, rows - mean, optimize=True)
        for mean in means
    ]
    return np.min(apart, axis=0)
