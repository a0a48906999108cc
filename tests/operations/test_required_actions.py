"""What whoever keeps a root should look at."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from components.clock import system_clock
from components.operations import required_actions
from components.operations.required_actions import upkeep
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import settle


def test_what_came_to_quarantine_lately_is_named_and_forgotten_in_time(grown: Path) -> None:
    assert upkeep(open_workspace(grown)) == []
    for name in ("a", "b"):
        file = grown / f"{name}.jsonl"
        file.write_text(f'{{"{name}": 1}}\n' * 40)
        assert settle(grown, file).action == "refused"
    [line] = upkeep(open_workspace(grown))
    assert line.startswith("2 batches came to quarantine within 7 days: `ratchet quarantine list`")
    assert "To look at: 2 batches" in " ".join(ratchet(grown, "status").out.split())
    later = open_workspace(grown, clock=lambda: system_clock() + timedelta(days=8))
    assert upkeep(later) == []


def test_an_exported_folder_is_named_once_it_is_not_the_champion_until_that_is_put_right(
    grown: Path, tmp_path: Path
) -> None:
    here, away, old = grown / "exported", tmp_path / "it's away", tmp_path / "old"
    for folder in (here, away):
        assert ratchet(grown, "export", "champion", folder).code == 0
    assert ratchet(grown, "export", "1", old).code == 0
    assert upkeep(open_workspace(grown)) == []
    assert ratchet(grown, "rollback", "--reason", "worse for customers").code == 0
    said = "holds version 2, and the champion is version 1: `ratchet export champion"
    wanted = [
        f"exported {said} exported --force`.",
        f"{away} {said} '{tmp_path}/it'\"'\"'s away' --",
    ]
    lines = [line for line in upkeep(open_workspace(grown)) if "export" in line]
    assert [line[: len(each)] for line, each in zip(lines, wanted, strict=True)] == wanted
    assert "exported holds version 2" in ratchet(grown, "status").out

    assert ratchet(grown, "export", "champion", here, "--force").code == 0
    shutil.rmtree(away)
    assert not [line for line in upkeep(open_workspace(grown)) if "export" in line]


def test_a_worn_exam_is_named_with_its_remedy(grown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(required_actions, "OVERUSED_AFTER", 0)
    lines = upkeep(open_workspace(grown))
    assert [line for line in lines if "ratchet holdout add FILE --task mood" in line]
