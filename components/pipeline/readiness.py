"""Whether a version can serve: asked before the champion changes, by promotion and rollback.

Concept: the ledger decides who is champion, and MLflow serves it. So a version is tried before it
becomes champion: its bundle verifies, it answers once, and its copy in MLflow is what was
registered, byte for byte.

Promise: a copy that was changed is rewritten from intact sources; the ledger's champion and
MLflow's aliases are not touched.
"""

from __future__ import annotations

from components.errors import Corrupted
from components.ledger import views
from components.ledger.ledger import Lease
from components.pipeline.registration_records import files_wrong, records
from components.pipeline.registry_repair import restore_versions
from components.registry.packaging import MODEL
from components.workspace.root import Workspace


def require_ready(ws: Workspace, lease: Lease, version: views.Version) -> tuple[str, ...]:
    """Load a version, let it answer once, and prove its copy in MLflow; return its labels.

    Raises:
        ConfigError: its base or its libraries are not here.
        Corrupted: its bundle does not verify, or its copy in MLflow cannot be put right.
    """
    from components.model.answering import predict
    from components.model.bundle import open_bundle
    from components.model.placement import placement_of

    bundle = open_bundle(ws.bundles, version.bundle)
    predict(ws.base, bundle, ["Ready to serve?"], placement_of(ws.settings))
    require_copy(ws, lease, version)
    return bundle.labels


def require_copy(ws: Workspace, lease: Lease, version: views.Version) -> None:
    """Read a version's copy in MLflow whole, and rewrite what is missing or was changed.

    Raises:
        Corrupted: a file of it has no intact copy.
    """
    if not _wrong(ws, version):
        return
    restore_versions(ws, lease, deep=True, only=version.version)
    for name, what in _wrong(ws, version).items():
        raise Corrupted(
            f"MLflow can't serve version {version.version}: {name} of its run {version.run} is "
            f"{what}, and there is no intact copy.",
            "Restore it from a backup.",
        )


def _wrong(ws: Workspace, version: views.Version) -> dict[str, str]:
    """Return what is wrong with the files that MLflow loads; a report's are not among them."""
    [record] = records(ws, version.version)
    found = files_wrong(ws, record, deep=True)
    return {name: what for name, what in found.items() if name.startswith(f"{MODEL}/")}
