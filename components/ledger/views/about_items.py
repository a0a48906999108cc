"""Questions about one item: where it stood, wherever that is recorded."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class SplitPlace:
    """Where an item fell when a batch was split: `train` or `holdout`."""

    batch: str
    task: str
    side: str


@dataclass(frozen=True, slots=True)
class ExamPlace:
    """An exam or pool that has an item; `source` holds its bytes.

    `version`: whose batch brought it; None: a person did. `confirmed`: it counts for good, not only
    while a version is held. `retired`: the exam is not sat any more.
    """

    exam: str
    task: str
    source: str
    version: int | None
    confirmed: bool
    retired: bool


def items_like(ledger: Ledger, prefix: str) -> list[str]:
    """Return the recorded items whose digest begins with `prefix`, sorted.

    `prefix`: hex digits. Batches that were never split, and refused rows, are not recorded by item.
    """
    columns = (
        schema.splits.c.item,
        schema.holdout.c.item,
        schema.relabelled.c.item,
        schema.relabelled.c.now,
    )
    parts = (sa.select(each.label("item")).where(each.startswith(prefix)) for each in columns)
    found = sa.union(*parts).subquery()
    return [row.item for row in ledger.query(sa.select(found.c.item).order_by(found.c.item))]


def item_splits(ledger: Ledger, item: str) -> list[SplitPlace]:
    """Return where an item fell, by the order in which its batches arrived."""
    table, inbox = schema.splits.c, schema.inbox.c
    statement = sa.select(table.batch, table.task, table.side).where(table.item == item)
    joined = statement.join(schema.inbox, inbox.batch == table.batch).order_by(inbox.position)
    return [SplitPlace(*row) for row in ledger.query(joined)]


def item_exams(ledger: Ledger, item: str) -> list[ExamPlace]:
    """Return the exams and pools that have an item, by name; retired ones too."""
    table = schema.holdout.c
    columns = (table.exam, table.task, table.source, table.version, table.confirmed, table.retired)
    rows = ledger.query(sa.select(*columns).where(table.item == item).order_by(table.exam))
    return [
        ExamPlace(row.exam, row.task, row.source, row.version, bool(row.confirmed), row.retired > 0)
        for row in rows
    ]


def item_became(ledger: Ledger, item: str) -> str | None:
    """Return the item that took the place of one whose label was corrected in an exam."""
    table = schema.relabelled.c
    rows = ledger.query(sa.select(table.now).where(table.item == item, table.now != item))
    return rows[0].now if rows else None


def item_was(ledger: Ledger, item: str) -> list[str]:
    """Return the items in whose place one stands since their label was corrected."""
    table = schema.relabelled.c
    rows = ledger.query(sa.select(table.item).where(table.now == item).order_by(table.item))
    return [row.item for row in rows]
