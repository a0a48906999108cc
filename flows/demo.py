"""The whole pipeline on real data, through the same flows that a user runs.

Concept: a separate folder, recreated each time; the scenes come from `components.demo`. Only the
order of the rows is scripted: every outcome is the gate's.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.demo.fetch import fetch, read_rated
from components.demo.stream import Scene, Stream, make_stream, write_scene
from components.errors import ConfigError
from components.identity import PLAIN
from components.ledger import views
from components.operations import holdouts, labelling, reconciliation
from components.pipeline import arrival, preparation
from components.pipeline.reporting import report_path
from components.workspace.new_root import found_root
from components.workspace.root import Progress, Workspace, open_workspace
from flows import session

MARKER = ".ratchet-demo"
SETTINGS = Path(session.__file__).parents[1] / "components" / "demo" / "params.yaml"

Say = Callable[[str], None]

SHOWN_ANSWERS = 3
"""Of the labels that are given, so many are shown with their text."""


def run_demo(
    folder: Path, base: Path | None, seed: int, progress: Progress, say: Say
) -> dict[str, Any]:
    """Run the demo in `folder` and return what happened, scene by scene.

    Raises:
        ConfigError: `folder` holds something that no demo made.
    """
    began = time.monotonic()
    root = _fresh_root(folder)
    sources = fetch(folder.resolve().parent / ".cache" / "demo", say, base)
    stream = make_stream({name: read_rated(path) for name, path in sources.ratings.items()}, seed)
    _write_settings(root, sources.base, seed)
    found_root(root)
    ws = open_workspace(root, progress=progress)
    say(f"The stream: {len(stream.scenes)} scenes with real sentences, in {root}.")
    told = list[dict[str, Any]]()
    with session.showing(progress):
        for number, scene in enumerate(stream.scenes, start=1):
            if scene.balance is not None:
                _set_balance(root, scene.balance)
                ws = open_workspace(root, progress=progress)
            told += _play(ws, stream, scene, f"[{number}/{len(stream.scenes)}]", say)
    champion = views.champion(ws.ledger)
    return {
        "root": str(root),
        "champion": champion.version if champion else None,
        "told": told,
        "rejected": next((row["version"] for row in told if row["action"] == "rejected"), None),
        "reports": {row["name"]: row["report"] for row in told if row["report"]},
        "seconds": round(time.monotonic() - began),
    }


def _fresh_root(folder: Path) -> Path:
    root = folder.resolve()
    if root.exists() and any(root.iterdir()) and not (root / MARKER).exists():
        raise ConfigError(
            f"{root} is not empty, and was not created by the demo.",
            "Choose another one with --folder.",
        )
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / MARKER).write_text("Made by `ratchet demo`, which recreates it each time.\n")
    return root


def _write_settings(root: Path, base: Path, seed: int) -> None:
    text = SETTINGS.read_text(encoding="utf-8")
    text = text.replace("BASE_FOLDER", str(base.resolve())).replace("seed: 0", f"seed: {seed}")
    (root / "params.yaml").write_text(text, encoding="utf-8")


def _set_balance(root: Path, balance: float) -> None:
    """Write `strategy.balance`, as a person would."""
    path = root / "params.yaml"
    text = path.read_text(encoding="utf-8")
    changed = re.sub(r"balance: [0-9.]+", f"balance: {balance}", text)
    path.write_text(changed, encoding="utf-8")


def _play(
    ws: Workspace, stream: Stream, scene: Scene, place: str, say: Say
) -> list[dict[str, Any]]:
    """Play one scene and return a row for each thing that happened."""
    why = scene.why.replace("\n", "\n    ")
    say(f"\n{place} {scene.title}\n    {why}")
    path = write_scene(ws.root / "story", scene)
    began = time.monotonic()
    if scene.kind in ("holdout", "pool"):
        rows = [_add_held(ws, scene, path)]
    elif scene.kind == "label":
        rows = _label(ws, scene, say)
    elif scene.kind == "watch":
        rows = _watch(ws, scene)
    else:
        arrived = arrival.arrive(ws, path, scene.task)
        session.drain(ws, arrived.batch)
        rows = [_outcome(ws, scene.name, scene.task, arrived.batch)]
    for row in rows:
        say(f"    {row['what']}: {row['why']}  ({time.monotonic() - began:.0f} s)")
    return rows


def _add_held(ws: Workspace, scene: Scene, path: Path) -> dict[str, Any]:
    """Take an exam or a pool in."""
    with ws.ledger.lease(ws.settings.model.name, 600) as lease:
        reconciliation.reconcile(ws, lease)
        take = holdouts.add if scene.kind == "holdout" else holdouts.add_pool
        added = take(ws, lease, path, scene.task)
    said = "items" if scene.kind == "holdout" else "inputs without labels"
    return _told(scene.name, scene.task, "held out", f"{added.exam}: {added.items} {said}")


def _label(ws: Workspace, scene: Scene, say: Say) -> list[dict[str, Any]]:
    """Answer all that is asked with the labels of the scene; run what can be decided then."""
    right = {PLAIN.near(row["text"]): row["label"] for row in scene.rows}
    answered = 0
    while questions := [each.questions[0] for each in labelling.waiting(ws) if each.questions]:
        for question in questions:
            label = right[PLAIN.near(question.text)]
            labelling.answer(ws, question, "label", label)
            if answered < SHOWN_ANSWERS:
                said = ", ".join(question.choices)
                say(f"    | {question.text}\n      the versions said {said}; the answer: {label}")
            answered += 1
    with ws.ledger.lease(ws.settings.model.name, 600) as lease:
        released = labelling.release_ready(ws, lease)
    session.drain(ws)
    why = "No other label can change the decision." if answered else "Nothing is asked."
    rows = [_told(scene.name, scene.task, f"{answered} labels", why)]
    return [*rows, *(_again(ws, batch) for batch in released)]


def _watch(ws: Workspace, scene: Scene) -> list[dict[str, Any]]:
    found = session.watch(str(ws.root))
    undone = found["rollback"]
    if undone is None:
        return [_told(scene.name, "", "fine", "no task regressed")]
    inbox = {each.batch: each for each in views.arrivals(ws.ledger)}
    what = f"rolled back v{undone['from_version']} to v{undone['to_version']}"
    why = f"{undone['reason']} {inbox[undone['offending_batch']].source} is in quarantine."
    rows = [_told(scene.name, "", what, why)]
    return [*rows, *(_again(ws, batch) for batch in undone["requeued"])]


def _again(ws: Workspace, batch: str) -> dict[str, Any]:
    """Return what became of a batch that ran a second time."""
    arrived = next(each for each in views.arrivals(ws.ledger) if each.batch == batch)
    return _outcome(ws, f"{Path(arrived.source).stem}, again", arrived.task, batch)


def _outcome(ws: Workspace, name: str, task: str, batch: str) -> dict[str, Any]:
    """Return what became of a batch, with the rows that went to quarantine."""
    settled = preparation.settled(ws, batch)
    row = _told(name, task, settled.action, settled.headline)
    if settled.broken and settled.action == "promoted":
        row["why"] += f" {settled.broken} broken rows are in quarantine."
    version = views.version(ws.ledger, settled.version) if settled.version else None
    if version is not None:
        row["what"] += f" v{version.version}"
        row["version"] = version.version
        row["report"] = str(report_path(ws, batch, version.bundle))
    return row


def _told(name: str, task: str, action: str, why: str) -> dict[str, Any]:
    told = {"name": name, "task": task, "action": action, "what": action, "why": why}
    return {**told, "version": None, "report": None}
