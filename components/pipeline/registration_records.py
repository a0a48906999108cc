"""What MLflow should show for each version according to the ledger, and where it differs.

Concept: `registration.done` names three documents: `submission` (what is shown), `files` (a
mark of every file of the run) and `texts` (the model folder's code and lists; read only where
one of them is written again). A version of an older Ratchet has none; what can be told of it
is derived from evidence and bundle, and the rest is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from components.errors import Corrupted
from components.files import mark_of
from components.ledger import views
from components.ledger.events import Recorded, RegistrationDone, RegistrationRebuilt
from components.pipeline import version_words
from components.registry.inspection import (
    Glance,
    Shown,
    expected_shown,
    file_differences,
)
from components.registry.packaging import MODEL
from components.workspace.root import Workspace

DOCUMENTS = ("submission", "files", "texts")


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of a registration.

    `payload` is the event's, with the documents of a later rebuild in place of its own.
    `files` is {name: mark}: whole, or of an old version what the ledger knows the digest of.
    """

    version: views.Version
    payload: Mapping[str, Any]
    when: int
    submission: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]

    @property
    def complete(self) -> bool:
        """Whether all that MLflow shows is on record."""
        return "metrics" in self.submission and "files" in self.payload


def records(ws: Workspace, only: int | None = None) -> list[Record]:
    """Return a record of every version, oldest first; or of the version `only`."""
    payloads: dict[int, dict[str, Any]] = {}
    events: list[Recorded[RegistrationDone | RegistrationRebuilt]] = [
        *views.told(ws.ledger, RegistrationDone),
        *views.told(ws.ledger, RegistrationRebuilt),
    ]
    for event in events:
        when = int(datetime.fromisoformat(event.time).timestamp() * 1000)
        known = payloads.setdefault(event.payload.version, {"when": when})
        known |= event.payload.said()
    wanted = views.versions(ws.ledger, **({} if only is None else {"version": only}))
    return [record_of(ws, each, payloads[each.version]) for each in wanted]


def record_of(ws: Workspace, version: views.Version, payload: dict[str, Any]) -> Record:
    """Return the record of one version from its event's payload."""
    found = {name: _document(ws, payload.get(name)) for name in DOCUMENTS if name != "texts"}
    return Record(
        version,
        payload,
        payload["when"],
        found["submission"] or {"tags": _known_tags(payload), "headline": version.headline},
        found["files"] or known_files(ws, version),
    )


def texts_of(ws: Workspace, record: Record) -> Mapping[str, str]:
    """Return {name: text} of what lies beside the bundle in the model folder, as registered."""
    return _document(ws, record.payload.get("texts")) or {}


def _document(ws: Workspace, digest: str | None) -> Any:
    """Return a document; one that is damaged says nothing here: `audit verify` names it."""
    try:
        return None if digest is None else ws.read_document(digest)
    except Corrupted:
        return None


def _known_tags(payload: Mapping[str, Any]) -> dict[str, str]:
    parent = payload["parent"]
    return {
        "ratchet.key": payload["key"],
        "ratchet.bundle": payload["bundle"],
        "ratchet.batch": payload["batch"] or "",
        "ratchet.parent_version": "" if parent is None else str(parent),
        "ratchet.evidence": payload["evidence"],
    }


def known_files(ws: Workspace, version: views.Version) -> dict[str, dict[str, Any]]:
    """Return {name: mark} of the files whose digests the ledger has without a listing."""
    found = {}
    for name, file in sources(ws, version).items():
        if file.is_file() and not name.startswith(("report", "plots/")):
            found[name] = mark_of(file).to_json()
    return found


def sources(ws: Workspace, version: views.Version) -> dict[str, Path]:
    """Return {name on the run: file of the root} of what a run's files were copied from."""
    from components.pipeline.reporting import AS_EXAMINED, report_path

    bundle, report = ws.bundles / version.bundle, report_path(ws, version.batch, version.bundle)
    found = {
        f"model/artifacts/{version.bundle}/{file.relative_to(bundle).as_posix()}": file
        for file in sorted(bundle.rglob("*"))
        if file.is_file()
    }
    kept = report.with_suffix("") / AS_EXAMINED  # before: the page itself, never written again
    page = kept if kept.exists() else report
    found |= {"evidence.json": ws.document_path(version.evidence), "report.html": page}
    evidence = _document(ws, version.evidence)
    if evidence is not None:
        found["snapshot.json"] = ws.document_path(evidence["snapshot"])
    plots = report.with_suffix("")
    return found | {f"plots/{file.name}": file for file in sorted(plots.glob("*.png"))}


def expected(ws: Workspace, record: Record, worded: bool = True) -> Shown:
    """Return what MLflow is to show of a version; if not `worded`, what an older Ratchet showed."""
    version = record.version
    marks = {f"ratchet.{name}": record.payload.get(name) for name in ("files", "texts")}
    experiment = record.submission.get("experiment")
    return expected_shown(
        record.submission,
        version=version.version,
        run_id=version.run,
        status=version.status,
        artifacts=ws.registry.place(version.run),
        marks={name: digest for name, digest in marks.items() if digest},
        words=version_words.words(ws, version, experiment) if worded else None,
    )


def files_wrong(ws: Workspace, record: Record, deep: bool) -> dict[str, str]:
    """Return {name: "missing", "changed" or "extra"}; nothing where a server keeps the files."""
    folder = ws.registry.run_folder(record.version.run)
    if folder is None:
        return {}
    listed = "files" in record.payload
    return file_differences(folder, record.files, quick=not deep, complete=listed)


def champion_number(ws: Workspace) -> int | None:
    """Return the number of the version in force."""
    champion = views.champion(ws.ledger)
    return champion.version if champion else None


def in_order(ws: Workspace, glance: Glance) -> bool:
    """Tell whether MLflow serves the champion, and knows a version as new as the ledger's."""
    if (views.newest(ws.ledger) or 0) > (glance.newest or 0):
        return False
    champion = views.champion(ws.ledger)
    if champion is None:
        return True
    if glance.serves is None or glance.serves[0] != champion.run:
        return False
    source = f"{ws.registry.place(champion.run)}/{champion.run}/artifacts/{MODEL}"
    return glance.serves[1:] == (source, source)


def wanted_aliases(ws: Workspace) -> dict[str, int | None]:
    """Return where `champion` and `candidate` are to point."""
    number = champion_number(ws)
    return {"champion": number, "candidate": views.newest_held(ws.ledger, number)}


def alias_differences(ws: Workspace) -> Iterator[tuple[str, str]]:
    """Yield (place, words) of the aliases that point elsewhere."""
    found = ws.registry.aliases()
    for alias, number in wanted_aliases(ws).items():
        if found.get(alias) != number:
            yield f"MLflow, alias {alias}", f"points at {found.get(alias)}, not {number}"
