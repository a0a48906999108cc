"""Batches that mark their own exams.

Each of 100 batches of 500 rows teaches the model 0.3 points more of one systematic error, and its
held-out rows are labelled by the same error: by them, a version that does not make it is wrong.
Latent scores, AR(1), churn 2 %, accuracy 84 %. *Brought*: 1,000 clean items. *Before*: the rule up
to November 2026: held-out rows of promoted batches (a fifth) join the task's exam, and of more
than 2,000 items those with the smallest digests stay; nothing brought: the exam is the first
batch's 100 rows, or 400 as in the audit's table. *Now*: brought items are an exam of their own,
which decides; where nothing was brought, an exam of held-out rows decides (half of the rows until
there are 400, then a fifth; of held batches too, if not rejected; nothing joins a full one), and
against the anchor, and to move it, only rows count that joined when or before the anchor's version
was promoted. What exams of rows reject where a brought one decides is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.gatebench.gates import ANCHOR_MARGIN, Gate, Name, above_p
from tests.gatebench.latent import ACCURACY, correlation
from tests.page import Check, Section, opening

BATCHES, ROWS, STREAMS = 100, 500, 200
LOSS, CHURN, MOST = 0.003, 0.02, 2000
HELD_OUT, GROWING, ENOUGH = 0.2, 0.5, 400
AFTER = (25, 50, 100)


@dataclass(frozen=True, slots=True)
class Setting:
    """Which rule, how many clean items at the start, and whether rows join the deciding exam."""

    rule: Name
    start: int
    rows_join: bool


SETTINGS = {
    "1,000 brought, before": Setting("before", 1000, True),
    "1,000 brought, now": Setting("now", 1000, False),
    "nothing brought, before": Setting("before", 100, True),
    "nothing brought, before, 400 rows at the start": Setting("before", 400, True),
    "nothing brought, now": Setting("now", 250, True),
}


class Exam:
    """The deciding exam of one task in many streams, (streams, places).

    An item is right by its label where the version answers rightly and both or neither make
    the error there: `told` is how far the error went when the item was labelled.
    """

    def __init__(self, start: int, streams: int, seed: int) -> None:
        from scipy.special import ndtri

        self.random = np.random.default_rng(seed)
        self.cut, self.kept = float(ndtri(1 - ACCURACY)), correlation(CHURN, ACCURACY)
        self.streams = streams
        self.lost, self.anchor_lost = np.zeros((2, streams))
        self.since = np.zeros(streams, int)
        self.columns = self._rows(start, np.zeros(streams), np.zeros(streams))
        self.anchor_from = np.zeros(streams)

    def _rows(self, count: int, told: Any, joined: Any) -> dict[str, Any]:
        """Return new rows as columns; the anchor's scores are as old as the anchor."""
        size = (self.streams, count)
        score = self.random.standard_normal(size)
        kept = (self.kept**self.since)[:, None]
        anchor = kept * score + np.sqrt(1 - kept**2) * self.random.standard_normal(size)
        return {
            "score": score,
            "anchor": anchor,
            "place": self.random.random(size),
            "told": np.broadcast_to(told[:, None], size),
            "joined": np.broadcast_to(joined[:, None], size),
            "digest": self.random.random(size),
            "there": np.ones(size, bool),
        }

    def by_label(self, score: Any, lost: Any) -> Any:
        """Return which items these versions answer as they are labelled."""
        place, told = self.columns["place"] * ACCURACY, self.columns["told"]
        return (score > self.cut) & ((place < lost[:, None]) == (place < told))

    def candidate(self) -> Any:
        """Return an update's scores."""
        noise = self.random.standard_normal(self.columns["score"].shape)
        return self.kept * self.columns["score"] + (1 - self.kept**2) ** 0.5 * noise

    def join(self, which: Any, count: int, told: Any, batch: int, rule: Name) -> None:
        """Let a batch's rows into the exams that `which` marks; drop what is too much."""
        new = self._rows(count, told, np.full(self.streams, float(batch)))
        new["there"] = np.repeat(which[:, None], count, 1)
        both = {
            name: np.concatenate([column, new[name]], 1) for name, column in self.columns.items()
        }
        if rule == "now":
            both["there"] &= np.cumsum(both["there"], 1) <= MOST
            order = np.argsort(~both["there"], 1, kind="stable")
        else:
            order = np.argsort(np.where(both["there"], both["digest"], 2.0), 1)
        width = min(MOST, int(both["there"].sum(1).max()))
        self.columns = {
            name: np.take_along_axis(column, order[:, :width], 1) for name, column in both.items()
        }


