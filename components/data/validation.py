"""Validation: which rows of a batch may be used, and whether the batch may.

Concept: the contract in `params.yaml` becomes Great Expectations checks in three steps:
each row by itself, the sound rows against each other, the batch as a whole. Failed row
checks reject rows; a failed batch check refuses the batch.

Promise: the accepted items depend on what the rows say and never on their order; every
rejected row keeps its line number, its values and every reason. Reasons are stable words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.data.expectations import Check, Outcome, run_checks
from components.items import Item, make_item

if TYPE_CHECKING:
    from components.data.readers import Reading, Row
    from components.settings import DataSettings

# Tab, line feed and carriage return are text, not control; in a name they are.
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
CONTROL_IN_NAME = r"[\x00-\x1f\x7f]"
LETTER_OR_DIGIT = r"[^\W_]"
SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row or line that may not be used: every reason, and the values as read.

    `raw` is the parsed row, or the line's text where it could not be parsed; `task` is the
    task it arrived for (empty for an unparsed line).
    """

    place: int
    digest: str
    reasons: tuple[str, ...]
    raw: Any
    task: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """The outcome: items by digest, rejected rows by place, and every check's summary.

    `refused` is None or the sentence that says why the whole batch may not be used.
    """

    accepted: tuple[Item, ...]
    rejected: tuple[Rejected, ...]
    checks: tuple[dict[str, Any], ...]
    refused: str | None


def validate(
    reading: Reading, contract: DataSettings, known_labels: frozenset[str]
) -> Validation:
    """Hold a batch to the contract.

    Args:
        reading: the batch as read.
        contract: the limits and the legal labels.
        known_labels: labels that the champion knows; others are noted, never rejected.

    Law: shuffling the rows leaves `accepted`, `refused` and the checks unchanged. Of rows
    with the same text and label the one with the smallest digest stays (of exact copies,
    the first), and copies do not count as broken.
    """
    reasons: dict[int, list[str]] = defaultdict(list)
    row_outcomes = _check_rows(reading.rows, contract, reasons)
    broken_by_itself = set(reasons)
    sound = [i for i in range(len(reading.rows)) if i not in broken_by_itself]
    pair_outcomes, copies = _check_pairs(reading.rows, sound, reasons)
    accepted = [_item(reading.rows[i]) for i in sound if i not in reasons]
    rejected = _rejected(reading, reasons)
    batch_outcomes = _check_batch(accepted, len(rejected) - copies, rejected, contract, known_labels)
    return Validation(
        tuple(sorted(accepted, key=lambda item: item.digest)),
        rejected,
        tuple(outcome.summary() for outcome in (*row_outcomes, *pair_outcomes, *batch_outcomes)),
        None,
    )
