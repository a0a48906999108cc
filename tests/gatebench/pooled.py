"""Pools of unlabelled inputs: how many labels a decision asks for.

Concept: champion, anchor and candidate answer every input of a pool. Where two give the same
answer nothing can be lost, so only disagreements are asked about, in random order, until no
completion of the open answers could change the verdict (curtailment: it costs no alpha). What was
answered once is known for good. About a third of the disagreements are ties: one wrong answer
became another.

Promise: the verdict is the one that all labels would give; `ask` says when it was certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.gatebench.gates import (
    ANCHOR_MARGIN,
    GATE,
    MARGIN,
    Gate,
    above_p,
    first_look,
    within_p,
)
from tests.gatebench.latent import Kind, Latent

TIES = 0.3
"""Share of the disagreements in which both answers are wrong."""
WRONG_ANSWERS = 10

OPEN, PASS, FAIL, UNDECIDED = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of a decision: tolerated loss, level of letting pass, of a FAIL."""

    margin: float
    level: float
    bar: float


def certain(worse: Any, better: Any, unknown: Any, items: int, test: Comparison) -> Any:
    """Return what is certain whatever the open answers are, or OPEN; arrays of one shape."""
    worst, best = (worse + unknown, better), (worse, better + unknown)
    passed = within_p(worst, items, test.margin) <= test.level
    failed = above_p(best, items, test.margin) <= test.bar
    hopeless = within_p(best, items, test.margin) > test.level
    harmless = above_p(worst, items, test.margin) > test.bar
    return np.select([passed, failed, hopeless & harmless], [PASS, FAIL, UNDECIDED], OPEN)


@dataclass(frozen=True, slots=True)
class Asked:
    """labels: how many were asked for. verdicts: of each comparison, in the order given."""

    labels: int
    verdicts: tuple[int, ...]


def ask(effects: Any, differ: Any, known: Any, items: int, tests: tuple[Comparison, ...]) -> Asked:
    """Ask in the order given until every comparison is certain, or one is FAIL.

    Args:
        effects: (tests, inputs) of those that anyone differs on: 1 worse, -1 better, 0 neither.
        differ: (tests, inputs), whether the two of a comparison differ there.
        known: (inputs,), answered before.
        items: inputs of the pool.
        tests: the comparisons.
    """
    asked = np.flatnonzero(~known)
    steps = np.arange(len(asked) + 1)
    verdicts = []
    for effect, differs, test in zip(effects, differ, tests, strict=True):
        worse, better, closed = (
            (part & known).sum() + np.concatenate([[0], np.cumsum(part[asked])])
            for part in (effect == 1, effect == -1, differs)
        )
        verdicts.append(certain(worse, better, differs.sum() - closed, items, test))
    found = np.array(verdicts)
    done = (found != OPEN).all(0) | (found == FAIL).any(0)
    labels = int(steps[done][0])
    return Asked(labels, tuple(int(each) for each in found[:, labels]))


def effects_of(before: Any, after: Any) -> Any:
    """Return 1 where right became wrong, -1 the other way round, 0 elsewhere; answers: 0 right."""
    return ((before == 0) & (after != 0)).astype(int) - ((before != 0) & (after == 0))


