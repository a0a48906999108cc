"""The documents: evidence, snapshots, checks, settings, and whatever else an event names."""

from __future__ import annotations

from collections.abc import Iterator

from components.errors import Corrupted
from components.operations.explanation import DOCUMENTS
from components.operations.verification.findings import Finding, Found, Holds, Skipped, some
from components.operations.verification.scene import Scene


def check_documents(scene: Scene) -> Iterator[Found]:
    """Every document that an event names; those that none names decide nothing."""
    ws, held = scene.ws, 0
    digests = named(scene)
    for done, digest in enumerate(sorted(digests)):
        ws.progress("documents", done, len(digests))
        try:
            ws.read_document(digest)
            held += 1
        except Corrupted as damage:
            path = ws.document_path(digest)
            what = "it was changed" if path.exists() else "it is missing"
            yield Finding(scene.relative(path), what, damage.remedy)
    yield Holds("documents", held)
    folder = ws.mlruns / "documents"
    others = {path.name for path in folder.glob("*")} - {f"{digest}.json" for digest in digests}
    if others:
        yield Skipped(f"{some(others)} in {scene.relative(folder)}", "no event mentions it")


def named(scene: Scene) -> set[str]:
    """Return the digest of every document that an event names."""
    found = set()
    for _, payload in scene.events or ():
        found |= {name for name in map(payload.get, DOCUMENTS) if isinstance(name, str)}
    return found
