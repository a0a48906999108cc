"""What catches what: batches that are wrong in ways that happen.

A root learns the demo's first three domains (tweets, products, editorials) with their exams of
800 items, default settings. Then each batch below comes to a copy of that root, on the same
champion: 300 fresh tweets, spoilt as said. *Rows refused*: by the validation. *Kept out*: near-
duplicates of exam items, which never train. *Drift*: findings on the batch.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.demo import fetch
from components.demo.stream import TURNED, make_stream, write_scene
from components.ledger import views
from components.pipeline.workspace import Workspace, open_workspace
from tests.page import Check, Section, opening
from tests.speed.corpora import CACHE
from tests.stream import add_exam, settle, write_jsonl

SEED = 0
BEFORE = 8
"""Scenes of the demo that the root has seen: three domains and their exams."""

PARAMS = """
seed: 0
model: {name: sentiment, base: BASE, max_tokens: 64}
training: {epochs: 5}
data: {labels: [negative, neutral, positive], min_rows: 30}
holdout: {fraction: 0.1}
"""
Row = dict[str, Any]

GERMAN = {
    "positive": (
        "Ein wunderbarer Abend, wir kommen gerne wieder",
        "Das Essen war ausgezeichnet und der Service sehr freundlich",
        "Endlich ein Gerät, das hält, was es verspricht",
        "Ich bin begeistert von der schnellen Lieferung",
        "Die beste Entscheidung seit langem",
        "Alles hat auf Anhieb funktioniert, vielen Dank",
        "Wir hatten großen Spaß und haben viel gelacht",
        "Sehr gute Qualität zu einem fairen Preis",
        "Der Film hat mich tief berührt",
        "Ein rundum gelungenes Buch, das ich jedem empfehle",
    ),
    "negative": (
        "Leider war das Zimmer schmutzig und viel zu laut",
        "Nach zwei Tagen war das Gerät schon kaputt",
        "Nie wieder bestelle ich in diesem Laden",
        "Der Kundendienst hat überhaupt nicht geholfen",
        "Eine einzige Enttäuschung von Anfang bis Ende",
        "Viel zu teuer und dazu noch schlecht verarbeitet",
        "Wir haben zwei Stunden gewartet und nichts bekommen",
        "Die Bedienung war unfreundlich und das Essen kalt",
        "Das war der langweiligste Film des Jahres",
        "Ich ärgere mich sehr über diesen Kauf",
    ),
    "neutral": (
        "Der Zug fährt um halb neun vom dritten Gleis",
        "Die Sitzung wurde auf Donnerstag verschoben",
        "Das Paket enthält drei Schrauben und eine Anleitung",
        "Morgen öffnet die Bibliothek erst um zehn Uhr",
        "Die Stadt hat etwa vierzigtausend Einwohner",
        "Er arbeitet seit fünf Jahren in der Verwaltung",
        "Der Kurs beginnt im Herbst und dauert sechs Wochen",
        "Auf dem Tisch liegen ein Heft und zwei Stifte",
        "Die Straße ist wegen Bauarbeiten gesperrt",
        "Das Formular kann auch per Post geschickt werden",
    ),
}
"""Written for this table; each sentence comes three times, with a number that tells them apart."""


def flipped(share: float) -> Callable[[list[Row], list[Row]], list[Row]]:
    """Return a way to turn the labels of a share of the rows round."""

    def spoil(rows: list[Row], exam: list[Row]) -> list[Row]:
        clear = [place for place, row in enumerate(rows) if row["label"] != "neutral"]
        count = min(len(clear), round(share * len(rows)))
        chosen = set(random.Random(SEED).sample(clear, count))
        return [
            {**row, "label": TURNED[row["label"]]} if place in chosen else row
            for place, row in enumerate(rows)
        ]

    return spoil


def copied(rows: list[Row], exam: list[Row]) -> list[Row]:
    """Return the rows with 100 of them replaced by exam items, shouted and punctuated anew."""
    taken = [{**row, "text": f"  {row['text'].upper()} !!"} for row in exam[:100]]
    return [*taken, *rows[100:]]


def renamed(rows: list[Row], exam: list[Row]) -> list[Row]:
    """Return the rows with one class under another name."""
    return [{**row, "label": row["label"].replace("positive", "pos")} for row in rows]


def one_class(rows: list[Row], exam: list[Row]) -> list[Row]:
    """Return the rows of one class alone."""
    return [row for row in rows if row["label"] == "positive"]


def german(rows: list[Row], exam: list[Row]) -> list[Row]:
    """Return sentences of another language."""
    return [
        {"text": f"{text} ({number})", "label": label}
        for number in range(1, 4)
        for label, texts in GERMAN.items()
        for text in texts
    ]


SPOILT: dict[str, Callable[[list[Row], list[Row]], list[Row]]] = {
    "nothing": lambda rows, exam: rows,
    "5 % of the labels turned round": flipped(0.05),
    "10 % of the labels turned round": flipped(0.10),
    "20 % of the labels turned round": flipped(0.20),
    "40 % of the labels turned round": flipped(0.40),
    "100 rows are near-duplicates of exam items": copied,
    "a class renamed": renamed,
    "one class only": one_class,
    "another language (90 German sentences)": german,
}


def measure(folder: Path, plots: Path) -> Section:
    """Found the root, then let every batch come to a copy of it."""
    sources = fetch.fetch(CACHE / "demo", print)
    ratings = {name: fetch.read_rated(path) for name, path in sources.ratings.items()}
    stream = make_stream(ratings, SEED)
    root = folder / "root"
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS.replace("BASE", str(sources.base)), encoding="utf-8")
    for scene in stream.scenes[:BEFORE]:
        file = write_scene(folder / "stream", scene)
        if scene.kind == "holdout":
            add_exam(root, file, scene.task)
        else:
            settle(root, file, scene.task)
    scenes = {scene.name: scene for scene in stream.scenes}
    rows = [{**row, "label": TURNED[row["label"]]} for row in scenes["tweets-poisoned"].rows]
    exam = list(scenes["tweets-exam"].rows)
    found = {}
    for number, (what, spoil) in enumerate(SPOILT.items()):
        copy = folder / f"copy-{number}"
        shutil.copytree(root, copy)
        found[what] = _run(copy, write_jsonl(copy / "batch.jsonl", spoil(rows, exam)))
    turned = found["40 % of the labels turned round"]["action"] == "promoted"
    kept_out = found["100 rows are near-duplicates of exam items"]["kept_out"]
    sound = found["nothing"]["action"] in ("promoted", "held")
    checks = [
        Check("40 % turned labels: promoted (1: yes)", float(turned), "at most", 0),
        Check("copies of exam items that were kept out, of 100", kept_out, "at least", 100),
        Check("the sound batch: promoted or held (1: yes)", float(sound), "at least", 1),
    ]
    return Section("What catches what", checks, _text(found), raw={"found": found})


def _run(root: Path, batch: Path) -> dict[str, Any]:
    settled = settle(root, batch, "tweets")
    ws = open_workspace(root)
    version = views.version(ws.ledger, settled.version) if settled.version else None
    evidence = ws.read_document(version.evidence) if version else None
    verdicts = evidence["decision"]["verdicts"] if evidence else []
    losses = [(each["effect_points"] or 0.0, each["exam"]) for each in verdicts if each["exam"]]
    return {
        "action": settled.action,
        "headline": settled.headline,
        "refused_rows": _told(ws, "batch.validated", settled.batch).get("rejected"),
        "drift": [each["name"] for each in (evidence or {}).get("drift") or () if each["drifted"]],
        "worst": max(losses, default=None),
        "kept_out": _told(ws, "split.made", settled.batch).get("blocked", 0),
    }


def _told(ws: Workspace, kind: str, batch: str) -> dict[str, Any]:
    """Return what the newest event of a kind says of a batch; nothing where there is none."""
    events = views.events(ws.ledger, kind=kind, batch=batch)
    told: dict[str, Any] = json.loads(events[-1].payload) if events else {}
    return told


def _text(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        "| spoilt | rows refused | kept out | drift | what became of it | largest loss found |",
        "|---|---|---|---|---|---|",
    ]
    for what, each in found.items():
        refused = "all" if each["refused_rows"] is None else each["refused_rows"]
        drift = ", ".join(each["drift"]) or "none"
        worst = each["worst"]
        loss = "" if worst is None else f"{worst[0]:.1f} points, {worst[1]}"
        rows.append(
            f"| {what} | {refused} | {each['kept_out']} | {drift} | **{each['action']}**:"
            f" {each['headline']} | {loss} |"
        )
    return "\n\n".join([opening(__doc__), "\n".join(rows)])
