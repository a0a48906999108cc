"""A rule: what one kind of event changes in the projections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection

from components.ledger.events import Recorded

Rule = Callable[[Connection, Recorded[Any]], None]
"""Called in the transaction of `append`, and again when the projections are rebuilt."""
