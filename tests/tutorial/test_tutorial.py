"""The commands of docs/tutorial.md and README do what these pages say."""

from __future__ import annotations

from pathlib import Path

from tests.command import REPOSITORY
from tests.stream import batch, make_root
from tests.tutorial.shell import BLOCK, commands, opened
from tests.tutorial.walk import PAGE, walk, without_figures


def test_every_command_of_the_tutorial_prints_what_the_page_says(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    for said, typed in zip(blocks, walk(tmp_path), strict=True):
        assert without_figures(typed) == without_figures(said), typed


def test_the_lines_of_the_readme_work_one_after_the_other(tmp_path: Path) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    [block] = [each for each in BLOCK.findall(text) if "ratchet init" in each]
    activate, *lines = commands(block)
    assert activate == "source .venv/bin/activate"
    root = make_root(tmp_path / "my-model")
    batch(root / "january.jsonl", 1)
    batch(root / "february.jsonl", 2)
    batch(root / "exam.jsonl", 900, 200)
    with opened(tmp_path) as shell:
        for line in lines:
            typed = shell.type(line)
            assert typed.code == 0, typed
