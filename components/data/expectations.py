"""Great Expectations at arm's length: columns and checks in, flagged rows out.

Concept: an `Expectation` is one GX expectation as plain data, with the words that a rejected row
or a refused batch is told. `run_checks` holds a table to a list of them.

Promise: every run has its own in-memory context, because GX contexts that are shared
between threads validate each other's tables silently. Summaries are byte-stable: no ids, no
times, and in the order of the checks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.errors import DataRejected
from components.identity import nfc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation: its GX type and arguments, and `reason`, what a failure is called.

    A failed `critical` check refuses the batch; a `warning` rejects rows; `info` is noted.
    """

    reason: str
    type: str
    arguments: Mapping[str, Any]
    severity: Literal["critical", "warning", "info"] = "warning"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What GX found: `rows` are the flagged positions, `observed` a table-wide value."""

    check: Expectation
    success: bool
    rows: tuple[int, ...]
    observed: Any

    def summary(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values, the same bytes in every run."""
        return {
            "check": self.check.reason,
            "expectation": self.check.type,
            "arguments": dict(self.check.arguments),
            "severity": self.check.severity,
            "success": self.success,
            "flagged": len(self.rows),
            "observed": self.observed,
        }


Run = Callable[["Mapping[str, Sequence[Any]]", "Sequence[Expectation]"], list[Outcome]]
"""Holds a table to checks, as `run_checks` does."""


def each(reason: str, what: str, column: str, **arguments: Any) -> Expectation:
    """Return a check of every value of a column; `what` is GX's name for it, shortened."""
    return Expectation(reason, f"expect_column_{what}", {"column": column, **arguments})


def kind_of(value: Any) -> str:
    """Return `string`, `missing` (null or blank), or the name of another type."""
    if isinstance(value, str):
        return "string" if value.strip() else "missing"
    return "missing" if value is None else type(value).__name__


def checkable(value: Any) -> str | None:
    """Return what the string checks look at; None where there is no string to check.

    A lone surrogate has no UTF-8 form, so the checks are shown a control character instead.
    """
    return _SURROGATE.sub("\0", nfc(value)) if kind_of(value) == "string" else None


def load() -> None:
    """Import Great Expectations, which takes two seconds, before it is needed."""
    import great_expectations  # noqa: F401


def run_row_checks(
    tables: Iterable[Mapping[str, Sequence[Any]]], checks: Sequence[Expectation], run: Run
) -> list[Outcome]:
    """Hold a table that comes in portions to checks of single rows, one portion after the other.

    GX copies every text several times, so what it takes is bounded by the size of a portion.

    Law: for checks that look at no more than one row, the outcomes are those of `run` on the whole
    table.
    """
    rows: list[list[int]] = [[] for _ in checks]
    start = 0
    for columns in tables:
        for flagged, outcome in zip(rows, run(columns, checks), strict=True):
            flagged += [start + row for row in outcome.rows]
        start += max(map(len, columns.values()), default=0)
    return [
        Outcome(check, not flagged, tuple(flagged), None)
        for check, flagged in zip(checks, rows, strict=True)
    ]


def run_checks(
    columns: Mapping[str, Sequence[Any]], checks: Sequence[Expectation]
) -> list[Outcome]:
    """Hold a table to `checks`, and return one outcome each, in the same order.

    Args:
        columns: name -> values, all of one length; text without lone surrogates.
        checks: their arguments name only these columns.

    Raises:
        DataRejected: a check could not be computed; it is never taken for passed.
    """
    import great_expectations as gx
    import pandas
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    # Without this, each context makes a folder for documentation sites, and says so.
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    context = gx.get_context(
        mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=stores)
    )
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    table = pandas.DataFrame(dict(columns))
    asset = context.data_sources.add_pandas("batches").add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": table})
    expectations = [
        {
            "type": check.type,
            "kwargs": dict(check.arguments),
            "severity": check.severity,
            "meta": {"position": position},
        }
        for position, check in enumerate(checks)
    ]
    found: Any = batch.validate(
        gx.ExpectationSuite(name="contract", expectations=expectations),
        result_format={
            "result_format": "COMPLETE",
            "exclude_unexpected_values": True,
            "return_unexpected_index_query": False,
        },
    )
    results = {result.expectation_config.meta["position"]: result for result in found.results}
    return [_outcome(check, results[position]) for position, check in enumerate(checks)]


def _outcome(check: Expectation, result: Any) -> Outcome:
    found = result.to_json_dict()["result"]
    rows = tuple(sorted(found.get("unexpected_index_list") or ()))
    observed = found.get("observed_value")
    if not result.success and not rows and observed is None:
        raise DataRejected(
            f"The check {check.reason!r} ({check.type}) could not be computed.",
            "Check the batch against the data section of params.yaml, then run it again.",
        )
    return Outcome(check, bool(result.success), rows, _plain(observed))


def _plain(number: Any) -> int | float | None:
    """Return a table-wide number without its NumPy type; NaN (of no rows) is None."""
    if number is None or not math.isfinite(number):
        return None
    return int(number) if number == int(number) else round(float(number), 12)
