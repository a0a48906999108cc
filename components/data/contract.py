"""The contract of `params.yaml` as Great Expectations checks.

Concept: three tables of checks, one a step of validation: each row by itself, the sound
rows against each other, the batch as a whole. A check's `reason` is what users, quarantine
files and reports say, so these words are stable.

Promise: plain data; nothing here loads Great Expectations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.expectations import Expectation, each
from components.identity import nfc

if TYPE_CHECKING:
    from components.data.modality import Modality
    from components.settings import DataSettings

UNKNOWN_LABEL = "unknown label"
UNKNOWN_TASK = "unknown task"
UNUSABLE_TASK = "a task's name can't hold # or what is not printable"
ANOTHER_LABEL = "same text with another label"
COPY = "duplicate of line"
EARLIER_COPY = "duplicate of row"
"""What entries of the quarantine say that were made before December 2026."""

TOO_FEW_ROWS = "too few usable rows"
TOO_MANY_BROKEN = "too many broken rows"
TOO_FEW_LABELS = "too few labels"
NEW_LABELS = "new labels"

CONTROL_IN_NAME = r"[\x00-\x1f\x7f]"

PAIR_CHECKS = (
    Expectation(ANOTHER_LABEL, "expect_column_values_to_be_between",
          {"column": "labels_of_text", "max_value": 1}),
    Expectation(COPY, "expect_compound_columns_to_be_unique", {"column_list": ["same", "label"]}),
)  # fmt: skip


def row_checks(contract: DataSettings, modality: Modality) -> list[Expectation]:
    """Return the checks of one row, over the columns that `validation` derives.

    `<name>_kind` is `string`, `missing` or a type's name; `label` and `task` are null unless
    their kind is `string`, and GX skips nulls. `task_usable` is `yes` or `no`.
    """
    string, missing = ["string", "missing"], ["missing"]
    content = modality.checks(contract)
    checks = [
        *content.kind,
        each("missing label", "values_to_not_be_in_set", "label_kind", value_set=missing),
        each("label is not a string", "values_to_be_in_set", "label_kind", value_set=string),
        each("task is not a string", "values_to_be_in_set", "task_kind", value_set=string),
        *content.form,
        _name("control characters in label", "label"),
        _name("control characters in task", "task"),
        each(UNUSABLE_TASK, "values_to_be_in_set", "task_usable", value_set=["yes"]),
        *content.size,
    ]
    for reason, column, closed in (
        (UNKNOWN_LABEL, "label", contract.labels),
        (UNKNOWN_TASK, "task", contract.tasks),
    ):
        if closed != "open":
            legal = sorted({nfc(name) for name in closed})
            checks.append(each(reason, "values_to_be_in_set", column, value_set=legal))
    return checks


def batch_checks(contract: DataSettings, known_labels: frozenset[str]) -> list[Expectation]:
    """Return the checks of the batch: `usable` and `broken` are 0 or 1 for every row."""
    rows = {"column": "usable", "min_value": contract.min_rows}
    share = {"column": "broken", "max_value": contract.max_bad_share}
    labels = {"column": "label", "min_value": contract.min_labels}
    checks = [
        Expectation(TOO_FEW_ROWS, "expect_column_sum_to_be_between", rows, "critical"),
        Expectation(TOO_MANY_BROKEN, "expect_column_mean_to_be_between", share, "critical"),
        Expectation(
            TOO_FEW_LABELS, "expect_column_unique_value_count_to_be_between", labels, "critical"
        ),
    ]
    if known_labels:
        known = {"column": "label", "value_set": sorted(known_labels)}
        checks.append(Expectation(NEW_LABELS, "expect_column_values_to_be_in_set", known, "info"))
    return checks


def stem(reason: str) -> str:
    """Return a reason without the part that differs from row to row, for counting."""
    if reason.startswith(COPY):
        return "duplicate"
    for words in (UNKNOWN_LABEL, UNKNOWN_TASK, EARLIER_COPY):
        if reason.startswith(words):
            return words
    return reason.partition(":")[0]


def _name(reason: str, column: str) -> Expectation:
    return each(reason, "values_to_not_match_regex", column, regex=CONTROL_IN_NAME)
