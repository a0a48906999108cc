"""`make bench-gate`: measure, then write docs/gate.md from all that was measured.

Name parts to measure them alone (`make bench-gate ARGS="histories drip"`); the others need
the answers that `models` keeps.
"""

from __future__ import annotations

import sys

from tests.page import Page

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
)

if __name__ == "__main__":
    sys.exit(PAGE.make(sys.argv[1:]))
