from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.ledger import views
from components.model.bundle import open_bundle
from components.training import precision_choice
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import PARAMS, batch, make_root, settle

AUTO = PARAMS.replace("precision: float32", "precision: auto").replace("layers: 1", "layers: auto")


def chosen(root: Path) -> dict[str, Any]:
    return {name: each.value for name, each in views.choices(open_workspace(root).ledger).items()}


def test_what_stands_on_auto_is_chosen_once_and_holds_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_root(tmp_path / "root", AUTO)
    monkeypatch.setattr(
        precision_choice, "probe", lambda *_: ("bfloat16", "the first probe says so")
    )
    assert settle(root, batch(tmp_path / "one.jsonl", 1)).action == "promoted"
    first = chosen(root)
    assert first["training.precision"] == "bfloat16"
    assert first["adapter.layers"] in (1, 2)
    monkeypatch.setattr(
        precision_choice, "probe", lambda *_: ("float32", "another machine, another day")
    )
    settled = settle(root, batch(tmp_path / "two.jsonl", 2))
    assert chosen(root) == first
    ws = open_workspace(root)
    version = views.version(ws.ledger, settled.version or 0)
    assert version is not None
    state = open_bundle(ws.bundles, version.bundle).state
    assert state["precision"] == "bfloat16"
    assert state["adapter"]["layers"] == first["adapter.layers"]
    kinds = [event.kind for event in views.events(ws.ledger)]
    assert kinds.index("setting.chosen") < kinds.index("training.begun")


def test_a_probe_by_hand_holds_from_the_next_version_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_root(tmp_path / "root", AUTO)
    for said, number in (("bfloat16", 1), ("float32", 2)):
        monkeypatch.setattr(precision_choice, "probe", lambda *_, said=said: (said, "measured"))
        if number == 2:
            probed = ratchet(root, "probe", "--json").facts
            assert (probed["recorded"]["value"], probed["found"]["value"]) == ("bfloat16", said)
            assert probed["taken"] and not ratchet(root, "probe", "--json").facts["taken"]
        assert settle(root, batch(tmp_path / f"{number}.jsonl", number)).version == number
    ws = open_workspace(root)
    bundles = [version.bundle for version in views.versions(ws.ledger)]
    states = [open_bundle(ws.bundles, bundle).state for bundle in bundles]
    assert [state["precision"] for state in states] == ["bfloat16", "float32"]
    assert ratchet(root, "audit", "verify", "--deep").code == 0


def test_a_probe_changes_nothing_that_the_settings_say(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", PARAMS)
    said = ratchet(root, "probe")
    assert "Nothing changes: params.yaml says `training.precision: float32`." in said.out
    assert "rounds agree" in said.out and chosen(root) == {}


def test_what_is_written_down_overrules_what_was_chosen(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", AUTO)
    settle(root, batch(tmp_path / "one.jsonl", 1))
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    settings = open_workspace(root).in_force()
    assert (settings.training.precision, settings.adapter.layers) == ("float32", 1)


def test_layers_follow_a_champion_that_was_trained_before_they_were_set_to_auto(
    tmp_path: Path,
) -> None:
    root = make_root(tmp_path / "root", PARAMS)
    settle(root, batch(tmp_path / "one.jsonl", 1))
    (root / "params.yaml").write_text(PARAMS.replace("layers: 1", "layers: auto"), encoding="utf-8")
    assert settle(root, batch(tmp_path / "two.jsonl", 2)).version == 2
    assert chosen(root) == {"adapter.layers": 1}


def test_a_cache_of_any_size_gives_the_same_bundle(tmp_path: Path) -> None:
    found = set()
    for size in (0, 1, 2000):
        root = make_root(tmp_path / str(size), f"{PARAMS}cache: {{max_megabytes: {size}}}\n")
        for number in (1, 2):
            settle(root, batch(tmp_path / f"{number}.jsonl", number))
        ws = open_workspace(root)
        found.add(tuple(version.bundle for version in views.versions(ws.ledger)))
        assert (root / "mlruns" / "activations").exists() == (size > 0)
    assert len(found) == 1
