"""The kept answers: each row against its digest; deep, every answer given again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from components.errors import Corrupted
from components.items import Item, read_items
from components.operations.verification.batches import known_files
from components.operations.verification.findings import Finding, Found, Holds, Skipped
from components.operations.verification.scene import Scene
from components.operations.verification.tables import check_kept_tables

if TYPE_CHECKING:
    from components.evaluation.score_store import Kept, Scored
    from components.model.bundle import Bundle
    from components.workspace.root import Progress

REMEDY = "Delete mlruns/scores.db: answers are recomputed. Review the decisions made since."

KEPT_STATES = "a cache; a few answers are recomputed at each use. Delete it when in doubt"


def check_scores(scene: Scene) -> Iterator[Found]:
    """Rows that do not fit their digests, and answers that the version does not give."""
    ws = scene.ws
    if ws.activations is not None and ws.activations.folder.exists():
        yield Skipped(scene.relative(ws.activations.folder), KEPT_STATES)
    if not ws.scores.path.exists():
        yield Skipped(scene.relative(ws.scores.path), "no answers are stored")
        return
    kept, place = ws.scores.everything(), scene.relative(ws.scores.path)
    yield from check_kept_tables(scene)
    for key, each in kept.items():
        if each.unsound:
            what = f"answers under {key[:12]} that do not match their digests: {len(each.unsound)}"
            remedy = "They are never used: the next examination recomputes them."
            yield Finding(place, what, remedy)
    sound = {key: each for key, each in kept.items() if each.answers}
    if scene.deep:
        yield from _again(scene, place, sound)
        return
    count = sum(len(each.answers) for each in sound.values())
    yield Holds("stored answers", count)
    if sound:
        yield Skipped(f"whether the versions give these answers ({count:,})", "slow", deep=True)


def _again(scene: Scene, place: str, kept: dict[str, Kept]) -> Iterator[Found]:
    """Give every kept answer again, without the kept states of the frozen layers.

    Each is counted once: it holds, it is wrong, or it was not looked at.
    """
    from components.evaluation.scoring import answers_key, differing
    from components.model.placement import placement_of

    ws, placement = scene.ws, placement_of(scene.ws.in_force())
    items, given, held = _items(scene), 0, 0
    total = sum(len(each.answers) for each in kept.values())
    tasks = {item.task for item in items.values()}
    for bundle in _bundles(scene):
        keys = {answers_key(bundle, placement, task) for task in tasks}
        mine: dict[str, Scored] = {}
        for key in keys & kept.keys():
            mine |= kept.pop(key).answers
        answers = {items[digest]: each for digest, each in mine.items() if digest in items}
        show = partial(_show, ws.progress, given, total)
        wrong = differing(ws.base, bundle, answers, placement, None, show) if answers else []
        given, held = given + len(answers), held + len(answers) - len(wrong)
        if wrong:
            what = f"{len(wrong)} of {len(answers)} answers are not those of {bundle.digest[:12]}"
            yield Finding(place, what, REMEDY)
    yield Holds("stored answers", held)
    if total > given:
        what = f"{total - given} stored answers"
        yield Skipped(what, "they are from another version, another precision or a deleted item")


def _show(progress: Progress, before: int, total: int, done: int, _of: int) -> None:
    progress("answers", before + done, total)


def _bundles(scene: Scene) -> Iterator[Bundle]:
    """Open every bundle that can be; one that can't is what the check of bundles says."""
    from components.model.bundle import open_bundle

    for folder in sorted(scene.ws.bundles.glob("*")):
        try:
            yield open_bundle(scene.ws.bundles, folder.name)
        except Corrupted:
            continue


def _items(scene: Scene) -> dict[str, Item]:
    """Return every stored item by digest; what can't be read is what the check of data says."""
    from components.pipeline.preparation import case_file

    found: dict[str, Item] = {}
    for path in known_files(scene):
        if path.suffix != ".jsonl" or path.name.startswith("raw") or not path.is_file():
            continue
        try:
            found |= {item.digest: item for item in read_items(path, scene.ws.identity)}
        except (Corrupted, OSError):
            continue
    cases = case_file(scene.ws)
    return found | ({item.digest: item for item in cases.items} if cases else {})
