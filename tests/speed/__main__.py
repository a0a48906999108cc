"""`make bench-speed`: measure, then write docs/speed.md from all that was measured.

Name parts to measure them alone (`make bench-speed ARGS="overhead growth"`); the page takes
the others from their last measurement.
"""

from __future__ import annotations

import sys

from tests.page import Page

PAGE = Page(
    "speed",
    "tests.speed",
    ("update", "stream", "phases", "overhead", "growth", "prediction", "cache", "small_batch"),
)

if __name__ == "__main__":
    sys.exit(PAGE.make(sys.argv[1:]))
