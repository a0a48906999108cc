"""A damaged bundle is found and restored, and a held batch has a way out."""

from __future__ import annotations

from pathlib import Path

from components.ledger import views
from components.pipeline.workspace import open_workspace
from tests.command import ratchet
from tests.stream import PARAMS, batch, make_root, settle


def champion_bundle(root: Path) -> Path:
    ws = open_workspace(root)
    champion = views.champion(ws.ledger)
    assert champion is not None
    return ws.bundles / champion.bundle


def damage(folder: Path) -> bytes:
    weights = folder / "head.safetensors"
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    return sound


def test_a_damaged_bundle_is_found_by_the_audit_and_restored_by_reconcile(grown: Path) -> None:
    folder = champion_bundle(grown)
    sound = damage(folder)
    assert ratchet(grown, "audit", "verify").code == 4
    told = ratchet(grown, "predict", "good day")
    assert told.code == 4 and "ratchet reconcile" in told.err
    done = ratchet(grown, "reconcile", "--json")
    assert (done.code, done.facts["done"]) == (0, ["restored the bundle of version 2 from MLflow"])
    assert (folder / "head.safetensors").read_bytes() == sound
    assert ratchet(grown, "audit", "verify").code == 0
    assert ratchet(grown, "predict", "good day").code == 0


def test_a_bundle_without_a_sound_copy_is_named_and_left_alone(grown: Path) -> None:
    folder = champion_bundle(grown)
    damage(folder)
    [copy] = open_workspace(grown).registry.copies_of(folder.name)
    damage(copy)
    done = ratchet(grown, "reconcile")
    assert done.code == 4 and folder.name in done.err
    assert folder.is_dir()


def test_a_held_batch_is_examined_again_once_its_small_exam_was_filled_up(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", PARAMS)
    assert settle(root, batch(root / "b1.jsonl", 1)).action == "promoted"
    held = settle(root, batch(root / "b2.jsonl", 2))
    assert held.action == "held"
    more = batch(root / "more.jsonl", 900, 300)
    added = ratchet(root, "holdout", "add", more, "--task", "mood", "--json")
    assert added.facts["exam"] == "mood"
    released = ratchet(root, "quarantine", "release", held.batch[:12], "--json")
    assert (released.code, released.facts["kind"]) == (0, "held"), released.err
    assert settle(root, root / "b2.jsonl").action == "promoted"
    again = batch(root / "again.jsonl", 901, 150)
    opened = ratchet(root, "holdout", "add", again, "--task", "mood", "--json")
    assert opened.facts["exam"] == "mood#2"
