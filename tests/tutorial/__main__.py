"""Write docs/tutorial.md anew: what its commands print here, and pictures of what they made."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.tutorial.pictures import take
from tests.tutorial.shell import BLOCK
from tests.tutorial.walk import PAGE, walk

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        typed = walk(Path(folder))
        text = BLOCK.sub(lambda block: next(typed), PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(text, encoding="utf-8")
        take(Path(folder) / "tutorial" / "desk", PAGE.parent / "tutorial")