class Pool(Latent):
    """A `Latent` whose wrong answers differ: an answer is 0 where right, else which wrong one."""

    def __init__(self, kind: Kind, streams: int, tasks: int, items: int, seed: int) -> None:
        super().__init__(kind, streams, tasks, items, seed)
        both_wrong = 1 - kind.accuracy - kind.churn / 2
        self.stirred = kind.churn * TIES / (1 - TIES) / both_wrong
        self.wrong = self._wrong(self.size)
        self.anchor_wrong = self.wrong.copy()
        self.tried_wrong = self.wrong
        self.known = np.zeros(self.size, bool)

    def _wrong(self, size: Any) -> Any:
        return self.random.integers(1, WRONG_ANSWERS + 1, size, np.int8)

    def candidate(self, loss: Any) -> tuple[Any, Any]:
        """Return an update's answers (right or not) and its true loss."""
        stir = self.random.random(self.size, np.float32) < self.stirred
        others = (self.wrong + self.random.integers(0, WRONG_ANSWERS - 1, self.size)) % (
            WRONG_ANSWERS
        ) + 1
        self.tried_wrong = np.where(stir, others, self.wrong).astype(np.int8)
        return super().candidate(loss)

    def promote(self, which: Any, right: Any, lost: Any) -> None:
        """Bring candidates into force in the streams that `which` marks."""
        super().promote(which, right, lost)
        self.wrong[which] = self.tried_wrong[which]

    def move(self, which: Any) -> None:
        """Move the anchors that `which` marks."""
        super().move(which)
        self.anchor_wrong[which] = self.wrong[which]

    def arrive(self, fresh: int) -> Any:
        """Let new inputs in; nothing is known of them."""
        places = super().arrive(fresh)
        size = (*self.size[:2], len(places))
        self.wrong[..., places] = self._wrong(size)
        stirred = self.random.random(size) < 1 - (1 - self.stirred) ** self.since[..., None]
        self.anchor_wrong[..., places] = np.where(
            stirred, self._wrong(size), self.wrong[..., places]
        )
        self.known[..., places] = False
        return places

    def answers(self, right: Any) -> tuple[Any, Any, Any]:
        """Return what champion, anchor and candidate answer."""
        return (
            np.where(self.champion, 0, self.wrong),
            np.where(self.anchor, 0, self.anchor_wrong),
            np.where(right, 0, self.tried_wrong),
        )


@dataclass(frozen=True, slots=True)
class Followed:
    """labels: (batches, streams, tasks); promoted, rejected: (batches, streams)."""

    labels: Any
    promoted: Any
    rejected: Any


def follow(
    kind: Kind, tasks: int, items: int, streams: int, batches: int, fresh: int = 0, seed: int = 1
) -> Followed:
    """Follow harmless batches that pools decide; `fresh` inputs are new at every batch."""
    pool = Pool(kind, streams, tasks, items, seed)
    gate = Gate("now", streams, tasks)
    bar = GATE.alpha / (2 * tasks)
    labels = np.zeros((batches, streams, tasks), int)
    promoted, rejected = np.zeros((2, batches, streams), bool)
    for batch in range(batches):
        pool.arrive(fresh)
        right, lost = pool.candidate(np.zeros((streams, tasks)))
        champion, anchor, candidate = pool.answers(right)
        levels = gate.level
        for stream, task in np.ndindex(streams, tasks):
            at = (stream, task)
            differ = np.stack([candidate[at] != champion[at], candidate[at] != anchor[at]])
            places = pool.random.permutation(np.flatnonzero(differ.any(0)))
            effects = np.stack(
                [effects_of(before[at], candidate[at])[places] for before in (champion, anchor)]
            )
            tests = (
                Comparison(MARGIN, first_look(), bar),
                Comparison(ANCHOR_MARGIN, float(levels[at]), bar),
            )
            known = pool.known[stream, task, places]
            asked = ask(effects, differ[:, places], known, items, tests)
            labels[batch, stream, task] = asked.labels
            pool.known[stream, task, places[~known][: asked.labels]] = True
        decided = gate.decide(
            pool.changes(pool.champion, right),
            pool.changes(pool.anchor, right),
            items,
            gone=fresh / items,
        )
        promoted[batch], rejected[batch] = decided.promoted, decided.rejected
        pool.promote(decided.promoted, right, lost)
        worse, better = pool.changes(pool.anchor, pool.champion)
        moved = above_p((better, worse), items, 0.0) <= gate.move_level
        pool.move(moved & decided.promoted[:, None])
    return Followed(labels, promoted, rejected)


def first_updates(
    churn: float, items: int, rounds: int, seed: int, ties: float = TIES
) -> tuple[Any, Any]:
    """Return (labels, promoted) of harmless first updates of one task, each (rounds,).

    The anchor is the champion still. `ties`: share of the disagreements.
    """
    random = np.random.default_rng(seed)
    tests = (Comparison(MARGIN, first_look(), GATE.alpha / 2),)
    labels, passed = np.zeros(rounds, int), np.zeros(rounds, bool)
    tied = churn * ties / (1 - ties)
    for place in range(rounds):
        counts = random.multinomial(items, [churn / 2, churn / 2, tied, 1 - churn - tied])[:3]
        effects = random.permutation(np.repeat([1, -1, 0], counts))[None]
        everywhere = np.ones_like(effects, bool)
        asked = ask(effects, everywhere, np.zeros(effects.shape[1], bool), items, tests)
        labels[place], passed[place] = asked.labels, asked.verdicts[0] == PASS
    return labels, passed
