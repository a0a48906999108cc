"""Proving a root: every byte that decides or serves is held against what the ledger says of it.

Concept: a check is one function from a `Scene` (the root, how deep to look, the events) to what
it found: `Finding`, `Skipped` or `Holds`. All checks run, whatever one of them finds. Two
depths: the default takes seconds (sizes, digests of what is small); deep reads every byte and
gives every kept answer again.

Promise: nothing in the root is changed. What was not looked at is named, and what no check here
can prove is named as well (`UNPROVABLE`).
"""

from __future__ import annotations

from components.operations.verification.base_model import check_base_model
from components.operations.verification.batches import check_batches
from components.operations.verification.bundles import check_bundles
from components.operations.verification.copies import check_copies
from components.operations.verification.documents import check_documents
from components.operations.verification.dvc_settings import check_dvc_settings
from components.operations.verification.exam_leaks import check_exam_leaks
from components.operations.verification.extra_files import check_extra_files
from components.operations.verification.findings import Finding, Found, Holds, Report, Skipped
from components.operations.verification.ledger import check_head_file, check_leases, check_ledger
from components.operations.verification.quarantine import check_quarantine
from components.operations.verification.registry import check_registry
from components.operations.verification.report_text import UNPROVABLE
from components.operations.verification.rights import check_kinds, check_rights
from components.operations.verification.scene import AuditCheck, guarded, open_scene
from components.operations.verification.scores import check_scores
from components.operations.verification.settings import check_settings
from components.operations.verification.tables import check_mlflow_tables
from components.workspace.root import Workspace

__all__ = [
    "AUDIT_CHECKS",
    "UNPROVABLE",
    "AuditCheck",
    "Finding",
    "Holds",
    "Report",
    "Skipped",
    "verify",
]

AUDIT_CHECKS: dict[str, AuditCheck] = {
    "ledger": check_ledger,
    "head file": check_head_file,
    "leases": check_leases,
    "documents": check_documents,
    "settings": check_settings,
    "batches": check_batches,
    "exams": check_exam_leaks,
    "copies": check_copies,
    "DVC's settings": check_dvc_settings,
    "quarantine": check_quarantine,
    "base": check_base_model,
    "bundles": check_bundles,
    "scores": check_scores,
    "registry": check_registry,
    "MLflow's tables": check_mlflow_tables,
    "extra files": check_extra_files,
    "rights": check_rights,
}


ATTEMPTS = 3


def verify(ws: Workspace, deep: bool = False) -> Report:
    """Run every check on a root and return all that they found, in the order of `AUDIT_CHECKS`.

    Files and events are not of one instant where another process writes meanwhile, so what is
    found then is looked at again.
    """
    report = _look(ws, deep)
    for _ in range(ATTEMPTS - 1):
        if not report.findings or open_scene(ws, deep).head == report.head:
            break
        report = _look(ws, deep)
    return report


def _look(ws: Workspace, deep: bool) -> Report:
    scene = open_scene(ws, deep)
    found: list[Found] = list(guarded("kinds of files", check_kinds, scene))
    if found:
        found.append(Skipped("everything else", "it is read once only files are there"))
        return Report(deep, scene.head, tuple(found))
    for done, (name, check) in enumerate(AUDIT_CHECKS.items()):
        ws.progress("checks", done, len(AUDIT_CHECKS))
        found += guarded(name, check, scene)
    ws.progress("checks", len(AUDIT_CHECKS), len(AUDIT_CHECKS))
    return Report(deep, scene.head, tuple(found))
