"""A root of three versions, to go back in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from components.workspace.root import Workspace, open_workspace
from tests.stream import FILLER, copied, rows, settle, write_jsonl


@pytest.fixture(scope="module")
def three_once(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of three versions; the third brought a task and a label of its own."""
    root = copied(grown_once, tmp_path_factory.mktemp("three") / "root")
    pick = random.Random(0)
    values: list[dict[str, str]] = rows(3)
    for label, words in (("left", FILLER[:7]), ("right", FILLER[7:])):
        texts = sorted({" ".join(pick.choices(words, k=6)) for _ in range(60)})
        values += [{"text": text, "label": label, "task": "other"} for text in texts]
    assert settle(root, write_jsonl(root / "b3.jsonl", values)).action == "promoted"
    return root


@pytest.fixture
def three(three_once: Path, tmp_path: Path) -> Workspace:
    return open_workspace(copied(three_once, tmp_path / "three"))
