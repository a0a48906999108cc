"""What whoever keeps a root should look at."""

from __future__ import annotations

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


def test_a_worn_exam_is_named_with_its_remedy(grown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(required_actions, "OVERUSED_AFTER", 0)
    lines = upkeep(open_workspace(grown))
    assert [line for line in lines if "ratchet holdout add FILE --task mood" in line]
