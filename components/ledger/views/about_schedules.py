"""Questions about schedules: until when what they ask for was done."""

from __future__ import annotations

from datetime import datetime

from components.ledger.events import ScheduleKept
from components.ledger.ledger import Ledger
from components.ledger.views.about_events import told


def kept_until(ledger: Ledger, job: str) -> datetime | None:
    """Return the newest time that a schedule was kept for; None before the first."""
    found = [each.payload.due for each in told(ledger, ScheduleKept) if each.payload.job == job]
    return max(map(datetime.fromisoformat, found), default=None)
