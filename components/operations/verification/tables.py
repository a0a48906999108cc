"""What the databases define: tables, views and triggers beside those that their programs made.

Concept: a trigger acts by itself whenever a row is written, and a view under a known name gives
other rows than the table that it stands for. People may add views and tables under names of
their own (the ledger's are looked at in `components.ledger.verify`): those are named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from components.operations.verification.findings import Finding, Found, Skipped, some
from components.operations.verification.scene import Scene
from components.registry.database import sqlite_path
from components.sqlite_schema import Defined, defined

NOT_READ = "not created by Ratchet or MLflow; neither reads it"


def check_kept_tables(scene: Scene) -> Iterator[Found]:
    """Compare what `scores.db` defines with what a new one does."""
    from components.evaluation.score_store import ScoreStore

    path = scene.ws.scores.path
    with TemporaryDirectory() as folder:
        fresh = ScoreStore(Path(folder) / path.name)
        fresh.everything()  # makes it
        made = defined(fresh.path)
    remedy = "Delete the file: the answers are recomputed."
    yield from _beside(scene, path, made.__contains__, {each.name for each in made}, remedy)


def check_mlflow_tables(scene: Scene) -> Iterator[Found]:
    """Look for what MLflow's database file defines and MLflow did not make."""
    from components.registry.mlflow_schema import is_mlflows, known_tables

    path = sqlite_path(scene.ws.unprepared_registry().uri, scene.ws.root)
    if path is None:
        yield Skipped("the tables of MLflow", "they are on a server, not on this machine")
        return
    if not path.exists():
        return  # what is missing is the registry's own question
    remedy = "Stop what uses MLflow, drop it with `sqlite3`, then run `ratchet reconcile`."
    yield from _beside(scene, path, is_mlflows, known_tables(), remedy)


def _beside(
    scene: Scene,
    path: Path,
    is_own: Callable[[Defined], bool],
    names: Collection[str],
    remedy: str,
) -> Iterator[Found]:
    """Find what acts, or stands under one of the program's `names`; name all else."""
    place, beside = scene.relative(path), list[str]()
    for each in defined(path):
        if is_own(each):
            continue
        if each.kind == "trigger" or each.name.casefold() in names:
            what = f"the {each.kind} {each.name} was not created by the program that owns this file"
            yield Finding(place, what, remedy)
        else:
            beside.append(f"{each.kind} {each.name}")
    if beside:
        yield Skipped(f"{some(beside)} in {place}", NOT_READ)
