"""Putting damaged bundles right, from the copy that each version has in MLflow.

Promise: a copy is verified before anything is touched; a bundle without a good copy stays as
it is, and the error names it.
"""

from __future__ import annotations

import shutil

from components.errors import Corrupted
from components.files import PART_SUFFIX, publish_folder
from components.ledger import views
from components.pipeline.workspace import Workspace


def verify_bundles(ws: Workspace) -> int:
    """Verify the bundle of every version in force or before it; return how many there are.

    Raises:
        Corrupted: one is missing or was changed.
    """
    from components.training.bundle import open_bundle

    lineage = views.lineage(ws.ledger)
    for version in lineage:
        open_bundle(ws.bundles, version.bundle)
    return len(lineage)


def restore_bundles(ws: Workspace) -> list[str]:
    """Restore every damaged bundle of the lineage; return what was done, in words.

    Raises:
        Corrupted: a bundle is damaged and MLflow has no good copy of it.
    """
    from components.training.bundle import open_bundle

    done = []
    for version in views.lineage(ws.ledger):
        try:
            open_bundle(ws.bundles, version.bundle)
        except Corrupted as damage:
            _restore(ws, version.bundle, damage)
            done.append(f"restored the bundle of version {version.version} from MLflow")
    return done


def _restore(ws: Workspace, digest: str, damage: Corrupted) -> None:
    from components.training.bundle import open_bundle

    copy = ws.registry.copy_of(digest)
    if copy is None:
        raise Corrupted(
            damage.message, "MLflow has no copy of it: restore the folder from a backup."
        )
    open_bundle(copy.parent, digest)
    part = ws.bundles / f"{digest}{PART_SUFFIX}"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(copy, part)
    shutil.rmtree(ws.bundles / digest, ignore_errors=True)
    publish_folder(part, ws.bundles / digest)
