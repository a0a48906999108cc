"""Whether the champion, or a version before it, was trained on what is held out now (law 4)."""

from __future__ import annotations

from collections.abc import Iterator

from components.ledger import views
from components.operations.verification.findings import Finding, Found, Holds
from components.operations.verification.scene import Scene


def check_exam_leaks(scene: Scene) -> Iterator[Found]:
    """Exams with rows that the champion's lineage was trained on: they judge too kindly."""
    ledger, line = scene.ws.ledger, views.lineage(scene.ws.ledger)
    leaks = views.leaks(ledger)
    for leak in leaks:
        older = [each.version for each in line if each.version < leak.version]
        yield Finding(
            f"exam `{leak.exam}`",
            f"version {leak.version} was trained on {leak.rows} of its rows",
            _remedy(leak.version, older[0] if older else None),
            "unsafe",
        )
    leaking = {leak.exam for leak in leaks}
    yield Holds("exams never trained on", len(views.exam_sizes(ledger).keys() - leaking))


def _remedy(version: int, before: int | None) -> str:
    if before is None:
        return (
            f"No version comes before {version}: add an exam of rows that no batch has "
            "(`ratchet holdout add`), and do not rely on this one."
        )
    return (
        f"Run `ratchet rollback --to {before} --reason TEXT`, then release the batch of version "
        f"{version} from quarantine: it is trained again without these rows."
    )
