"""Pages that people read: links that lead somewhere, commands that exist, and a short README."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from components.cli.main import cli

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
MOST_WORDS = 900


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").split()) < MOST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_files_and_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    assert [each for each in targets if not (page.parent / each).exists()] == []
    said = re.findall(r"(?:`|^\$ )ratchet ([a-z][a-z-]*(?: [a-z][a-z-]*)*)", text, re.MULTILINE)
    assert [words for words in said if not _exists(words.split())] == []


def _exists(words: list[str]) -> bool:
    """Whether the first word, or the first two, name a command."""
    command = cli.commands.get(words[0])
    if isinstance(command, click.Group) and len(words) > 1:
        return words[1] in command.commands
    return command is not None
