"""Facts of parts of a batch, from which a cause is told that the whole batch hides.

Concept: "files" are the files of a pooled batch, each with its source; "alike" are the rows that
read as earlier ones do, kept where many others do not: labels are doubted by these alone.

Promise: facts are those of the whole batch, of fewer rows; they hold no text and decide nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from components.evaluation.causes import reading_causes
from components.items import Item
from components.ledger import views
from components.pipeline.facts_of_rows import Answered, by_label, is_read, read_by_base
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.evaluation.drift import Compared, Side

READ = ("domain_classifier", "mmd", "outliers", "length", "language")
"""The findings that are kept of a part: those on its texts."""

USUAL = 0.1
"""A language that so many of the earlier texts are in is none that the champion can't read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a survey looked at: both sides, their rows, and the champion's answers.

    `batch`, `past`: the rows of `compared`; `held`, `own`: rows held out of earlier batches and
    rows of the batch, each with an answer.
    """

    compared: Compared
    batch: Sequence[Item]
    past: Sequence[Item]
    held: Answered
    own: Answered


def parts(ws: Workspace, batch: str, asked: Asked, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what evidence keeps of parts of a batch; `record`: what it keeps of all of it."""
    found = _alike(ws, asked, record)
    if files := [*_files(ws, batch, asked)]:
        found["files"] = files
    return found


def _files(ws: Workspace, batch: str, asked: Asked) -> Iterator[dict[str, Any]]:
    for member in views.members(ws.ledger, batch):
        own = _only(asked, {*views.split_side(ws.ledger, member.batch)})
        record = _record(ws, own)
        yield {"source": member.source, **record, **_alike(ws, own, record)}


def _alike(ws: Workspace, asked: Asked, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same of the rows that read as earlier ones do; nothing where all may do so."""
    kinds = {cause.kind for cause in reading_causes(record)}
    if not kinds:
        return {}
    rows = {item.digest: item for item in (*asked.batch, *(item for item, _ in asked.own))}
    items = [rows[digest] for digest in sorted(rows)]
    kept = {item.digest for item in items}
    if "language" in kinds:
        from components.evaluation.drift.texts import language_of

        [finding] = [each for each in record["drift"] if each["name"] == "language"]
        usual = {each["name"] for each in finding["classes"] if (each["before"] or 0) >= USUAL}
        kept &= {item.digest for item in items if language_of(item.content) in usual}
    if kinds & {"cut", "script"}:
        told = zip(items, is_read(ws, items), strict=True)
        kept &= {item.digest for item, read in told if read}
    return {"alike": _record(ws, _only(asked, kept))}


def _only(asked: Asked, kept: Collection[str]) -> Asked:
    """Return the same of these rows of the batch alone."""
    places = [place for place, item in enumerate(asked.batch) if item.digest in kept]
    own = [(item, scored) for item, scored in asked.own if item.digest in kept]
    batch = [asked.batch[place] for place in places]
    compared = replace(
        asked.compared, batch=_side(asked.compared.batch, places), rows=len(batch), wrong=()
    )
    return replace(asked, compared=compared, batch=batch, own=own)


def _side(side: Side, places: Sequence[int]) -> Side:
    def kept(column: Sequence[str]) -> list[str]:
        return [column[place] for place in places]

    return replace(
        side,
        items=kept(side.items),
        contents=kept(side.contents),
        labels=kept(side.labels),
        embeddings=side.embeddings[[*places]],
    )


def _record(ws: Workspace, asked: Asked) -> dict[str, Any]:
    from components.evaluation.drift import examine

    drift = examine(asked.compared, ws.settings.drift, ws.settings.seed).findings
    return {
        "drift": [asdict(each) for each in drift if each.name in READ],
        "answers": by_label(asked.held, asked.own, [item for item, _ in asked.own]),
        "texts": read_by_base(ws, asked.batch, asked.past),
    }
