"""Questions about what is held out: the exams, their use, and the wall before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from components.digest import json_digest
from components.exam_names import origin, task_of
from components.ledger import schema
from components.ledger.database import among
from components.ledger.ledger import Ledger
from components.ledger.projections import LINEAGE


@dataclass(frozen=True, slots=True)
class HeldItem:
    """A held-out item: its exam, its task, and the file or batch that holds its text."""

    exam: str
    item: str
    near: str
    task: str
    source: str


@dataclass(frozen=True, slots=True)
class ExamUse:
    """Candidates that an exam helped to decide on, and those of them that it did not let pass.

    `spent`: those that came so near to the anchor's margin that they count for good.
    """

    decisions: int = 0
    turned_away: int = 0
    spent: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a candidate: what was examined, and by which exams as they stood."""

    bundle: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class HeldExam:
    """An exam as it is held out: its items sorted by digest, at most as many as were asked for.

    `older`: of a batch exam, the items that joined no later than the anchor of its task; with
    them the exam may have twice as many items. None: all of them count as older.
    """

    exam: str
    task: str
    items: list[str]
    older: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Leak:
    """A version whose batch has training rows that are held out for an exam now, and how many."""

    version: int
    exam: str
    rows: int


def held_items(ledger: Ledger, exam: str | None = None) -> list[HeldItem]:
    """Return everything that is held out now, by exam and item digest.

    `exam`: only the items of this one, and those that were retired are left out.
    """
    table = schema.holdout
    columns = (table.c.exam, table.c.item, table.c.near, table.c.task, table.c.source)
    wanted = sa.true() if exam is None else sa.and_(table.c.exam == exam, _counts())
    rows = ledger.query(sa.select(*columns).where(wanted).order_by(table.c.exam, table.c.item))
    return [HeldItem(*row) for row in rows]


def held(ledger: Ledger, items: Iterable[str]) -> dict[str, HeldItem]:
    """Return those of `items` that are held out now, by item digest."""
    table = schema.holdout
    columns = (table.c.exam, table.c.item, table.c.near, table.c.task, table.c.source)
    statement = sa.select(*columns).where(table.c.item.in_(among(items))).order_by(table.c.exam)
    return {row.item: HeldItem(*row) for row in ledger.query(statement)}


def relabelled_as(ledger: Ledger, items: Iterable[str]) -> frozenset[str]:
    """Return what people made of these items when they corrected labels."""
    table = schema.relabelled.c
    rows = ledger.query(sa.select(table.now).where(table.item.in_(among(items))))
    return frozenset(row.now for row in rows)


def held_from_batches(ledger: Ledger, items: Iterable[str]) -> frozenset[str]:
    """Return those of `items` that were held out of a promoted batch, not brought by people."""
    table = schema.holdout.c
    columns = sa.select(table.item, table.version, table.confirmed)
    rows = ledger.query(columns.where(table.item.in_(among(items))))
    return frozenset(row.item for row in rows if row.version is not None and row.confirmed)


def held_among(ledger: Ledger, near: Iterable[str]) -> frozenset[str]:
    """Return those of the near-duplicate keys that stand for something held out now."""
    table = schema.holdout.c
    statement = sa.select(table.near).where(table.near.in_(among(near))).distinct()
    return frozenset(row.near for row in ledger.query(statement))


def exams(
    ledger: Ledger, max_items: int, anchors: Mapping[str, int] | None = None
) -> list[HeldExam]:
    """Return every labelled exam by name; a large one keeps its smallest item digests (law 4).

    `anchors`: task -> version. What came out of batches after that version says nothing of what
    was lost since: the batches would judge themselves. So those rows are not among the `older`.
    """
    found, table = [], schema.holdout.c
    with ledger.reading() as connection:
        for name in _exam_names(connection):
            if origin(name) == "pool":
                continue
            held = sa.select(table.item, table.task).where(table.exam == name, _counts())
            rows = connection.execute(held.order_by(table.item).limit(max_items)).all()
            task, items, older = rows[0].task, {row.item for row in rows}, None
            if origin(name) == "batches":
                before = held.where(table.version <= (anchors or {}).get(task, 0))
                confirmed = connection.execute(before.where(table.confirmed == 1))
                older = sorted(row.item for row in confirmed)[:max_items]
            found.append(HeldExam(name, task, sorted({*items, *(older or ())}), older))
    return found


