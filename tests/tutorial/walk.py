"""The commands of docs/tutorial.md, typed one after the other in one shell.

    python -m tests.tutorial     types them, writes what they print into the page, takes pictures

The page's `console` blocks are commands with what they print; the words between them are written
by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from components.demo.fetch import BASE_FILES, BASE_NAME, BASE_PACKAGES, ensure
from tests.command import PHASE, REPOSITORY
from tests.tutorial.shell import BLOCK, Typed, commands, opened

PAGE = REPOSITORY / "docs" / "tutorial.md"


def walk(folder: Path) -> Iterator[str]:
    """Type every command of the page; yield each block as it should read.

    `folder` is empty, and stands for the clone: it gets the tickets' script and the demo's base.
    """
    ensure(REPOSITORY / ".cache" / "demo", BASE_NAME, BASE_FILES, BASE_PACKAGES, lambda said: None)
    for name in ("docs", ".cache"):
        (folder / name).symlink_to(REPOSITORY / name)
    with opened(folder) as shell:
        for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            typed = map(shell.type, commands(block))
            yield "".join(_shown(each, folder) for each in typed)


def without_figures(text: str) -> str:
    """Return a text without its digests, numbers and tables' lines.

    Figures may differ a little from machine to machine; words may not.
    """
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "D", text)
    text = re.sub(r"[-+]?\d[\d.,:]*", "N", text)
    return " ".join(re.sub(r"[\u2500-\u257f]+", " ", text).split())


def _shown(typed: Typed, folder: Path) -> str:
    """Return a command with what it prints in a terminal, where bars stand for phases."""
    printed = (
        PHASE.sub("", f"{typed.printed}\n").rstrip("\n").replace(str(folder.resolve()), "~/ratchet")
    )
    return f"$ {typed.command}\n" + f"{printed}\n" * bool(printed)
