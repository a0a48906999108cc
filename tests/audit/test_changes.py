"""Any change to what decides or serves is found, and the finding names it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.ledger import views
from components.operations.verification import UNPROVABLE, Report, verify
from components.operations.verification.report_text import lines
from components.workspace.root import open_workspace
from tests.audit import changes, changing, extra_changes, mlflow_changes, rich
from tests.audit.changing import CHANGES, Change, counted
from tests.command import assert_one_paragraph, ratchet
from tests.stream import batch, settle


class Kept:
    """A root that is put back after each change: what differs is copied from a sound copy."""

    def __init__(self, folder: Path) -> None:
        self.root = rich.build(folder / "root")
        self.sound = Path(shutil.copytree(self.root, folder / "sound", symlinks=True))
        self.before = self._stats(self.root)

    def put_back(self) -> None:
        now = self._stats(self.root)
        for name in now.keys() - self.before.keys():
            (self.root / name).unlink()
        for name in self.before:
            if now.get(name) != self.before[name]:
                target = self.root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                shutil.copy2(self.sound / name, target)
        for folder in sorted(self.root.rglob("*"), reverse=True):
            if folder.is_dir() and not (self.sound / folder.relative_to(self.root)).exists():
                folder.rmdir()
        for path in [self.sound, *self.sound.rglob("*")]:
            if not path.is_symlink():
                (self.root / path.relative_to(self.sound)).chmod(path.stat().st_mode)

    @staticmethod
    def _stats(root: Path) -> dict[str, tuple[int, int, bool]]:
        found = {}
        for path in root.rglob("*"):
            if path.is_symlink() or path.is_file():
                stat = path.lstat()
                link = path.is_symlink()
                found[str(path.relative_to(root))] = (stat.st_mtime_ns, stat.st_size, link)
        return found


@pytest.fixture(scope="session")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("audited"))


@pytest.fixture
def kept(kept_once: Kept) -> Kept:
    kept_once.put_back()
    return kept_once


def audited(root: Path, deep: bool = False) -> Report:
    return verify(open_workspace(root), deep)


@pytest.mark.parametrize("deep", [False, True])
def test_an_untouched_root_holds(kept: Kept, deep: bool) -> None:
    report = audited(kept.root, deep)
    assert report.findings == []
    assert not deep or not any(each.deep for each in report.skipped)


assert mlflow_changes.MODEL and extra_changes.NAMED  # importing a list enters its changes


def in_turn() -> list[Any]:
    """Return all changes; every third one is tried by each run of the tests."""
    return [
        pytest.param(
            each,
            id=f"{each.group}: {each.name}",
            marks=[pytest.mark.slow] if turn % 3 else [],
        )
        for turn, each in enumerate(CHANGES)
    ]


@pytest.mark.parametrize("change", in_turn())
def test_a_change_is_found_and_named(kept: Kept, change: Change) -> None:
    named = change.make(kept.root)
    report = audited(kept.root, change.deep)
    said = [f"{each.place}: {each.what}" for each in report.findings]
    assert any(named in each for each in said), (named, said)


@pytest.mark.parametrize("name", extra_changes.NAMED)
def test_what_decides_nothing_is_named_as_not_looked_at_and_never_before(
    kept: Kept, name: str
) -> None:
    before = {each.what for each in audited(kept.root).skipped}
    word = extra_changes.NAMED[name](kept.root)
    report = audited(kept.root)
    assert report.findings == []
    new = {each.what for each in report.skipped} - before
    assert any(word in each for each in new), (word, new)


def test_there_are_125_changes_and_no_two_alike() -> None:
    names = Counter((change.group, change.name) for change in CHANGES)
    assert len(names) == len(CHANGES) >= 125
    page = Path(__file__).parents[2] / "docs" / "audit.md"
    assert counted() in page.read_text(encoding="utf-8"), counted()


def test_what_fits_together_in_itself_is_named_as_not_provable_and_never_claimed(
    kept: Kept, tmp_path: Path
) -> None:
    head = audited(kept.root).head
    changes.rebuilt(kept.root)
    report = audited(kept.root)
    assert report.findings == [] and report.head != head
    assert UNPROVABLE[0] in "\n".join(lines(report))


def test_an_older_copy_of_everything_shows_only_in_its_head(kept: Kept, tmp_path: Path) -> None:
    head = audited(kept.root).head
    settle(kept.root, batch(tmp_path / "more.jsonl", 8, 3))
    newer = audited(kept.root)
    assert newer.findings == [] and newer.head != head
    changes.older(kept.root, kept.sound)
    report = audited(kept.root)
    assert report.findings == [] and report.head == head
    assert UNPROVABLE[1] in "\n".join(lines(report))


def test_a_row_of_kept_answers_that_is_gone_decides_nothing(kept: Kept) -> None:
    changes.scores(kept.root, f"DELETE FROM scored {changes.ONE}")
    assert audited(kept.root, deep=True).findings == []


def test_one_damage_does_not_hide_another(kept: Kept) -> None:
    changes.ledger(kept.root, "UPDATE events SET time = 'never' WHERE seq = 9")
    exam = changing.flipped(changing.exam_of(kept.root))
    head = changing.flipped(changing.bundle_of(kept.root, "champion") / "head.safetensors")
    places = " ".join(each.place for each in audited(kept.root).findings)
    assert "ledger" in places and exam in places and head in places


def test_without_a_ledger_every_other_check_says_that_it_did_not_look(kept: Kept) -> None:
    changing.gone(kept.root / "mlruns" / "ratchet.db")
    report = audited(kept.root)
    assert [each.place for each in report.findings] == ["ledger"]
    assert {"batches", "bundles", "quarantine"} <= {each.what for each in report.skipped}


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini"])
def test_what_a_desktop_leaves_is_no_damage_and_is_named(kept: Kept, name: str) -> None:
    exam = changing.exam_of(kept.root)
    raw = changing.raw_of(kept.root, "first.jsonl")
    entry = changing.entry_of(kept.root, "turned.jsonl")
    left = {folder / name for folder in (exam.parent, raw.parent, raw.parents[1], entry)}
    for path in left:
        path.write_bytes(b"icons")
    report = audited(kept.root)
    assert report.findings == []
    told = {each.what for each in report.skipped if each.why == "desktop files"}
    assert told == {str(path.relative_to(kept.root)) for path in left}
    exam.with_name(name).unlink()
    exam.with_name(name).symlink_to(raw)
    assert [each.what for each in audited(kept.root).findings] == ["no event mentions it"]


def test_the_command_ends_with_what_it_found(kept: Kept) -> None:
    assert ratchet(kept.root, "audit", "verify").code == 0
    changes.setting(kept.root, "seed: 99", "seed")
    unrecorded = ratchet(kept.root, "audit", "verify")
    assert unrecorded.code == 3 and "seed: it was 0" in unrecorded.out
    assert_one_paragraph(unrecorded)
    exam = changing.flipped(changing.exam_of(kept.root))
    damaged = ratchet(kept.root, "audit", "verify", "--json")
    assert damaged.code == 4 and exam in damaged.err
    kinds = {each["kind"] for each in damaged.facts["findings"]}
    assert kinds == {"damage", "unrecorded"}
    assert damaged.facts["unprovable"] == list(UNPROVABLE)


def test_a_change_of_settings_that_a_command_has_seen_is_recorded_and_no_finding(
    kept: Kept,
) -> None:
    changes.setting(kept.root, "seed: 99", "seed")
    assert ratchet(kept.root, "reconcile").code == 0
    assert audited(kept.root).findings == []
    seen = views.events(open_workspace(kept.root).ledger, kind="settings.seen")
    assert json.loads(seen[-1].payload)["changed"] == {"seed": [0, 99]}
    assert ratchet(kept.root, "reconcile").code == 0
    again = views.events(open_workspace(kept.root).ledger, kind="settings.seen")
    assert len(again) == len(seen)


def test_each_decision_names_the_settings_that_it_was_made_under(kept: Kept) -> None:
    ws = open_workspace(kept.root)
    for event in views.events(ws.ledger, kind="candidate.examined"):
        settings = ws.read_document(json.loads(event.payload)["settings"])
        assert settings["training"]["precision"] == "float32"
        assert settings["gate"]["margin_points"] == ws.settings.gate.margin_points
