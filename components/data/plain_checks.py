"""The contract's checks without Great Expectations, which takes two seconds to load.

Concept: what is learned from is held to the contract by Great Expectations. Where its import would
be most of the wait (a file that is refused, an exam), the same checks are computed here.

Law: `hold_plainly` returns what `expectations.run_checks` returns (`test_plain_checks.py`
compares them on random tables).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from components.data.expectations import Expectation, Outcome

Columns = Mapping[str, Sequence[Any]]


def hold_plainly(columns: Columns, checks: Sequence[Expectation]) -> list[Outcome]:
    """Hold a table to `checks`, and return one outcome each, in the same order."""
    return [_outcome(columns, check) for check in checks]


def _outcome(columns: Columns, check: Expectation) -> Outcome:
    asked = check.arguments
    if check.type in _OF_A_TABLE:
        observed = _OF_A_TABLE[check.type](_present(columns[asked["column"]]))
        return Outcome(check, _between(observed, asked), (), observed)
    if check.type == _UNIQUE:
        rows = list(zip(*(columns[name] for name in asked["column_list"]), strict=True))
        times = Counter(rows)
        flagged = [i for i, row in enumerate(rows) if times[row] > 1 and any(_is(v) for v in row)]
    else:
        holds = _OF_A_VALUE[check.type](asked)
        values = enumerate(columns[asked["column"]])
        flagged = [i for i, value in values if _is(value) and not holds(value)]
    return Outcome(check, not flagged, tuple(flagged), None)


def _is(value: Any) -> bool:
    return value is not None


def _present(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if _is(value)]


def _between(value: float | None, asked: Mapping[str, Any]) -> bool:
    """Tell whether a value is within the limits; a missing one never is."""
    if value is None:
        return False
    least, most = asked.get("min_value"), asked.get("max_value")
    return (least is None or value >= least) and (most is None or value <= most)


def _mean(values: Sequence[float]) -> float | None:
    if not values:
        return None
    mean = fmean(values)
    return int(mean) if mean == int(mean) else round(mean, 12)


def _in(asked: Mapping[str, Any]) -> Callable[[Any], bool]:
    legal = frozenset(asked["value_set"])
    return lambda value: value in legal


def _matching(asked: Mapping[str, Any]) -> Callable[[Any], bool]:
    pattern = re.compile(asked["regex"])
    return lambda value: pattern.search(value) is not None


def _negated(
    build: Callable[[Mapping[str, Any]], Callable[[Any], bool]],
) -> Callable[[Mapping[str, Any]], Callable[[Any], bool]]:
    def opposite(asked: Mapping[str, Any]) -> Callable[[Any], bool]:
        holds = build(asked)
        return lambda value: not holds(value)

    return opposite


_UNIQUE = "expect_compound_columns_to_be_unique"

_OF_A_VALUE: Mapping[str, Callable[[Mapping[str, Any]], Callable[[Any], bool]]] = {
    "expect_column_values_to_be_in_set": _in,
    "expect_column_values_to_not_be_in_set": _negated(_in),
    "expect_column_values_to_match_regex": _matching,
    "expect_column_values_to_not_match_regex": _negated(_matching),
    "expect_column_values_to_be_between": lambda asked: lambda value: _between(value, asked),
    "expect_column_value_lengths_to_be_between": lambda asked: (
        lambda value: _between(len(value), asked)
    ),
}
"""Expectation -> (its arguments -> whether one value holds)."""

_OF_A_TABLE: Mapping[str, Callable[[Sequence[Any]], int | float | None]] = {
    "expect_column_sum_to_be_between": sum,
    "expect_column_mean_to_be_between": _mean,
    "expect_column_unique_value_count_to_be_between": lambda values: len(set(values)),
}
"""Expectation -> (the values of its column -> what is observed)."""