def pools(ledger: Ledger, max_items: int) -> list[HeldExam]:
    """Return every pool of unlabelled inputs; a large one keeps its smallest item digests."""
    found, table = [], schema.holdout.c
    with ledger.reading() as connection:
        for name in _exam_names(connection):
            if origin(name) == "pool":
                held = sa.select(table.item, table.task).where(table.exam == name, _counts())
                rows = connection.execute(held.order_by(table.item).limit(max_items)).all()
                found.append(HeldExam(name, rows[0].task, [row.item for row in rows]))
    return found


def pool_sizes(ledger: Ledger) -> dict[str, int]:
    """Return task -> how many unlabelled inputs its pool has."""
    table = schema.holdout.c
    statement = sa.select(table.exam, sa.func.min(table.task), sa.func.count()).where(_counts())
    rows = ledger.query(statement.group_by(table.exam).order_by(table.exam))
    return {task: count for exam, task, count in rows if origin(exam) == "pool"}


def _exam_names(connection: sa.Connection) -> list[str]:
    """Return the names of all exams that count, sorted: one step of the index a name."""
    table, names = schema.holdout.c, list[str]()
    next_one = sa.select(sa.func.min(table.exam)).where(_counts())
    name = connection.execute(next_one).scalar()
    while name is not None:
        names.append(name)
        name = connection.execute(next_one.where(table.exam > name)).scalar()
    return names


def _counts() -> sa.ColumnElement[bool]:
    """Narrow held-out rows down to those whose exam was not retired."""
    return schema.holdout.c.retired == 0


def exam_tasks(ledger: Ledger) -> frozenset[str]:
    """Return the tasks that have an exam."""
    table, found = schema.holdout.c, set[str]()
    with ledger.reading() as connection:
        for name in _exam_names(connection):
            statement = sa.select(table.task).where(table.exam == name, _counts()).limit(1)
            found.add(str(connection.execute(statement).scalar_one()))
    return frozenset(found)


def exam_use(ledger: Ledger, but: Look | None = None) -> dict[str, ExamUse]:
    """Return by exam which use it had, one look left out.

    Of a retired exam only what is `spent` counts: for good means beyond the exam.
    """
    table = schema.exam_use.c
    counts = table.retired == 0
    statement = sa.select(
        table.exam,
        sa.func.sum(sa.case((counts, 1), else_=0)),
        sa.func.sum(sa.case((counts, table.turned_away), else_=0)),
        sa.func.sum(table.spent),
    )
    rows = ledger.query(statement.where(_is_not(but, table)).group_by(table.exam))
    return {exam: ExamUse(*counted) for exam, *counted in rows}


def looks_by_exam(ledger: Ledger) -> dict[tuple[str, int], frozenset[Look]]:
    """Return the looks that each exam helped to decide, by its name and the event that retired it.

    0 stands for the exam that counts under that name.
    """
    table, found = schema.exam_use.c, dict[tuple[str, int], set[Look]]()
    columns = sa.select(table.exam, table.retired, table.bundle, table.snapshot)
    for exam, retired, *look in ledger.query(columns):
        found.setdefault((exam, retired), set()).add(Look(*look))
    return {exam: frozenset(own) for exam, own in found.items()}


def use_by_exam(ledger: Ledger, but: Look | None = None) -> Callable[[str], ExamUse]:
    """Return what tells the use of any exam, one look left out; `spent` is the whole task's."""
    use, spent = exam_use(ledger, but), Counter[str]()
    for exam, each in use.items():
        spent[task_of(exam)] += each.spent
    return lambda exam: replace(use.get(exam, ExamUse()), spent=spent[task_of(exam)])


def looks(ledger: Ledger, batches: Iterable[str], but: Look) -> int:
    """Return how often candidates of these batches were looked at, one look left out."""
    table = schema.looks.c
    count = sa.select(sa.func.count()).where(table.batch.in_(among(batches)), _is_not(but, table))
    return int(ledger.query(count)[0][0])


