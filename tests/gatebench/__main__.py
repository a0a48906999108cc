"""`make bench-gate`: measure, then write docs/gate.md from all that was measured.

Name parts to measure them alone (`make bench-gate ARGS="histories drip"`); the others need
the answers that `models` keeps.
"""

from __future__ import annotations

import sys

from tests.page import Page

PROMISES = (
    (
        "refills",
        "a loss of the margin promoted at any look",
        "a batch that loses the margin, refilled and looked at again: promoted",
    ),
    (
        "self_written",
        "beyond the budget, 1,000 brought, now",
        "100 mislabelled batches, 0.3 points each, 1,000 items brought: streams beyond 6 points",
    ),
    ("self_written", "beyond the budget, nothing brought, now", "the same, nothing brought"),
    (
        "sound",
        "streams ever beyond the anchor's margin",
        "200 updates that lose a little each: streams beyond 6 points",
    ),
    (
        "sound",
        "sound updates rejected, worst ten",
        "sound updates rejected, in the worst ten of 200",
    ),
    (
        "sound",
        "promoted late, 2,000 items, 5 tasks",
        "sound updates 150 to 200 promoted, 2,000 items, 5 tasks",
    ),
    (
        "labels",
        "20 harmless batches promoted, 1 task",
        "20 harmless batches, a pool of 1,000: promoted, 1 task",
    ),
    ("labels", "20 harmless batches promoted, 5 tasks", "the same, 5 tasks"),
    (
        "labels",
        "labels a task and batch, the same pool of 1,000, mean",
        "labels asked for there, a task and batch",
    ),
    (
        "streams",
        "honest batches promoted, over all streams",
        "real streams through the product: honest batches promoted",
    ),
    (
        "streams",
        "accuracy at the end, below the stream ungated at most",
        "accuracy at their end, below the same stream ungated",
    ),
    ("streams", "spoilt batches promoted", "spoilt batches at their end promoted"),
    (
        "looks",
        "no more than allowed, 5 x 10: rolled back",
        "`watch`, 1,000 looks at a champion that lost no more than allowed: rolled back",
    ),
    (
        "looks",
        "8 points noticed, 1,000 items, 1 x 1",
        "`watch`: a loss of 8 points noticed, 1,000 items, one task",
    ),
    (
        "histories",
        "harmless updates promoted at the planned size",
        "harmless updates promoted at the size that `gate plan` names, 20 tasks",
    ),
)
"""Part, check, and what its figure says: the first table of the page."""

PAGE = Page(
    "gate",
    "tests.gatebench",
    (
        "models",
        "histories",
        "drip",
        "looks",
        "poison",
        "drift",
        "cost",
        "sound",
        "labels",
        "self_written",
        "refills",
        "rivals",
        "noise",
        "streams",
    ),
    PROMISES,
)

if __name__ == "__main__":
    sys.exit(PAGE.make(sys.argv[1:]))
