"""What MLflow has beside the versions and aliases of the ledger: whose it is, and what it serves.

Concept: whoever loads `models:/NAME/9`, or by an alias, gets what the row says. Versions come
from the ledger alone, so one that it does not know is damage. Aliases may be people's own; one
that can be taken for Ratchet's, or leads to a version that never served, a person must see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

from components.ledger import views
from components.ledger.ledger import TWO_WAYS_OUT
from components.operations.verification.findings import Finding, Found, Skipped, some
from components.operations.verification.scene import Scene
from components.pipeline.registration_records import wanted_aliases
from components.registry import mlflow_rows
from components.registry.database import sqlite_path
from components.registry.inspection import HIDING, Shown

DELETE = "Delete that version in MLflow if nobody needs it: Ratchet did not register it."
MISTAKEN = re.compile(r"champion|candidate|latest$|v?\d+$", re.IGNORECASE)
"""An alias beside Ratchet's that reads like one, or that MLflow itself would refuse."""
SERVED = ("champion", "former")


def check_extras(scene: Scene, shown: Mapping[int, Shown]) -> Iterator[Found]:
    """Versions, aliases and models; `shown` is what MLflow shows of every version."""
    known = {each.version for each in views.versions(scene.ws.ledger)}
    yield from _versions(scene, shown, known)
    yield from _aliases(scene)
    model, path = scene.ws.settings.model.name, sqlite_path(scene.ws.registry.uri, scene.ws.root)
    if path is None:
        return
    for number in (each for each in mlflow_rows.hiding(path, model) if each not in known):
        what = f"the tag {HIDING} of version {number}, unknown to the ledger, hides every version"
        yield Finding("MLflow", what, "Run `ratchet reconcile`: it removes the tag.")
    if others := mlflow_rows.other_models(path, model):
        yield Skipped(f"the models {some(others)} in MLflow", "they are not from this root")


def _versions(scene: Scene, shown: Mapping[int, Shown], known: Set[int]) -> Iterator[Found]:
    begun = views.open_keys(scene.ws.ledger)
    seen = {
        (each["version"], each["run"])
        for payload in scene.told("ledger.accepted")
        for each in payload["versions"]
    }
    for number in sorted(shown.keys() - known):
        each, place = shown[number], f"MLflow, version {number}"
        key = each.tags.get("ratchet.key")
        if key in begun:
            yield Skipped(
                place, "it is being registered right now, or `ratchet reconcile` records it"
            )
        elif (number, each.run_id) in seen:
            yield Skipped(place, "the ledger was accepted without it")
        else:
            what = f"the ledger does not know it; it is loaded from {each.storage}"
            yield Finding(place, what, DELETE if key is None else f"{TWO_WAYS_OUT} {DELETE}")


def _aliases(scene: Scene) -> Iterator[Found]:
    status = {each.version: each.status for each in views.versions(scene.ws.ledger)}
    found, ours = scene.ws.registry.aliases(), wanted_aliases(scene.ws)
    for alias, number in sorted(found.items()):
        if alias in ours:
            continue
        now = status.get(number, "unknown to the ledger")
        if now in SERVED and not MISTAKEN.match(alias):
            yield Skipped(
                f"MLflow, alias {alias}", f"not set by Ratchet; version {number} is {now}"
            )
        else:
            what = f"it was not set by Ratchet and points to version {number}, which is {now}"
            remedy = "Remove or rename it in MLflow, unless it is intended."
            yield Finding(f"MLflow, alias {alias}", what, remedy, "unsafe")
