"""`make bench-speed`: measure, then write docs/speed.md from all that was measured.

Name parts to measure them alone (`make bench-speed ARGS="overhead growth"`); the page takes
the others from their last measurement. `commands --against COMMIT` times the commands of an
earlier commit beside today's.
"""

from __future__ import annotations

import sys

from tests.page import Page
from tests.speed import commands

PAGE = Page(
    "speed",
    "tests.speed",
    (
        "update",
        "stream",
        "phases",
        "overhead",
        "growth",
        "prediction",
        "cache",
        "small_batch",
        "commands",
    ),
)

if __name__ == "__main__":
    wanted = sys.argv[1:]
    if "--against" in wanted:
        at = wanted.index("--against")
        commands.against[:] = wanted[at + 1 : at + 2]
        del wanted[at : at + 2]
    sys.exit(PAGE.make(wanted))
