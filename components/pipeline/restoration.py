"""Putting damaged bundles right, from the copy that each version has in MLflow.

Promise: a copy is verified before anything is touched; a bundle without a good copy stays as
it is, and the error names it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from components.errors import Corrupted
from components.files import PART_SUFFIX, publish_folder
from components.ledger import views
from components.pipeline.workspace import Workspace


def restore_registry(ws: Workspace) -> list[str]:
    """Build MLflow's database anew where it is lost or damaged; return what was done, in words.

    It is empty then: `publication.mirror` writes every version into it again.
    """
    return ws.unprepared_registry().restore(ws.clock().strftime("%Y%m%d-%H%M%S"))


def restore_bundles(ws: Workspace) -> list[str]:
    """Restore every damaged bundle that has a copy in MLflow; return what was done, in words.

    Raises:
        Corrupted: a bundle of the lineage is damaged and MLflow has no good copy of it. One
            of another version is named in what is returned.
    """
    from components.training.bundle import open_bundle

    done, lineage = [], {version.version for version in views.lineage(ws.ledger)}
    for version in views.versions(ws.ledger)[::-1]:
        try:
            open_bundle(ws.bundles, version.bundle)
        except Corrupted as damage:
            try:
                _restore(ws, version.bundle, damage)
            except Corrupted as lost:
                if version.version in lineage:
                    raise
                done.append(f"left as it is: version {version.version}: {lost.message}")
                continue
            done.append(f"restored the bundle of version {version.version} from MLflow")
    return done


def _restore(ws: Workspace, digest: str, damage: Corrupted) -> None:
    copy = _sound_copy(ws, digest, damage)
    part = ws.bundles / f"{digest}{PART_SUFFIX}"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(copy, part)
    shutil.rmtree(ws.bundles / digest, ignore_errors=True)
    publish_folder(part, ws.bundles / digest)


def _sound_copy(ws: Workspace, digest: str, damage: Corrupted) -> Path:
    """Return the first copy that verifies: a bundle may be in several versions."""
    from components.training.bundle import open_bundle

    lost = Corrupted(damage.message, "MLflow has no copy of it: restore the folder from a backup.")
    for copy in ws.registry.copies_of(digest):
        try:
            open_bundle(copy.parent, digest)
        except Corrupted as error:
            lost = error
        else:
            return copy
    raise lost
