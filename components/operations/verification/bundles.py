"""The bundles of all versions: those that serve, those before them, those refused or barred."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from components.digest import file_digest
from components.ledger import views
from components.model.bundle import MANIFEST, listing
from components.operations.verification.file_marks import Marks, Wanted
from components.operations.verification.findings import Finding, Found, Holds, Skipped, some
from components.operations.verification.scene import Scene

REMEDY = "Run `ratchet reconcile`: it restores the folder from the copy in MLflow."


def check_bundles(scene: Scene) -> Iterator[Found]:
    """Every bundle that an event names: the champion's line in full, others as deep as asked."""
    ws, held = scene.ws, 0
    line = {version.bundle for version in views.lineage(ws.ledger)}
    versions = scene.told("registration.done")
    trained = {each["bundle"] for each in scene.told("training.done")}
    named = dict.fromkeys([*(each["bundle"] for each in versions), *sorted(trained)])
    whole, marks = Scene(ws, True, scene.events), Marks(scene, REMEDY)
    for done, digest in enumerate(named):
        ws.progress("bundles", done, len(named))
        compared = Marks(whole, REMEDY) if digest in line else marks
        found = list(_bundle(scene, ws.bundles / digest, digest, compared))
        held += not found
        yield from found
    yield Holds("bundles", held)
    yield from marks.skipped("files of bundles that never served or no longer serve")
    others = [path.name for path in ws.bundles.glob("*") if path.name not in named]
    if others:
        what = f"{some(others)} in {scene.relative(ws.bundles)}"
        yield Skipped(what, "no event mentions it; nothing is trained or served from it")


def _bundle(scene: Scene, folder: Path, digest: str, marks: Marks) -> Iterator[Found]:
    """Compare one bundle's manifest with its name, and its files with the manifest."""
    manifest = folder / MANIFEST
    if not manifest.is_file() or manifest.is_symlink():
        yield Finding(scene.relative(manifest), "it is missing", REMEDY)
        return
    if file_digest(manifest) != digest:
        yield Finding(scene.relative(manifest), "it does not match the bundle's digest", REMEDY)
        return
    listed: dict[str, str] = json.loads(manifest.read_bytes())
    for name in sorted(set(listing(folder)) - {MANIFEST} - set(listed)):
        yield Finding(scene.relative(folder / name), "it is not in the manifest", REMEDY)
    for name, sha256 in listed.items():
        if (finding := marks.compare(Wanted(folder / name, sha256))) is not None:
            yield finding
