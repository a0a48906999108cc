"""The page of one examination, filled from what was recorded, and the plots beside it in MLflow.

Concept: the page's facts are kept beside it as JSON. What the registry gets is the page as it was
at the examination; the page in the reports folder is written again from its facts whenever the
version's standing changes (`pages`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.evaluation.causes import causes, doubts
from components.files import write_bytes
from components.ledger import views
from components.ledger.events import BatchValidated
from components.pipeline.accuracy_history import Story
from components.pipeline.examination import Examined
from components.pipeline.page_facts import examples, rows_showing
from components.pipeline.preparation import Prepared, Validated, reason_counts
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.drift import Drift
    from components.report.batch_report import Matrix, ReportData

NEWEST_ROWS = 20
"""How many versions, the candidate included, the table of accuracies shows."""

AS_EXAMINED, FACTS = "report.html", "facts.json"
"""Beside a page, in the folder of its name: the page as the registry has it, and its facts."""


def report_path(ws: Workspace, batch: str | None, bundle: str) -> Path:
    """Return where the page of one examination lies."""
    name = f"{batch[:12]}-{bundle[:12]}" if batch else bundle[:12]
    return ws.mlruns / "reports" / f"{name}.html"


def write_report(
    ws: Workspace,
    prepared: Prepared,
    examined: Examined,
    story: Story,
    validated: Validated | None,
) -> Path:
    """Write the page and its facts; return the page as the registry gets it.

    `validated`: the batch as it came; None of a candidate that came from none.
    """
    from components.report.batch_report import render

    state = examined.bundle.state
    batch = state.get("forgot", prepared.batch)
    data = facts(
        ws,
        examined.document,
        examined.evidence,
        state,
        story,
        batch=batch,
        source=validated.arrival.source if validated else f"{batch[:12]}, taken out",
        parent=prepared.parent.version if prepared.parent else None,
        examined=ws.clock().isoformat(),
        words=_words(examined.drift),
        counts=_counts(prepared, validated) if validated else {},
        quarantined=reason_counts(validated.validation) if validated else {},
    )
    path = report_path(ws, prepared.batch or None, examined.bundle.digest)
    folder, page = path.with_suffix(""), render(data).encode("utf-8", "replace")
    told = json.dumps(asdict(data)).encode()
    for file, content in ((folder / FACTS, told), (folder / AS_EXAMINED, page), (path, page)):
        write_bytes(file, content)
    return folder / AS_EXAMINED


def facts(
    ws: Workspace,
    document: Mapping[str, Any],
    evidence: str,
    state: Mapping[str, Any],
    story: Story,
    **more: Any,
) -> ReportData:
    """Return what a page shows of an examination; `state`: that of its bundle."""
    from components.report.batch_report import ReportData

    decision = document["decision"]
    return ReportData(
        action=decision["action"],
        headline=decision["headline"],
        model_name=ws.settings.model.name,
        tasks=sorted({part["task"] for part in document["learned"]}),
        verdicts=decision["verdicts"],
        matrix=_matrix(story),
        confusion=document.get("confusion") or {},
        examples=examples(ws, document),
        drift=document.get("drift") or [],
        replayed=state["trained"]["replayed"],
        measures=_in_words(story.measures),
        provenance={
            "bundle": document["bundle"],
            "parent bundle": state["parent"],
            "evidence": evidence,
            "snapshot": document["snapshot"],
            "base": f"{state['base']['name']} {state['base']['digest']}",
            "settings": state["settings"],
        },
        next_steps=[f"{way}." for way in decision["settle"]],
        **about_batch(ws, document, more["batch"]),
        **more,
    )


def about_batch(ws: Workspace, document: Mapping[str, Any], batch: str) -> dict[str, Any]:
    """Return what a page says of the batch itself: what is wrong with it, and rows that show it."""
    stopped, likely = document["decision"]["action"] in ("hold", "reject"), causes(document)
    likely = likely if stopped else doubts(likely)
    return {
        "causes": [*map(str, likely)],
        "rows": rows_showing(ws, document, batch, likely),
        "doubted": sorted({cause.task for cause in likely if cause.doubts_labels}),
        "warnings": warnings_of(ws, batch),
    }


def warnings_of(ws: Workspace, batch: str) -> list[str]:
    """Return what the validation of a batch warned of."""
    arrival = views.arrival(ws.ledger, batch)
    validated = views.newest_of_batch(ws.ledger, BatchValidated, arrival) if arrival else None
    return [*((validated and validated.warnings) or ())]


def _in_words(measures: Mapping[str, float | None]) -> dict[str, str]:
    """Return the measures of the stream as they are read: percent, or points."""
    from components.report.pages import percent, points

    shares = ("average_accuracy", "average_incremental_accuracy")
    return {
        name.replace("_", " "): percent(value)
        if name in shares
        else f"{points(None if value is None else 100 * value)} points"
        for name, value in measures.items()
    }


def _counts(prepared: Prepared, validated: Validated) -> dict[str, int]:
    return {
        "rows in the file": len(validated.reading.rows) + len(validated.reading.problems),
        "used": len(validated.validation.accepted),
        "in quarantine": len(validated.validation.rejected),
        "near-duplicates of exam items": len(prepared.split.blocked),
        "trained on": len(prepared.split.train),
        "held out": len(prepared.split.holdout),
    }


def _words(drift: Drift | None) -> dict[str, Sequence[str]]:
    if drift is None:
        return {}
    return {"more frequent words": drift.words.more, "less frequent words": drift.words.less}


def write_plots(examined: Examined, story: Story, folder: Path) -> dict[str, Path]:
    """Draw the accuracy matrix and the changes per exam; return artifact name -> file."""
    from components.report import plots

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    verdicts = [verdict.to_json() for verdict in examined.decision.verdicts]
    if plots.changes(verdicts, folder / "changes.png"):
        drawn["plots/changes.png"] = folder / "changes.png"
    matrix = _matrix(story)
    if matrix is not None:
        plots.accuracy_matrix(matrix, folder / "accuracy.png")
        drawn["plots/accuracy.png"] = folder / "accuracy.png"
    return drawn


def _matrix(story: Story) -> Matrix | None:
    """Return the newest rows: a page of a thousand versions would grow with each of them."""
    from components.report.batch_report import Matrix

    shared, left_out = story.shared, max(0, len(story.steps) - NEWEST_ROWS)
    if not shared.exams:
        return None
    return Matrix(
        story.steps[left_out:],
        shared.exams,
        shared.items,
        shared.of,
        shared.rows[left_out:],
        left_out,
    )
