"""Whether the labels moved: their shares, labels that are new, labels that are gone.

Concept: a task's rows are held against earlier rows of the same task; those of a new task
against all earlier rows. All rows count here, because counts cost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, lgamma
from typing import Any

from components.evaluation.drift.findings import Measured, Shift
from components.evaluation.drift.samples import (
    MIN_ROWS,
    Chance,
    Compared,
    Counts,
    p_value,
    too_few,
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by label, before and now."""

    before: Counter[str]
    now: Counter[str]

    @property
    def names(self) -> list[str]:
        """Every label of either side, sorted."""
        return sorted(name for name, rows in (self.before | self.now).items() if rows)


def shares(compared: Compared, chance: Chance) -> Measured | str:
    """Measure whether the shares of the labels moved: chi-square by permutation in each task."""
    import numpy as np

    tables = _tables(compared)
    kept = [table for table in tables if min(_rows(table)) >= MIN_ROWS]
    if not kept:
        return too_few(max((min(_rows(table)) for table in tables), default=0))
    squares = np.sum([chi_squares(table, chance) for table in kept], axis=0)
    rows = sum(table.now.total() for table in kept)
    effect = sum(v_squared(table) * table.now.total() for table in kept) / rows
    classes = _classes(kept)
    measured = (float(squares[0]), p_value(squares), max(0.0, effect) ** 0.5, rows)
    return Measured(*measured, _spoken(classes), _examples(compared, classes), classes)


def new(compared: Compared, chance: Chance) -> Measured | str:
    """Measure which rows have labels that the champion cannot answer.

    Chance of a label's rows all lying in the batch when rows are shuffled, the smallest over
    its labels times the number of labels.
    """
    table = _pooled(compared)
    if min(_rows(table)) < MIN_ROWS:
        return too_few(min(_rows(table)))
    rows = table.now.total()
    found = {name: count for name, count in table.now.items() if name not in compared.known}
    likely = min((_all_among(count, *_rows(table)) for count in found.values()), default=1.0)
    classes = [Shift(name, 0.0, count / rows) for name, count in sorted(found.items())]
    share = sum(found.values()) / rows
    p = min(1.0, len(table.names) * likely)
    examples = _rows_of(compared, found)
    return Measured(sum(found.values()), p, share, rows, _spoken(classes), examples, classes)


def vanished(compared: Compared, chance: Chance) -> Measured | str:
    """Measure which labels the batch no longer has.

    Chance of none of a label's rows lying in the batch when rows are shuffled (for a long past,
    (1 - share) to the power of the batch's rows), the smallest times the number of labels.
    """
    table = _pooled(compared)
    if min(_rows(table)) < MIN_ROWS:
        return too_few(min(_rows(table)))
    past, rows = _rows(table)
    found = {name: count for name, count in table.before.items() if not table.now[name]}
    likely = min((_all_among(count, rows, past) for count in found.values()), default=1.0)
    classes = [Shift(name, count / past, 0.0) for name, count in sorted(found.items())]
    share = sum(found.values()) / past
    p = min(1.0, len(table.names) * likely)
    return Measured(sum(found.values()), p, share, rows, _spoken(classes), (), classes)


def chi_squares(table: Table, chance: Chance) -> Any:
    """Return the chi-square of a table, then that of shuffled ones, shape (1 + rounds,)."""
    import numpy as np

    both = np.array([[side[name] for name in table.names] for side in (table.before, table.now)])
    totals, rows, now = both.sum(axis=0), int(both.sum()), int(both[1].sum())
    draws = chance.generator(4).multivariate_hypergeometric(totals, now, size=chance.rounds)
    expected = totals * now / rows
    squares = ((np.vstack([both[1:], draws]) - expected) ** 2 / expected).sum(axis=1)
    return squares * rows / (rows - now)


def v_squared(table: Table) -> float:
    """Return Cramér's V, squared, as if both sides had equally many rows, less its bias.

    As it is, V would shrink with the length of the past. Source of the bias: Bergsma 2013,
    Journal of the Korean Statistical Society 42, 323-328.
    """
    past, rows = _rows(table)
    pairs = [(table.before[name] / past, table.now[name] / rows) for name in table.names]
    found = sum((before - after) ** 2 / (2 * (before + after)) for before, after in pairs)
    return found - (len(pairs) - 1) * (1 / past + 1 / rows) / 4


def total(counts: Counts) -> Counter[str]:
    """Return rows by label, over all tasks."""
    return sum((Counter(labels) for labels in counts.values()), Counter[str]())


def _tables(compared: Compared) -> list[Table]:
    return [
        Table(Counter(compared.seen.get(task) or total(compared.seen)), Counter(labels))
        for task, labels in sorted(compared.brought.items())
    ]


def _pooled(compared: Compared) -> Table:
    """Return one table of all the batch's tasks; of the whole past where one of them is new."""
    seen, brought = compared.seen, compared.brought
    past = {task: seen.get(task, {}) for task in brought}
    return Table(total(past if all(past.values()) else seen), total(brought))


def _rows(table: Table) -> tuple[int, int]:
    return table.before.total(), table.now.total()


def _all_among(count: int, outside: int, inside: int) -> float:
    """Return the chance that `count` of all rows, drawn at random, all lie inside."""
    if count > inside:
        return 0.0
    both = outside + inside
    return exp(
        lgamma(inside + 1)
        - lgamma(inside - count + 1)
        - lgamma(both + 1)
        + lgamma(both - count + 1)
    )


def _classes(tables: list[Table]) -> list[Shift]:
    """Return each label's shares; the earlier one as if tasks came as often as in the batch."""
    rows = sum(table.now.total() for table in tables)
    before, after = dict[str, float](), dict[str, float]()
    for table in tables:
        past, own = _rows(table)
        for name in table.names:
            before[name] = before.get(name, 0.0) + table.before[name] / past * own / rows
            after[name] = after.get(name, 0.0) + table.now[name] / rows
    return [Shift(name, before[name], after[name]) for name in sorted(before)]


def _spoken(classes: list[Shift]) -> str:
    """Return what moved most in words: at most three labels."""
    most = sorted(classes, key=lambda each: (-abs(each.growth), each.name))[:3]
    return ", ".join(
        f"{each.name} {100 * (each.before or 0):.1f} % before, {100 * (each.after or 0):.1f} % now"
        for each in most
    )


def _examples(compared: Compared, classes: list[Shift]) -> list[str]:
    """Return rows of the label whose share grew most."""
    grown = max(classes, key=lambda each: (each.growth, each.name))
    return _rows_of(compared, {grown.name})


def _rows_of(compared: Compared, labels: Iterable[str]) -> list[str]:
    wanted, batch = set(labels), compared.batch
    return [item for item, label in zip(batch.items, batch.labels, strict=True) if label in wanted]
