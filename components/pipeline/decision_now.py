"""A recorded decision made again in memory, with the labels that came since.

Concept: evidence has every answer of every model, so new labels of a pool's inputs need no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.gate.decision import judge
from components.gate.evidence import recall, record
from components.gate.verdicts import Decision, Examination, Rules
from components.ledger import views
from components.pipeline.pool_results import with_answers
from components.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class Now:
    """A decision as it would be now; `document` is the evidence that it was recorded with.

    `answers`: to the inputs of its pools, by task and item.
    """

    document: Mapping[str, Any]
    examination: Examination
    rules: Rules
    decision: Decision
    answers: Mapping[str, Mapping[str, Sequence[views.Answer]]]

    def record(self) -> dict[str, Any]:
        """Return the evidence of this decision."""
        return {**self.document, **record(self.examination, self.rules, self.decision)}


def decide_now(ws: Workspace, document: Mapping[str, Any], since: int = 0) -> Now:
    """Decide again with the labels of today; `since` as in `with_answers`."""
    examination, rules = recall(document)
    answers = {pool.task: views.answers(ws.ledger, pool.task) for pool in examination.pools}
    pools = [with_answers(pool, answers[pool.task], since) for pool in examination.pools]
    examination = replace(examination, pools=pools)
    return Now(document, examination, rules, judge(examination, rules), answers)
