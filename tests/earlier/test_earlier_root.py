"""A root that the Ratchet of November 2026 wrote goes on under this one.

`root-2026-11.tar.xz`: an exam of 200 items for `mood`; versions 1, 2 and 5 promoted in turn, 3
rejected (its batch in quarantine), 4 of the task `other` held, version 5 watched once.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from components.ledger import views
from components.model.answering import predict
from components.model.bundle import open_bundle
from components.model.placement import placement_of
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.server import Server
from tests.stream import batch, rows

ARCHIVE = Path(__file__).with_name("root-2026-11.tar.xz")

NEW_DEFAULT = "gate.checks.classes.policy"
NEW_DEFAULTS = {
    NEW_DEFAULT: ["note", "reject"],
    "strategy.balance": [None, 0.5],
    "strategy.distillation": [1.0, None],
    "strategy.enough_percent": [None, 90.0],
    "strategy.features": [None, "projected"],
    "strategy.growth": [None, 8.0],
    "strategy.layers": [None, 4],
    "strategy.logits_weight": [0.0, None],
    "strategy.method": ["replay", "hybrid"],
    "strategy.replay_ratio": [1.0, 2.0],
    "strategy.ridge": [None, "auto"],
    "strategy.size": [None, 2000],
    "strategy.solver": [None, "ridge"],
    "strategy.wavelength": [None, 1.0],
}
"""The settings whose defaults are others now than when this root was written: then and now."""


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder)  # ours; `filter` came with 3.11.4
    return folder / "support"


@pytest.fixture
def earlier(unpacked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(unpacked, tmp_path / "support"))


def test_it_tells_where_it_stands_and_why(earlier: Path) -> None:
    status = ratchet(earlier, "status", "--json")
    assert status.code == 0, status.err
    assert status.facts["champion"]["version"] == 5
    explained = ratchet(earlier, "version", "explain", "2", "--json")
    assert explained.code == 0, explained.err
    assert (explained.facts["version"], explained.facts["status"]) == (2, "former")
    again = ratchet(earlier, "gate", "replay", "5", "--json")
    assert again.code == 0, again.err
    assert again.facts["action"] == "promote"


@pytest.mark.parametrize("deep", [(), ("--deep",)], ids=["plain", "deep"])
def test_its_audit_holds(earlier: Path, deep: tuple[str, ...]) -> None:
    audited = ratchet(earlier, "audit", "verify", *deep)
    assert audited.code == 0, audited.out + audited.err


def test_its_champion_answers(earlier: Path) -> None:
    ws = open_workspace(earlier)
    champion = views.champion(ws.ledger)
    assert champion is not None
    bundle = open_bundle(ws.bundles, champion.bundle)
    asked = rows(77)
    texts = [row["text"] for row in asked]
    given = predict(ws.base, bundle, texts, placement_of(ws.in_force())).labels
    assert given == [row["label"] for row in asked]


@pytest.mark.parametrize("word", ["parent_mix", "update_share"])
def test_an_upgrade_alone_changes_only_a_default_and_asks_nobody(earlier: Path, word: str) -> None:
    params = earlier / "params.yaml"
    params.write_text(params.read_text().replace("parent_mix", word))
    before = views.events(open_workspace(earlier).ledger, kind="settings.seen")
    recorded = json.loads(before[-1].payload)["settings"]
    assert "parent_mix" in open_workspace(earlier).read_document(recorded)["strategy"]
    audited = ratchet(earlier, "audit", "verify", "--json")
    assert audited.code == 0 and audited.facts["findings"] == []
    named = [each for each in audited.facts["skipped"] if each["what"].startswith("params.yaml")]
    assert [each["what"] for each in named] == [f"params.yaml: {name}" for name in NEW_DEFAULTS]
    assert named[0]["why"].startswith("its default was 'note' at the last command, and is 'reject'")
    for _ in range(2):
        assert ratchet(earlier, "reconcile").code == 0
        *same, last = views.events(open_workspace(earlier).ledger, kind="settings.seen")
        assert same == before
        assert json.loads(last.payload)["changed"] == NEW_DEFAULTS
    assert "its default was" not in ratchet(earlier, "audit", "verify").out
    params.write_text(params.read_text().replace(f"{word}: 1.0", f"{word}: 0.5"))
    assert "update_share: it was 1.0" in ratchet(earlier, "audit", "verify").out


def test_a_setting_that_a_person_changed_with_the_upgrade_asks_for_one(earlier: Path) -> None:
    with (earlier / "params.yaml").open("a") as params:
        params.write("gate: {checks: {classes: {policy: hold}}}\n")
    audited = ratchet(earlier, "audit", "verify")
    assert audited.code == 3 and f"{NEW_DEFAULT}: it was 'note'" in audited.out


def test_a_former_default_that_was_set_stays_in_force(earlier: Path) -> None:
    with (earlier / "params.yaml").open("a") as params:
        params.write("gate: {checks: {classes: {policy: note}}}\n")
    audited = ratchet(earlier, "audit", "verify")
    assert audited.code == 0 and NEW_DEFAULT not in audited.out


def test_it_learns_one_more_batch_and_goes_back_again(
    earlier: Path, tmp_path: Path, prefect_here: Server
) -> None:
    ran = ratchet(earlier, "run", batch(tmp_path / "next.jsonl", 7), "--task", "mood")
    assert ran.code == 0, ran.out + ran.err
    ws = open_workspace(earlier)
    champion = views.champion(ws.ledger)
    assert champion is not None and (champion.version, champion.parent) == (6, 5)
    back = ratchet(earlier, "rollback", "--to", "2", "--reason", "it was asked for")
    assert back.code == 0, back.out + back.err
    champion = views.champion(open_workspace(earlier).ledger)
    assert champion is not None and champion.version == 2
    audited = ratchet(earlier, "audit", "verify")
    assert audited.code == 0, audited.out + audited.err
