"""Validation: which rows of a batch may be used, and whether the batch may.

Concept: the contract (`contract.py`) is checked by Great Expectations in three steps: each
row by itself, the sound rows against each other, the batch as a whole. Failed row checks
reject rows; a failed batch check refuses the batch.

Promise: the accepted items depend on what the rows say and never on their order; every
rejected row keeps its line number, its values and every reason.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.data import contract as words
from components.data.columns import as_read
from components.data.expectations import (
    Outcome,
    Run,
    checkable,
    kind_of,
    run_checks,
    run_row_checks,
)
from components.data.modality import MODALITIES, Modality
from components.data.source_file import parsed, shown
from components.digest import canonical_json
from components.exam_names import is_usable_task
from components.identity import Identity, nfc
from components.items import Item, make_item

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from components.data.readers import Reading, Row
    from components.settings import DataSettings

PORTION_CHARS = 10_000_000
ROW_CHARS = 200
"""Rows are checked in portions of so many characters, each row counted for at least `ROW_CHARS`.
One portion takes half a second, and Great Expectations some 10 bytes a character."""

Reasons = dict[int, list[str]]
"""Position of a row -> why it is rejected."""


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

    `refused` is None, or says why the whole batch may not be used.
    """

    accepted: tuple[Item, ...]
    rejected: tuple[Rejected, ...]
    checks: tuple[dict[str, Any], ...]
    refused: str | None


def validate(
    reading: Reading, contract: DataSettings, known_labels: frozenset[str], run: Run = run_checks
) -> Validation:
    """Hold a batch to the contract.

    Args:
        reading: the batch as read.
        contract: the limits and the legal labels.
        known_labels: what the champion knows; other labels are noted, not rejected.
        run: computes the checks; `plain_checks.hold_plainly` does it without Great Expectations.

    Law: shuffling the rows leaves `accepted`, `refused` and `checks` unchanged. Of rows with
    the same text to a reader (`identity.read_text`) and the same label, the one with the smallest
    digest stays (of exact copies the one whose slices come first); the copies are rejected but do
    not count as broken. Near-duplicates that differ in a sign are no copies: the split keeps
    them on one side.
    """
    rows, reasons = reading.rows, Reasons()
    modality = MODALITIES[reading.identity.modality]
    outcomes = _check_rows(rows, contract, modality, reasons, run)
    items = {
        i: _item(row, contract, reading.identity) for i, row in enumerate(rows) if i not in reasons
    }
    outcomes += _check_pairs(rows, items, reading.identity, reasons, run)
    accepted = [item for i, item in items.items() if i not in reasons]
    rejected = _rejected(reading, reasons)
    final = _check_batch(accepted, rejected, contract, known_labels, run)
    return Validation(
        tuple(sorted(accepted, key=lambda item: item.digest)),
        rejected,
        tuple(outcome.summary() for outcome in outcomes + final),
        _refusal(final, accepted, rejected, contract),
    )


