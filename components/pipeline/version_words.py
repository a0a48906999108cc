"""What MLflow says of a version in words: what became of it, how good it is, and why.

Concept: all of it follows from the ledger as it is now (law 1). `words` tells it, whoever writes
it: the mirror after a decision, or a reconciliation, which gives it to versions of an older
Ratchet and to a rebuilt database as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.errors import Corrupted
from components.ledger import views
from components.ledger.events import ChampionRolledBack
from components.pipeline.sittings import accuracy
from components.registry.inspection import Words, way_to
from components.workspace.root import Workspace

OUTCOMES = {"candidate": "not decided yet", "champion": "promoted", "former": "promoted"}
"""What became of a version, by its status; of the others the status says it."""

LISTED = 5
REASON_CHARS = 600


def words(ws: Workspace, version: views.Version, experiment: str | None = None) -> Words:
    """Return what is said of a version; nothing of its accuracy where its evidence is damaged.

    `experiment`: the name of the one that its run is to be in; None for the one that it is in.
    """
    outcome, why = OUTCOMES.get(version.status, version.status), ""
    report = ws.registry.report_page(version.run, experiment)
    if version.status == "barred":
        why = _why_barred(ws, version.version)
    try:
        exams = ws.read_document(version.evidence)["exams"]
    except Corrupted:
        return Words(outcome, report, why)
    note = _note(version, outcome, why, report, exams)
    return Words(outcome, report, why, accuracies(exams), note)


def accuracies(exams: list[Mapping[str, Any]]) -> str:
    """Return the accuracy on each exam in a line."""
    said = [f"{exam['exam']} {share}" for exam in exams if (share := _share(exam["candidate"]))]
    more = f" and {len(said) - LISTED} more" if len(said) > LISTED else ""
    return f"{', '.join(said[:LISTED])}{more}" or "no exam"


def _why_barred(ws: Workspace, number: int) -> str:
    """Return why a version was rolled back, in a line."""
    told = views.told(ws.ledger, ChampionRolledBack)
    reason = next((e.payload.reason for e in reversed(told) if number in e.payload.barred), "")
    return " ".join(reason.split())[:REASON_CHARS]


def _note(
    version: views.Version, outcome: str, why: str, report: str, exams: list[Mapping[str, Any]]
) -> str:
    """Return the description of a version's run, in Markdown; MLflow folds it after some lines."""
    rows = [
        f"| {name} | {share} | {_share(exam['champion']) or 'none'} | {len(exam['candidate']):,} |"
        for exam in exams
        if (share := _share(exam["candidate"]))
        for name in [str(exam["exam"]).replace("|", "\\|")]
    ]
    table = ["| exam | this version | champion before | items |", "|---|---|---|---|", *rows]
    return "\n\n".join(
        [
            f"**Version {version.version}: {outcome}.** {way_to(report)}",
            f"{why} {version.headline}".strip(),
            *(["\n".join(table)] if rows else []),
            f"In a terminal: `ratchet version explain {version.version}`.",
        ]
    )


def _share(bits: str | None) -> str | None:
    share = accuracy(bits)
    return None if share is None else f"{100 * share:.1f} %"
