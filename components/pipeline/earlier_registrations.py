"""What an older version of Ratchet registered in MLflow, derived from evidence, bundle and ledger.

Concept: such a registration left no document. Decision, reasons and metrics are in the evidence;
base, adapter and trained rows in the bundle. Learning rate and epochs are in neither, and are
left out.
"""

from __future__ import annotations

from components.ledger import views
from components.pipeline import accuracy_history
from components.pipeline.run_metrics import metrics_of
from components.registry.submission import DataSource, Submission
from components.workspace.batch_files import items_path
from components.workspace.root import Workspace


def submission(ws: Workspace, version: views.Version, key: str) -> Submission:
    """Return what is to be shown of a version that has no record of it.

    Raises:
        Corrupted: its evidence or its bundle is gone or was changed.
    """
    from components.model.bundle import open_bundle

    evidence = ws.read_document(version.evidence)
    bundle = open_bundle(ws.bundles, version.bundle)
    state, decision = bundle.state, evidence["decision"]
    story = accuracy_history.story(ws, evidence, views.ancestors(ws.ledger, version))
    return Submission(
        key=key,
        bundle=bundle.folder,
        bundle_digest=bundle.digest,
        batch=version.batch,
        parent_version=version.parent,
        headline=version.headline,
        description="\n".join(f"- {reason}" for reason in decision["reasons"]),
        base_name=state["base"]["name"],
        base_digest=state["base"]["digest"],
        base_folder=ws.base.folder,
        metrics=metrics_of(evidence, story, bundle.folder),
        params={
            "adapter": state["adapter"]["method"],
            "strategy": state["strategy"],
            "seed": state["seed"],
            "trained_rows": sum(state["trained"]["new"].values()),
            "replayed_rows": sum(state["trained"]["replayed"].values()),
        },
        tags={"ratchet.evidence": version.evidence, "ratchet.decision": decision["action"]},
        dataset=_dataset(ws, version.batch) if version.batch else None,
    )


def _dataset(ws: Workspace, batch: str) -> DataSource | None:
    arrival, items = views.arrival(ws.ledger, batch), items_path(ws, batch)
    if arrival is None or not items.is_file():
        return None
    with items.open("rb") as lines:
        rows = sum(1 for _ in lines)
    return DataSource(arrival.source, batch, str(items.relative_to(ws.root)), rows)
