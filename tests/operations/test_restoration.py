"""A damaged bundle is found and restored, and a held batch has a way out."""

from __future__ import annotations

from pathlib import Path

from components.ledger import views
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.stream import PARAMS, batch, make_root, settle


def champion_bundle(root: Path) -> Path:
    ws = open_workspace(root)
    champion = views.champion(ws.ledger)
    assert champion is not None
    return ws.bundles / champion.bundle


def damage(folder: Path, name: str = "head.safetensors") -> bytes:
    weights = folder / name
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


def in_both_copies(root: Path, number: int, name: str = "head.safetensors") -> Path:
    """Change a file of a version, in its bundle and in MLflow."""
    ws = open_workspace(root)
    version = views.version(ws.ledger, number)
    assert version is not None
    folder = ws.bundles / version.bundle
    [copy] = ws.registry.copies_of(folder.name)
    damage(folder, name)
    damage(copy, name)
    return folder


def test_a_champion_without_a_sound_copy_is_named_and_can_be_rolled_back(grown: Path) -> None:
    folder = in_both_copies(grown, 2)
    done = ratchet(grown, "reconcile")
    assert done.code == 4 and folder.name in done.err and "ratchet rollback" in done.err
    assert "ratchet reconcile" not in done.err
    assert folder.is_dir()
    assert ratchet(grown, "rollback", "--reason", "its weights are lost").code == 0
    assert ratchet(grown, "predict", "good day").code == 0
    again = ratchet(grown, "reconcile", "--json")
    assert again.code == 0 and "not changed: version 2" in " ".join(again.facts["done"])
    assert settle(grown, batch(grown / "b3.jsonl", 3)).action == "promoted"


def test_an_ancestor_without_a_sound_copy_keeps_nobody_from_watching(grown: Path) -> None:
    in_both_copies(grown, 1)
    done = ratchet(grown, "reconcile", "--json")
    assert done.code == 0 and "not changed: version 1" in " ".join(done.facts["done"])
    assert ratchet(grown, "watch").code == 0
    told = ratchet(grown, "rollback", "--to", "1", "--reason", "x")
    assert told.code == 4 and ratchet(grown, "predict", "good day").code == 0


def test_a_bundle_is_put_together_from_what_is_sound_of_both_copies(grown: Path) -> None:
    folder = champion_bundle(grown)
    [copy] = open_workspace(grown).registry.copies_of(folder.name)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    damage(folder)
    damage(copy, "labels.json")
    (folder / "mine.txt").write_text("left here by somebody")
    assert ratchet(grown, "reconcile").code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert ratchet(grown, "audit", "verify", "--deep").code == 0
    assert (grown / "mlruns/aside" / folder.name / "mine.txt").exists()


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