def _is_not(look: Look | None, table: Any) -> Any:
    if look is None:
        return sa.true()
    return sa.not_(sa.and_(table.bundle == look.bundle, table.snapshot == look.snapshot))


def exam_sizes(ledger: Ledger) -> dict[str, tuple[str, int]]:
    """Return exam -> (task, how many items are held out for it), by name; pools are left out."""
    table = schema.holdout.c
    statement = sa.select(table.exam, sa.func.min(table.task), sa.func.count()).where(_counts())
    rows = ledger.query(statement.group_by(table.exam).order_by(table.exam))
    return {exam: (task, count) for exam, task, count in rows if origin(exam) != "pool"}


def task_sizes(ledger: Ledger, most: int) -> dict[str, int]:
    """Return task -> how many items its exams and its pool have; of each, `most` are counted."""
    table, sizes = schema.holdout.c, Counter[str]()
    with ledger.reading() as connection:
        for name in _exam_names(connection):
            some = sa.select(table.exam).where(table.exam == name, _counts()).limit(most)
            count = sa.select(sa.func.count()).select_from(some.subquery())
            sizes[task_of(name)] += connection.execute(count).scalar_one()
    return dict(sizes)


def wall(ledger: Ledger) -> str:
    """Return the digest of all that is held out, and of all that the lineage was trained on.

    Each promotion chains its rows to the walls before it; what people brought, the held batches
    and what was retired are named by the digests of their sources.
    """
    held, table = schema.holdout.c, schema.versions.c
    unchained = sa.or_(held.version.is_(None), held.confirmed == 0, held.retired > 0)
    brought = sa.select(held.source).where(unchained).distinct()
    built = ledger.query(sa.select(table.wall).where(table.status == "champion"))
    sources = ledger.query(brought.order_by(held.source))
    return json_digest([[row.wall for row in built], [row.source for row in sources]])


def trained_among(ledger: Ledger, near: Iterable[str]) -> frozenset[str]:
    """Return those of the near-duplicate keys that the champion's lineage was trained on."""
    splits, table = schema.splits, schema.versions
    statement = (
        sa.select(splits.c.near)
        .join(table, table.c.batch == splits.c.batch)
        .where(splits.c.side == "train", table.c.status.in_(LINEAGE))
        .where(splits.c.near.in_(among(near)))
    )
    return frozenset(row.near for row in ledger.query(statement))


def trained_in(ledger: Ledger, batches: Iterable[str], near: Iterable[str]) -> frozenset[str]:
    """Return those of the near-duplicate keys that are training rows of one of these batches."""
    splits = schema.splits.c
    own = sa.and_(splits.side == "train", splits.batch.in_(among(batches)))
    statement = sa.select(splits.near).where(own, splits.near.in_(among(near))).distinct()
    return frozenset(row.near for row in ledger.query(statement))


def once_held_among(ledger: Ledger, near: Iterable[str]) -> frozenset[str]:
    """Return those of the near-duplicate keys that a split ever held out, of whatever batch."""
    splits = schema.splits.c
    statement = sa.select(splits.near).where(splits.side != "train", splits.near.in_(among(near)))
    return frozenset(row.near for row in ledger.query(statement.distinct()))


def leaks(ledger: Ledger, version: int | None = None) -> list[Leak]:
    """Return what is held out now although one version was trained on it, by version and exam.

    `version`: whose training rows; None for the champion and all its ancestors. Law 4: none.
    """
    splits, held, table = schema.splits, schema.holdout, schema.versions
    one = table.c.status.in_(LINEAGE) if version is None else table.c.version == version
    statement = (
        sa.select(table.c.version, held.c.exam, sa.func.count(splits.c.item.distinct()))
        .join(splits, splits.c.batch == table.c.batch)
        .join(held, held.c.near == splits.c.near)
        .where(one, splits.c.side == "train")
        .group_by(table.c.version, held.c.exam)
        .order_by(table.c.version, held.c.exam)
    )
    return [Leak(*row) for row in ledger.query(statement)]
