"""Which exams turned a candidate away: what that costs them is counted for later decisions."""

from __future__ import annotations

from components.gate.alpha_spending import FAR
from components.gate.paired_statistics import Changes, within_p_value
from components.gate.sources import known_sources
from components.gate.verdicts import Decision, Examination, Outcome, Verdict


def turned_away(
    examination: Examination, decision: Decision
) -> tuple[dict[str, bool], frozenset[str]]:
    """Return whether each exam of a known task turned the candidate away, and which spent for good.

    What an exam rejects costs nothing, and so does what waits for labels: it is the same look until
    they are all there.
    """
    away: dict[str, bool] = {}
    spent: set[str] = set()
    for source in known_sources(examination):
        against = [
            verdict
            for verdict in decision.verdicts
            if verdict.exam == source.exam
            and verdict.check in ("forgetting", "anchor")
            and verdict.outcome is not Outcome.PASS
        ]
        free = any(each.outcome is Outcome.FAIL or each.open_labels for each in against)
        if not free and any(map(_is_far, against)):
            spent.add(source.exam)
        away[source.exam] = bool(against) and not free and source.exam not in spent
    return away, frozenset(spent)


def _is_far(verdict: Verdict) -> bool:
    """Tell whether a candidate came so near to the anchor's margin that it counts for good."""
    worse, better = verdict.right_to_wrong, verdict.wrong_to_right
    if verdict.check != "anchor" or worse is None or better is None:
        return False
    margin = (verdict.margin_points or 0.0) / 100
    return within_p_value(Changes(worse, better, verdict.n), margin) > FAR
