"""Which words became more frequent, and which less: for people who look at a finding.

Concept: the log-odds of a word on either side, each drawn towards its odds in both, divided by
its standard error, so that rare words need more to be named. A word is named only where several
texts have it.

Source: Monroe, Colaresi and Quinn 2008, Fightin' Words, Political Analysis 16, 372-403 (the
informative Dirichlet prior, section 3.5.1).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

MAX_WORDS = 8
MIN_TEXTS = 3
"""A word of fewer texts tells more of these texts than of the batch."""

SURE = 1.96
"""Standard errors from which a word is named."""

_PRIOR_WORDS = 500.0
"""Weight of the prior, as if so many words had been seen on each side."""

_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Words:
    """What moved most comes first."""

    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()


def moved_words(earlier: Sequence[str], batch: Sequence[str]) -> Words:
    """Return the words that moved most between two sets of texts, at most eight each way.

    Law: exchanging the sides exchanges `more` and `less`.
    """
    sides = [[_WORD.findall(text.lower()) for text in texts] for texts in (batch, earlier)]
    counts = [Counter(word for text in side for word in text) for side in sides]
    texts = Counter(word for side in sides for text in side for word in set(text))
    both = counts[0] + counts[1]
    scores = {
        word: _score((counts[0][word], counts[1][word]), both[word], counts, both.total())
        for word in sorted(both)
        if texts[word] >= MIN_TEXTS
    }
    order = sorted(scores, key=lambda word: (-abs(scores[word]), word))
    return Words(
        tuple([word for word in order if scores[word] > SURE][:MAX_WORDS]),
        tuple([word for word in order if scores[word] < -SURE][:MAX_WORDS]),
    )


def _score(own: tuple[int, int], both: int, counts: Sequence[Counter[str]], words: int) -> float:
    """Return the difference of a word's log-odds in standard errors; above 0: more frequent."""
    prior = _PRIOR_WORDS * both / words
    seen = [count + prior for count in own]
    odds = [
        log(count / (side.total() + _PRIOR_WORDS + 1 - count))
        for count, side in zip(seen, counts, strict=True)
    ]
    return (odds[0] - odds[1]) / sqrt(1 / seen[0] + 1 / seen[1])
