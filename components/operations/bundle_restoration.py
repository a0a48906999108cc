"""Repair damaged bundles, file by file, from the copies in MLflow.

Promise: a file is only replaced by one with the right digest, nothing is deleted, and a bundle
that cannot be repaired is reported and does not block the others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from components.digest import file_digest
from components.errors import Corrupted
from components.files import publish_file
from components.ledger import views
from components.pipeline.registry_repair import move_aside
from components.workspace.root import Workspace

NO_COPY = "No intact copy is left: restore the folder from a backup."


def restore_registry(ws: Workspace) -> list[str]:
    """Rebuild MLflow's database if it is lost or damaged; return what was done, in words.

    It is empty then: `publication.mirror` writes every version into it again.
    """
    return ws.unprepared_registry().restore(ws.clock().strftime("%Y%m%d-%H%M%S"))


def restore_bundles(ws: Workspace) -> list[str]:
    """Put right every damaged bundle that the copies allow; return what was done, in words."""
    from components.model.bundle import open_bundle

    done = []
    for version in views.versions(ws.ledger)[::-1]:
        try:
            open_bundle(ws.bundles, version.bundle)
        except Corrupted as damage:
            if _restore(ws, version.bundle):
                done.append(f"restored the bundle of version {version.version} from MLflow")
            else:
                done.append(f"not changed: version {version.version}: {damage.message} {NO_COPY}")
    return done


def require_champion(ws: Workspace) -> None:
    """Refuse to call all well where the champion can't be loaded, and name the ways out.

    Raises:
        Corrupted: no copy of its bundle is sound.
    """
    from components.model.bundle import open_bundle

    champion = views.champion(ws.ledger)
    if champion is None:
        return
    try:
        open_bundle(ws.bundles, champion.bundle)
    except Corrupted as damage:
        back = (
            ""
            if champion.parent is None
            else " Or roll back to an intact version: `ratchet rollback --reason TEXT`."
        )
        raise Corrupted(
            f"The champion, version {champion.version}: {damage.message}", NO_COPY + back
        ) from None


def _restore(ws: Workspace, digest: str) -> bool:
    """Bring every file of a bundle back, where each has a sound copy; tell whether it has."""
    from components.model.bundle import MANIFEST, listing

    bundle = ws.bundles / digest
    places = [bundle, *ws.registry.copies_of(digest)]
    manifest = _sound(places, MANIFEST, digest)
    if manifest is None:
        return False
    listed = {MANIFEST: digest, **json.loads(manifest.read_bytes())}
    found = {name: _sound(places, name, wanted) for name, wanted in listed.items()}
    if None in found.values():
        return False
    for name in listing(bundle):
        if found.get(name) != bundle / name:
            move_aside(ws, bundle / name, digest, name)
    for name, file in found.items():
        if file is not None and file != bundle / name:
            publish_file(file, bundle / name)
    return True


def _sound(places: Sequence[Path], name: str, digest: str) -> Path | None:
    files = (place / name for place in places)
    return next((f for f in files if _is_file(f) and file_digest(f) == digest), None)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
