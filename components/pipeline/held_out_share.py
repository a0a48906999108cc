"""How much of a batch is held out: more while a task has too few items to be decided on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from components.items import Item
from components.ledger import views
from components.workspace.root import Workspace


def held_out_shares(ws: Workspace, items: Iterable[Item]) -> dict[str, float]:
    """Return the share of each task's rows to hold out: a larger one until it can be decided on.

    `items`: those that may be held out. The inputs of a pool count as well.
    """
    rules = ws.settings.holdout
    have, found = views.task_sizes(ws.ledger, rules.enough_items), {}
    for task, rows in Counter(item.task for item in items).items():
        found[task] = rules.fraction
        if rules.fraction > 0 and have.get(task, 0) < rules.enough_items:
            missing = (rules.enough_items - have.get(task, 0)) / rows
            found[task] = max(rules.fraction, min(rules.first_fraction, missing))
    return found
