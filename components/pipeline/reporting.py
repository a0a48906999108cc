"""The report and the plots of one batch, filled from the results of the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from components.files import write_bytes
from components.pipeline.accuracy_history import Story
from components.pipeline.examination import Examined
from components.pipeline.preparation import Prepared, Validated, reason_counts
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.drift import Drift
    from components.report.batch_report import Matrix

NEWEST_ROWS = 20
"""How many versions, the candidate included, the table of accuracies shows."""

NEXT = {
    "promote": "status",
    "probation": "status",
    "hold": "holdout add FILE --task NAME --fill",
    "reject": "quarantine list",
}


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
    """Write the report and return its path.

    `validated`: the batch as it came; None of a candidate that came from none.
    """
    from components.report.batch_report import ReportData, render

    decision, state = examined.decision, examined.bundle.state
    drift, batch = examined.drift, state.get("forgot", prepared.batch)
    data = ReportData(
        action=decision.action,
        headline=decision.headline,
        batch=batch,
        generated_at=ws.clock().strftime("%Y-%m-%d %H:%M UTC"),
        reasons=decision.told,
        model_name=ws.settings.model.name,
        source=validated.arrival.source if validated else f"{batch[:12]}, taken out",
        parent_version=prepared.parent.version if prepared.parent else None,
        verdicts=[verdict.to_json() for verdict in decision.verdicts],
        matrix=_matrix(story),
        drift=[asdict(finding) for finding in drift.findings] if drift else [],
        words=_words(drift),
        counts=_counts(prepared, validated) if validated else {},
        quarantined=reason_counts(validated.validation) if validated else {},
        replayed=state["trained"]["replayed"],
        metrics=story.measures,
        provenance={
            "batch": batch,
            "bundle": examined.bundle.digest,
            "parent bundle": state["parent"],
            "evidence": examined.evidence,
            "snapshot": prepared.snapshot,
            "base": f"{state['base']['name']} {state['base']['digest']}",
            "settings": state["settings"],
        },
        next_command=f"ratchet --root {ws.root.name} {NEXT[decision.action]}",
    )
    path = report_path(ws, prepared.batch or None, examined.bundle.digest)
    write_bytes(path, render(data).encode("utf-8", "replace"))
    return path


def _counts(prepared: Prepared, validated: Validated) -> dict[str, int]:
    return {
        "rows in the batch": len(validated.reading.rows) + len(validated.reading.problems),
        "used": len(validated.validation.accepted),
        "in quarantine": len(validated.validation.rejected),
        "near-duplicates of holdout items": len(prepared.split.blocked),
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
    return Matrix(story.steps[left_out:], shared.exams, shared.rows[left_out:], left_out)
