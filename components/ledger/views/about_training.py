"""Questions about training: what was trained before, and what was chosen by measurement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from components.ledger import schema
from components.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Choice:
    """What a setting that stands on `auto` was found to be, and why, in one line."""

    value: Any
    why: str


def choices(ledger: Ledger) -> dict[str, Choice]:
    """Return what was chosen, by the setting's full name."""
    rows = ledger.query(sa.select(schema.choices))
    return {row.name: Choice(json.loads(row.value), row.why) for row in rows}


def trained_bundle(ledger: Ledger, key: str) -> str | None:
    """Return the bundle that a lesson gave when it was trained before."""
    table = schema.trained
    rows = ledger.query(sa.select(table.c.bundle).where(table.c.key == key))
    return rows[0].bundle if rows else None
