"""Questions about versions: who is champion, and how it came to be."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.ledger import Ledger
from components.ledger.projections import LINEAGE, ON, standing


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version. `anchors`: task -> version that the task is held against.

    `batch` is None where it came from no batch.
    """

    version: int
    batch: str | None
    bundle: str
    parent: int | None
    status: str
    evidence: str
    headline: str
    anchors: dict[str, int]
    run: str


@dataclass(frozen=True, slots=True)
class Probation:
    """A version that came into force unconfirmed.

    `parent`: the version before it. `since`: the number of the event that began it; answers up to
    then may have admitted it. `ends`: by when it ends, in ISO 8601; `labels`: so many end it
    earlier. `outcome`: on, confirmed, rolled back, or barred (a later rollback went past it).
    `looks`: how often it was examined since; `snapshot`, `evidence`: of the newest of these.
    """

    version: int
    parent: int
    since: int
    ends: str
    labels: int
    outcome: str
    looks: int
    snapshot: str | None
    evidence: str | None


def champion(ledger: Ledger) -> Version | None:
    """Return the version in force, or None before the first promotion."""
    found = versions(ledger, status="champion")
    return found[0] if found else None


def version(ledger: Ledger, number: int) -> Version | None:
    """Return one version, or None where no version has that number."""
    found = versions(ledger, version=number) if number in schema.INTEGERS else []
    return found[0] if found else None


def versions(ledger: Ledger, **wanted: str | int) -> list[Version]:
    """Return all versions, oldest first; `batch=...`, `bundle=...`, `status=...` narrow down."""
    table = schema.versions
    narrowed = [table.c[name] == value for name, value in wanted.items()]
    return _versions(ledger, sa.and_(True, *narrowed))


def newest(ledger: Ledger) -> int | None:
    """Return the highest number that a version has, or None before the first one."""
    [(number,)] = ledger.query(sa.select(sa.func.max(schema.versions.c.version)))
    return None if number is None else int(number)


def newest_held(ledger: Ledger, parent: int | None) -> int | None:
    """Return the newest version that waits for a person and was trained from `parent`."""
    table = schema.versions.c
    statement = sa.select(sa.func.max(table.version))
    wanted = statement.where(table.status == "held", table.parent.is_not_distinct_from(parent))
    [(number,)] = ledger.query(wanted)
    return None if number is None else int(number)


def lineage(ledger: Ledger) -> list[Version]:
    """Return the champion and its ancestors, newest first."""
    return _versions(ledger, schema.versions.c.status.in_(LINEAGE))[::-1]


def ancestors(ledger: Ledger, of: Version) -> list[tuple[int, str]]:
    """Return (version, evidence) of what a version came from, oldest first."""
    found, parent = list[tuple[int, str]](), of.parent
    while parent is not None and (before := version(ledger, parent)) is not None:
        found.append((before.version, before.evidence))
        parent = before.parent
    return found[::-1]


def lineage_evidence(ledger: Ledger) -> list[tuple[int, str]]:
    """Return (version, evidence) of the champion and its ancestors, oldest first."""
    table = schema.versions.c
    statement = sa.select(table.version, table.evidence).where(table.status.in_(LINEAGE))
    return [tuple(row) for row in ledger.query(statement.order_by(table.version))]


def _versions(ledger: Ledger, condition: Any) -> list[Version]:
    table = schema.versions
    columns = [table.c[each.name] for each in fields(Version)]
    rows = ledger.query(sa.select(*columns).where(condition).order_by(table.c.version))
    return [Version(**{**row._mapping, "anchors": json.loads(row.anchors)}) for row in rows]


def known_tasks(ledger: Ledger) -> frozenset[str]:
    """Return the tasks that a version of the champion's lineage brought: each has an anchor."""
    found = champion(ledger)
    return frozenset(found.anchors) if found else frozenset()


def pointer_history(ledger: Ledger) -> list[Any]:
    """Return every move of the champion pointer, oldest first."""
    return ledger.query(sa.select(schema.pointer).order_by(schema.pointer.c.seq))


def newest_move(ledger: Ledger) -> Any:
    """Return the newest change of the champion that was not undone, or None."""
    left = standing(pointer_history(ledger))
    return left[-1] if left else None


def probations(ledger: Ledger) -> list[Probation]:
    """Return every version that came into force unconfirmed, oldest first."""
    return _probations(ledger, sa.true())


def probation(ledger: Ledger) -> Probation | None:
    """Return the version that is on probation now; it is the champion."""
    found = _probations(ledger, schema.probations.c.outcome == ON)
    return found[0] if found else None


def _probations(ledger: Ledger, condition: Any) -> list[Probation]:
    table = schema.probations
    rows = ledger.query(sa.select(table).where(condition).order_by(table.c.version))
    return [Probation(**row._mapping) for row in rows]