def _check_rows(
    rows: Sequence[Row], contract: DataSettings, modality: Modality, reasons: Reasons, run: Run
) -> list[Outcome]:
    """Hold each row to the contract by itself; add what fails to `reasons`."""
    tables = (_row_columns(portion, contract, modality) for portion in _portions(rows))
    outcomes = run_row_checks(tables, words.row_checks(contract, modality), run)
    for outcome in outcomes:
        for i in outcome.rows:
            reasons.setdefault(i, []).append(_named(outcome.check.reason, rows[i]))
    return outcomes


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield the rows in portions of bounded size; one without rows where there are none."""
    start = size = 0
    for i, row in enumerate(rows):
        size += ROW_CHARS + sum(len(v) for v in (row.content, row.label) if isinstance(v, str))
        if size > PORTION_CHARS:
            yield rows[start : i + 1]
            start, size = i + 1, 0
    if start < len(rows) or not rows:
        yield rows[start:]


def _row_columns(
    rows: Sequence[Row], contract: DataSettings, modality: Modality
) -> dict[str, list[Any]]:
    return {
        **modality.columns([row.content for row in rows]),
        "label": [checkable(row.label) for row in rows],
        "task": [checkable(row.task) for row in rows],
        "label_kind": [kind_of(row.label) for row in rows],
        "task_kind": [
            kind_of(as_read(parsed(row.raw), contract).get(contract.task_column)) for row in rows
        ],
        "task_usable": [_usable(row.task) for row in rows],
    }


def _named(reason: str, row: Row) -> str:
    """Return a reason with the value that it is about, where that is a name."""
    names = {words.UNKNOWN_LABEL: row.label, words.UNKNOWN_TASK: row.task}
    return f"{reason} {shown([names[reason]])}" if reason in names else reason


def _check_pairs(
    rows: Sequence[Row], items: dict[int, Item], identity: Identity, reasons: Reasons, run: Run
) -> list[Outcome]:
    """Hold sound rows against each other: copies, and one text with two labels."""
    order = sorted(items, key=lambda i: (*_identity(items[i]), rows[i].place))
    said = {i: (identity.same(items[i].content), items[i].label) for i in order}
    kept: dict[tuple[str, str], int] = {}
    for i in order:
        kept.setdefault(said[i], i)
    labels = Counter(same for same, _ in kept)
    columns: dict[str, list[Any]] = {
        "same": [same for same, _ in said.values()],
        "label": [label for _, label in said.values()],
        "labels_of_text": [labels[same] for same, _ in said.values()],
    }
    outcomes = run(columns, words.PAIR_CHECKS)
    conflicting, repeated = ([order[at] for at in outcome.rows] for outcome in outcomes)
    reasons.update({i: [words.ANOTHER_LABEL] for i in conflicting})
    for i in repeated:
        keeper = kept[said[i]]
        if i != keeper:
            reasons.setdefault(i, [f"{words.COPY} {rows[keeper].place}"])
    return outcomes


def _check_batch(
    accepted: Sequence[Item],
    rejected: Sequence[Rejected],
    contract: DataSettings,
    known_labels: frozenset[str],
    run: Run,
) -> list[Outcome]:
    """Hold the batch as a whole to the contract."""
    columns: dict[str, list[Any]] = {
        "label": [item.label for item in accepted] + [None for _ in rejected],
        "usable": [1 for _ in accepted] + [0 for _ in rejected],
        "broken": [0 for _ in accepted] + [int(_is_broken(row)) for row in rejected],
    }
    return run(columns, words.batch_checks(contract, known_labels))


def _refusal(
    outcomes: Sequence[Outcome],
    accepted: Sequence[Item],
    rejected: Sequence[Rejected],
    contract: DataSettings,
) -> str | None:
    """Say which critical checks failed, in one sentence each, and what was wrong most often."""
    total = len(accepted) + len(rejected)
    labels = sorted({item.label for item in accepted})
    broken = [reason for row in rejected if _is_broken(row) for reason in row.reasons[:1]]
    sentences = {
        words.TOO_FEW_ROWS: (
            f"{len(accepted)} of {total} rows are usable, but data.min_rows is {contract.min_rows}."
        ),
        words.TOO_MANY_BROKEN: (
            f"{len(broken)} of {total} rows are broken, but data.max_bad_share is "
            f"{contract.max_bad_share:g}."
        ),
        words.TOO_FEW_LABELS: f"The labels of all usable rows: {shown(labels) or 'none'}; "
        f"data.min_labels requires {contract.min_labels} different ones.",
    }
    failed = [
        sentences[outcome.check.reason]
        for outcome in outcomes
        if outcome.check.severity == "critical" and not outcome.success
    ]
    if failed and broken:
        counts = Counter(words.stem(reason) for reason in broken)
        times, reason = min((-counts[words.stem(reason)], reason) for reason in broken)
        failed.append(f"Most often ({-times} of {len(broken)} broken rows): {reason}.")
    return " ".join(failed) or None


def _rejected(reading: Reading, reasons: Reasons) -> tuple[Rejected, ...]:
    rows = [
        Rejected(row.place, row.digest, tuple(reasons[i]), row.raw, row.task)
        for i, row in enumerate(reading.rows)
        if i in reasons
    ]
    lines = [
        Rejected(line.place, line.digest, (line.reason,), line.raw) for line in reading.problems
    ]
    return tuple(sorted(rows + lines, key=lambda row: row.place))


def _is_broken(row: Rejected) -> bool:
    return not row.reasons[0].startswith(words.COPY)


def _identity(item: Item) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return item.digest, item.task, item.slices


def _item(row: Row, contract: DataSettings, identity: Identity) -> Item:
    """Return the item in canonical form, so that one digest means one item."""
    values = as_read(parsed(row.raw), contract) if contract.slice_columns else {}
    slices = {name: _slice(values.get(name)) for name in contract.slice_columns}
    present = {name: value for name, value in slices.items() if value}
    content = identity.canonical(row.content)
    return make_item(content, nfc(row.label), nfc(row.task), present, identity)


def _slice(value: Any) -> str:
    """Return a column's value as one printable line; empty where it is missing."""
    if value is None:
        return ""
    text = nfc(value if isinstance(value, str) else canonical_json(value))
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _usable(task: str) -> str:
    """Tell whether a task has a usable name; control characters have a check of their own."""
    return "yes" if is_usable_task(re.sub(words.CONTROL_IN_NAME, "", task) or "-") else "no"