def follow(setting: Setting, streams: int, batches: int, seed: int = 1) -> dict[str, Any]:
    """Return true losses after each batch in points, (batches, streams), and what was promoted."""
    exam, gate = Exam(setting.start, streams, seed), Gate(setting.rule, streams, 1)
    now = setting.rule == "now"
    lost, promoted = np.zeros((batches, streams)), np.zeros((batches, streams), bool)
    for batch in range(batches):
        there = exam.columns["there"]
        old = there & (exam.columns["joined"] <= exam.anchor_from[:, None]) if now else there
        score, after = exam.candidate(), exam.lost + LOSS
        new = exam.by_label(score, after)
        champion = exam.by_label(exam.columns["score"], exam.lost)
        anchor = exam.by_label(exam.columns["anchor"], exam.anchor_lost)
        decided = gate.decide(
            _changes(champion, new, there),
            _changes(anchor, new, old),
            there.sum(1)[:, None],
            old.sum(1)[:, None],
        )
        which = decided.promoted
        exam.columns["score"] = np.where(which[:, None], score, exam.columns["score"])
        exam.lost = np.where(which, after, exam.lost)
        exam.since += which
        worse, better = _changes(anchor, new, old)
        better_p = above_p((better, worse), old.sum(1)[:, None], 0.0)[:, 0]
        moved = which & (better_p <= gate.move_level)
        exam.columns["anchor"] = np.where(
            moved[:, None], exam.columns["score"], exam.columns["anchor"]
        )
        exam.anchor_lost = np.where(moved, exam.lost, exam.anchor_lost)
        exam.anchor_from = np.where(moved, batch + 1.0, exam.anchor_from)
        exam.since = np.where(moved, 0, exam.since)
        if setting.rows_join:
            few = now and there.sum(1).max() < ENOUGH
            joining = ~decided.rejected if now else which
            exam.join(
                joining, int(ROWS * (GROWING if few else HELD_OUT)), after, batch + 1, setting.rule
            )
        lost[batch], promoted[batch] = 100 * exam.lost, which
    return {"lost": lost, "promoted": promoted}


def _changes(before: Any, after: Any, among: Any) -> tuple[Any, Any]:
    return (
        (before & ~after & among).sum(1)[:, None],
        (after & ~before & among).sum(1)[:, None],
    )


def measure(folder: Path, plots: Path) -> Section:
    """Follow the drip under each setting."""
    found = {name: follow(setting, STREAMS, BATCHES) for name, setting in SETTINGS.items()}
    margin = 100 * ANCHOR_MARGIN + 1e-6
    over = {name: 100 * float((each["lost"][-1] > margin).mean()) for name, each in found.items()}
    checks = [
        Check(f"beyond the budget, {name}", over[name], "at most", 5.0, " % of streams")
        for name in ("1,000 brought, now", "nothing brought, now")
    ]
    heads = " / ".join(str(each) for each in AFTER)
    rows = [
        f"| exam | truly lost after {heads} batches, median | promoted | beyond 6 points |",
        "|---|---|---|---|",
    ]
    for name, each in found.items():
        losses = " / ".join(f"{np.median(each['lost'][after - 1]):.1f}" for after in AFTER)
        rows.append(
            f"| {name} | {losses} | {100 * each['promoted'].mean():.0f} % | {over[name]:.0f} % |"
        )
    return Section("Batches that mark their own exams", checks, _page(rows))


def _page(rows: list[str]) -> str:
    return "\n\n".join([opening(__doc__), "\n".join(rows)])
