"""What MLflow shows: a run for each candidate, and aliases that mirror the ledger.

Concept: everything here is a display (law 1). `mirror` compares what MLflow shows with what
the ledger says and writes only the difference; it may be run at any time.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from components.ledger import views
from components.ledger.events import AliasMirrored
from components.ledger.ledger import Lease
from components.pipeline import (
    accuracy_history,
    pages,
    registration_records,
    reporting,
    version_words,
    words,
)
from components.pipeline.accuracy_history import Story
from components.pipeline.examination import Examined
from components.pipeline.preparation import Prepared, Validated
from components.pipeline.registry_repair import restore_versions
from components.pipeline.run_metrics import metrics_of
from components.registry.inspection import ACCURACY, OUTCOME, STATUS
from components.registry.server_rules import APPROVAL
from components.registry.submission import DataSource, Submission
from components.workspace.batch_files import items_path
from components.workspace.root import Workspace


def mirror(
    ws: Workspace, lease: Lease, touched: Collection[int] | None = None, deep: bool = False
) -> list[str]:
    """Make MLflow show what the ledger says; return what had to be changed.

    `champion` is the version in force, `candidate` the newest version that waits for a
    person, where its parent is still champion. Both are always looked at, and so are what the
    champion's row serves and whether MLflow has the newest version. All else is looked at
    for every version where `touched` is None or something was found wrong; otherwise the
    statuses of the versions in `touched`. Files are read whole only where `deep`.
    """
    glance = ws.registry.glance(registration_records.champion_number(ws))
    whole = touched is None or not registration_records.in_order(ws, glance)
    changes = restore_versions(ws, lease, deep) if whole else []
    for alias, number in registration_records.wanted_aliases(ws).items():
        shown = ws.registry.alias(alias) if whole else glance.aliases.get(alias)
        if shown == number:
            continue
        if number is None:
            ws.registry.drop_alias(alias)
        else:
            ws.registry.set_alias(alias, number)
        ws.ledger.append(AliasMirrored(alias=alias, version=number, found=shown), lease)
        changes.append(f"alias {alias}: {shown} -> {number}")
    known = [views.version(ws.ledger, number) for number in touched or ()]
    show_words(
        ws, [*filter(None, known), *(views.versions(ws.ledger, status="held") if whole else [])]
    )
    pages.write_pages(ws, {*(touched or ()), *views.sharing_rows(ws.ledger, touched or ())})
    if whole or touched:  # each command that changes something looks here, mostly in vain
        pages.write_index(ws)
    return changes if whole else changes + _mirror_statuses(ws, touched or ())


def show_words(ws: Workspace, versions: Collection[views.Version]) -> None:
    """Let MLflow's tag `approval` say what is asked of people, or what they said."""
    if not views.people(ws.ledger):
        return
    for version in versions:
        now = views.version(ws.ledger, version.version)
        display = ws.registry.version(version.version)
        wanted = words.shown(ws, now) if now else None
        if display is not None and wanted is not None and display.tags.get(APPROVAL) != wanted:
            ws.registry.tag_version(version.version, APPROVAL, wanted)


def is_astray(ws: Workspace) -> bool:
    """Tell whether an alias was moved past the pipeline; cheap where MLflow's database is ours."""
    shown = ws.unprepared_registry().aliases_now()
    wanted = registration_records.wanted_aliases(ws)
    return any(shown.get(alias) != number for alias, number in wanted.items())


def mirror_around(ws: Workspace, lease: Lease, version: views.Version) -> None:
    """Mirror after a decision on a version: its own status, its batch's versions', its parent's."""
    touched = {version.version} | ({version.parent} if version.parent is not None else set())
    if version.batch is not None:
        touched |= {each.version for each in views.versions(ws.ledger, batch=version.batch)}
    mirror(ws, lease, touched)


