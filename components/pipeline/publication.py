"""What MLflow shows: the run of a candidate, and aliases that mirror the ledger.

Concept: everything here is a display (law 1). `mirror` compares what MLflow shows with what
the ledger says and writes only the difference; it may be run at any time.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from components.ledger import views
from components.ledger.book import Lease
from components.pipeline import chronicle, reporting
from components.pipeline.arrival import items_path
from components.pipeline.chronicle import Story
from components.pipeline.examination import Examined
from components.pipeline.preparation import Checked, Divided
from components.pipeline.workspace import Workspace
from components.registry.submission import DataSource, Submission


def mirror(ws: Workspace, lease: Lease, touched: Collection[int] | None = None) -> list[str]:
    """Make MLflow show what the ledger says; return what had to be changed.

    `champion` is the version in force, `candidate` the newest version that waits for a
    person, where its parent is still champion. Both are always looked at; the statuses are
    those of the versions in `touched`, or of all.
    """
    champion = views.champion(ws.ledger)
    number = champion.version if champion else None
    wanted = {"champion": number, "candidate": views.newest_held(ws.ledger, number)}
    shown = {alias: ws.registry.alias(alias) for alias in wanted}
    changes = []
    for alias, number in wanted.items():
        if shown[alias] == number:
            continue
        if number is None:
            ws.registry.drop_alias(alias)
        else:
            ws.registry.set_alias(alias, number)
        ws.ledger.append("alias.mirrored", {"alias": alias, "version": number}, lease)
        changes.append(f"alias {alias}: {shown[alias]} -> {number}")
    return changes + _mirror_statuses(ws, touched)


def _mirror_statuses(ws: Workspace, touched: Collection[int] | None) -> list[str]:
    if touched is None:
        shown = {version.version: version for version in ws.registry.versions()}
        versions = views.versions(ws.ledger)
    else:
        found = [ws.registry.version(number) for number in sorted(touched)]
        shown = {version.version: version for version in found if version is not None}
        versions = [each for number in shown if (each := views.version(ws.ledger, number))]
    changes = []
    for version in versions:
        display = shown.get(version.version)
        if display is None or display.tags.get("ratchet.status") == version.status:
            continue
        if version.status == "barred":
            text = f"BARRED, rolled back. {display.description.removeprefix('BARRED, ')}"
            ws.registry.describe(version.version, text)
        ws.registry.tag_version(version.version, "ratchet.status", version.status)
        changes.append(f"version {version.version}: {version.status}")
    return changes


def submission(
    ws: Workspace, key: str, checked: Checked, divided: Divided, examined: Examined
) -> Submission:
    """Return everything that the registry is to show of a candidate."""
    decision, state = examined.decision, examined.bundle.state
    settings, evidence = ws.settings, ws.read_document(examined.evidence)
    story = chronicle.story(ws, evidence)
    return Submission(
        key=key,
        bundle=examined.bundle.folder,
        bundle_digest=examined.bundle.digest,
        batch=divided.batch,
        parent_version=divided.parent.version if divided.parent else None,
        headline=decision.headline,
        description="\n".join(f"- {reason}" for reason in decision.reasons),
        base_name=state["base"]["name"],
        base_digest=state["base"]["digest"],
        base_folder=ws.base.folder,
        metrics=_metrics(examined, evidence, story),
        params={
            "adapter": settings.adapter.method,
            "strategy": settings.strategy.method,
            "learning_rate": settings.training.learning_rate,
            "epochs": settings.training.epochs,
            "seed": settings.seed,
            "trained_rows": len(divided.split.train),
            "replayed_rows": sum(state["trained"]["replayed"].values()),
        },
        tags={"ratchet.evidence": examined.evidence, "ratchet.decision": decision.action},
        files=_files(ws, checked, divided, examined, story),
        dataset=DataSource(
            name=checked.arrival.source,
            digest=divided.batch,
            path=str(items_path(ws, divided.batch).relative_to(ws.root)),
            rows=len(checked.validation.accepted),
        ),
    )


def _metrics(examined: Examined, evidence: dict[str, Any], story: Story) -> dict[str, float | None]:
    found = dict(story.measures)
    for exam in evidence["exams"]:
        found[f"accuracy/{exam['exam']}"] = chronicle.accuracy(exam["candidate"])
    for verdict in examined.decision.verdicts:
        if verdict.check == "forgetting":
            found[f"loss_points/{verdict.exam}"] = verdict.effect_points
            found[f"loss_points_upper/{verdict.exam}"] = verdict.upper_points
        elif verdict.check in ("negative_flips", "calibration"):
            what = verdict.group.replace(" ", "_") or verdict.check
            found[f"{what}_points/{verdict.exam}"] = verdict.effect_points
    folder = examined.bundle.folder
    found["bundle_bytes"] = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return found


def _files(
    ws: Workspace, checked: Checked, divided: Divided, examined: Examined, story: Story
) -> dict[str, Path]:
    """Write report, plots and evidence; return them by their name on the run."""
    report = reporting.write_report(ws, checked, divided, examined, story)
    return {
        "report.html": report,
        "evidence.json": ws.document_path(examined.evidence),
        "snapshot.json": ws.document_path(divided.snapshot),
        **reporting.write_plots(examined, story, report.with_suffix("")),
    }
