"""Each stored answer is counted once: as verified, as wrong, or as not checked."""

from __future__ import annotations

from pathlib import Path

from components.evaluation.score_store import Scored
from components.operations.verification import Finding, Holds, Skipped
from components.operations.verification.scene import open_scene
from components.operations.verification.scores import check_scores
from components.workspace.root import Workspace, open_workspace


def counted(ws: Workspace, deep: bool) -> tuple[int, list[str], list[str]]:
    """Return how many answers hold, what is found and what is not checked."""
    found = list(check_scores(open_scene(ws, deep)))
    [holds] = [each.count for each in found if isinstance(each, Holds)]
    wrong = [each.what for each in found if isinstance(each, Finding)]
    left = [each.what for each in found if isinstance(each, Skipped) and "answers" in each.what]
    return holds, wrong, left


def test_answers_under_an_earlier_key_are_not_counted_as_verified(grown: Path) -> None:
    ws = open_workspace(grown)
    kept = ws.scores.everything()
    total = sum(len(each.answers) for each in kept.values())
    assert counted(ws, deep=True) == (total, [], [])
    own = next(iter(kept.values())).answers
    ws.scores.put("0" * 64, own)
    assert counted(ws, deep=True) == (total, [], [f"{len(own)} stored answers"])
    all_of_them = total + len(own)
    left = f"whether the versions give these answers ({all_of_them:,})"
    assert counted(ws, deep=False) == (all_of_them, [], [left])


def test_wrong_answers_are_not_counted_as_verified(grown: Path) -> None:
    ws = open_workspace(grown)
    kept = ws.scores.everything()
    total = sum(len(each.answers) for each in kept.values())
    key, own = next(iter((key, each.answers) for key, each in kept.items()))
    turned = {
        item: Scored("pos" if each.label == "neg" else "neg", each.confidence, each.brier)
        for item, each in list(own.items())[:3]
    }
    ws.scores.forget(key, turned)
    ws.scores.put(key, turned)
    holds, [finding], left = counted(ws, deep=True)
    assert (holds, left) == (total - 3, []) and finding.startswith(f"3 of {len(own)} ")