def _mirror_statuses(ws: Workspace, touched: Collection[int]) -> list[str]:
    found = [ws.registry.version(number) for number in sorted(touched)]
    changes = []
    for display in (each for each in found if each is not None):
        version = views.version(ws.ledger, display.version)
        if version is None or display.tags.get(STATUS) == version.status:
            continue
        arrival = views.arrival(ws.ledger, version.batch) if version.batch else None
        name = arrival.source if arrival else version.bundle[:12]
        said = version_words.words(ws, version)
        ws.registry.say(display, said, version.status, name, version.headline)
        changes.append(f"version {version.version}: {version.status}")
    return changes


def submission(
    ws: Workspace, key: str, validated: Validated, prepared: Prepared, examined: Examined
) -> Submission:
    """Return everything that the registry is to show of a candidate."""
    decision, state = examined.decision, examined.bundle.state
    settings, story = ws.settings, accuracy_history.story(ws, examined.document)
    return Submission(
        key=key,
        bundle=examined.bundle.folder,
        bundle_digest=examined.bundle.digest,
        batch=prepared.batch,
        parent_version=prepared.parent.version if prepared.parent else None,
        headline=decision.headline,
        description="\n".join(f"- {reason}" for reason in decision.told),
        base_name=state["base"]["name"],
        base_digest=state["base"]["digest"],
        base_folder=ws.base.folder,
        metrics=metrics_of(examined.document, story, examined.bundle.folder),
        params={
            "adapter": settings.adapter.method,
            "strategy": settings.strategy.method,
            "learning_rate": settings.training.learning_rate,
            "epochs": settings.training.epochs,
            "seed": settings.seed,
            "trained_rows": len(prepared.split.train),
            "replayed_rows": sum(state["trained"]["replayed"].values()),
            "steps": state["trained"]["steps"],
        },
        tags={"ratchet.evidence": examined.evidence, "ratchet.decision": decision.action},
        first_tags=_first_tags(examined),
        files=_files(ws, prepared, examined, story, validated),
        dataset=DataSource(
            name=validated.arrival.source,
            digest=prepared.batch,
            path=str(items_path(ws, prepared.batch).relative_to(ws.root)),
            rows=len(validated.validation.accepted),
        ),
    )


def submission_of_change(
    ws: Workspace, key: str, prepared: Prepared, examined: Examined
) -> Submission:
    """Return what the registry is to show of a candidate that came from no batch."""
    state, story = examined.bundle.state, accuracy_history.story(ws, examined.document)
    return Submission(
        key=key,
        bundle=examined.bundle.folder,
        bundle_digest=examined.bundle.digest,
        batch=None,
        parent_version=prepared.parent.version if prepared.parent else None,
        headline=examined.decision.headline,
        description="\n".join(f"- {reason}" for reason in examined.decision.told),
        base_name=state["base"]["name"],
        base_digest=state["base"]["digest"],
        base_folder=ws.base.folder,
        metrics=metrics_of(examined.document, story, examined.bundle.folder),
        params={"adapter": state["adapter"]["method"], "strategy": state["strategy"]},
        tags={
            "ratchet.evidence": examined.evidence,
            "ratchet.decision": examined.decision.action,
        },
        first_tags=_first_tags(examined),
        files=_files(ws, prepared, examined, story, None),
    )


def _first_tags(examined: Examined) -> dict[str, str]:
    """Return what stands before the digests in MLflow; `mirror` completes it."""
    said = version_words.accuracies(examined.document["exams"])
    return {ACCURACY: said, OUTCOME: version_words.OUTCOMES["candidate"]}


def _files(
    ws: Workspace,
    prepared: Prepared,
    examined: Examined,
    story: Story,
    validated: Validated | None,
) -> dict[str, Path]:
    """Write report, plots and evidence; return them by their name on the run."""
    report = reporting.write_report(ws, prepared, examined, story, validated)
    return {
        "report.html": report,
        "evidence.json": ws.document_path(examined.evidence),
        "snapshot.json": ws.document_path(prepared.snapshot),
        **reporting.write_plots(examined, story, report.parent),
    }
