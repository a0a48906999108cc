"""Training a candidate from the champion's bundle, at most once per lesson.

Promise: the same lesson is trained once (law 7): a bundle that the ledger knows for its key
is verified and used again. Nothing held out is trained on, replayed rows included (law 4).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from components.data.behaviour_cases import CaseFile
from components.errors import Corrupted
from components.gate.verdicts import Outcome
from components.items import Item
from components.ledger import views
from components.ledger.events import TrainingBegun, TrainingDone
from components.ledger.ledger import Lease
from components.pipeline.automatic_settings import choose
from components.pipeline.preparation import Prepared
from components.workspace.item_library import Library
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.model.bundle import Bundle
    from components.pipeline.examination import Examined
    from components.training.memory import MemoryRef


def train(ws: Workspace, lease: Lease, prepared: Prepared, adapt: bool = False) -> Bundle:
    """Return the candidate's bundle, trained now or by an earlier, interrupted run.

    `adapt`: the gate said that a head alone is not enough.
    """
    from components.model.bundle import open_bundle
    from components.training.candidate import Lesson, learn, lesson_key, replayed_refs

    parent = prepared.parent
    lesson = Lesson(
        batch=prepared.batch,
        items=prepared.split.train,
        parent=open_bundle(ws.bundles, parent.bundle) if parent else None,
        anchors=_anchor_bundles(ws, parent),
        wall=prepared.wall,
        replayed=(),
        renamed=views.renamed_tasks(ws.ledger),
        adapt=adapt,
    )
    _check_wall(ws, lesson.items)
    settings = choose(ws, lease, lesson)
    key = lesson_key(ws.base, lesson, settings)
    known = views.trained_bundle(ws.ledger, key)
    if known is not None and (ws.bundles / known).exists():
        return open_bundle(ws.bundles, known)
    refs = replayed_refs(lesson, settings)
    lesson = replace(lesson, replayed=_replayed(ws, Library(ws), prepared.cases, refs))
    ws.ledger.append(TrainingBegun(key=key, batch=prepared.batch), lease)
    began = time.perf_counter()
    bundle = learn(
        ws.base,
        ws.bundles,
        lesson,
        settings,
        partial(ws.progress, "training"),
        ws.activations,
        partial(ws.progress, "frozen layers"),
    )
    seconds = round(time.perf_counter() - began, 2)
    done = TrainingDone(key=key, batch=prepared.batch, bundle=bundle.digest, seconds=seconds)
    ws.ledger.append(done, lease)
    return bundle


def wants_adapter(bundle: Bundle, examined: Examined) -> bool:
    """Tell whether a head was solved alone and the gate shows that this is not enough.

    That something is undecided shows nothing: only what failed does.
    """
    state = bundle.state
    if state["strategy"] != "hybrid" or state["adapter"]["method"] == "head":
        return False
    failed = {e.consequence for e in examined.decision.verdicts if e.outcome is Outcome.FAIL}
    return state["trained"]["steps"] == 0 and bool(failed & {"hold", "reject"})


def _anchor_bundles(ws: Workspace, parent: views.Version | None) -> dict[str, str]:
    if parent is None:
        return {}
    found = {number: views.version(ws.ledger, number) for number in set(parent.anchors.values())}
    bundles = {number: version.bundle for number, version in found.items() if version is not None}
    return {task: bundles[number] for task, number in sorted(parent.anchors.items())}


def _replayed(
    ws: Workspace, library: Library, cases: CaseFile | None, refs: Sequence[MemoryRef]
) -> tuple[Item, ...]:
    """Return the items of a memory; texts that became behaviour cases since are left out."""
    near = cases.near if cases else frozenset()
    items = tuple(item for item in library.remembered(refs) if item.near not in near)
    _check_wall(ws, items)
    return items


def _check_wall(ws: Workspace, items: Sequence[Item]) -> None:
    held = views.held_among(ws.ledger, [item.near for item in items])
    leaked = sum(item.near in held for item in items)
    if leaked:
        raise Corrupted(
            f"{leaked} held-out rows were about to be trained on.",
            "Nothing was trained; run `ratchet audit verify` and report this.",
        )
