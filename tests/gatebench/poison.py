"""What catches what: batches that are wrong in ways that happen.

A root learns the demo's first three domains (tweets, products, editorials) with their exams of
800 items, with `replay`. Then each batch below comes to a copy of that root, on the same
champion: 300 fresh tweets, a third of them neutral, damaged as described. *Validation*: rows that
the contract refuses, and rows that are kept out of training because an exam has them. *Drift*:
findings on what is left, with the default policy, which notes them. *Gate*: checks of the candidate
that held or refused it. *Largest loss*: on an exam against the champion, in points, and its upper
bound. What nothing catches may have wrong labels and still do no harm: the gate promises that no
exam loses more than its margin, and no more than that.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.demo import fetch
from components.demo.stream import TURNED, Dealer, make_stream, write_scene
from components.ledger import views
from components.workspace.root import Workspace, open_workspace
from tests.page import Check, Section, opening
from tests.speed.corpora import CACHE
from tests.stream import add_exam, settle, write_jsonl

SEED, ROWS, NEUTRAL = 0, 300, 0.33
BEFORE = 10
"""Scenes of the demo that the root has seen: three domains, and their exams, which come first."""

COPIED, MARGIN = 100, 3.0
LABELS, FEWEST = "labels: [negative, neutral, positive]", "min_labels: 2"
PARAMS = f"""
seed: 0
model: {{name: sentiment, base: BASE, max_tokens: 64}}
training: {{epochs: 5}}
strategy: {{method: replay}}
data: {{{LABELS}, {FEWEST}, min_rows: 30}}
holdout: {{fraction: 0.1}}
"""
Row = dict[str, Any]
Spoil = Callable[[list[Row], list[Row]], list[Row]]


@dataclass(frozen=True)
class Case:
    """How the batch is spoilt, and what of the contract is loosened so that it gets through."""

    spoil: Spoil
    contract: tuple[str, str] = ("", "")


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


def flipped(share: float) -> Spoil:
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
    taken = [{**row, "text": f"  {row['text'].upper()} !!"} for row in exam[:COPIED]]
    return [*taken, *rows[COPIED:]]


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


SOUND, WORST = "nothing", "40 % of the labels flipped"
COPIES = f"{COPIED} rows are near-duplicates of exam items"
CASES = {
    SOUND: Case(lambda rows, exam: rows),
    "5 % of the labels flipped": Case(flipped(0.05)),
    "10 % of the labels flipped": Case(flipped(0.10)),
    "20 % of the labels flipped": Case(flipped(0.20)),
    WORST: Case(flipped(0.40)),
    COPIES: Case(copied),
    "a class renamed": Case(renamed),
    "a class renamed, `labels: open`": Case(renamed, (LABELS, "labels: open")),
    "one class only": Case(one_class),
    "one class only, `min_labels: 1`": Case(one_class, (FEWEST, "min_labels: 1")),
    "another language (90 German sentences)": Case(german),
}


def measure(folder: Path, plots: Path) -> Section:
    """Found the root, then let every batch come to a copy of it."""
    sources = fetch.fetch(CACHE / "demo", print)
    ratings = {name: fetch.read_rated(path) for name, path in sources.ratings.items()}
    scenes = [
        scene
        for scene in make_stream(ratings, SEED).scenes[:BEFORE]
        if scene.kind in ("holdout", "batch")
    ]
    root = folder / "root"
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS.replace("BASE", str(sources.base)), encoding="utf-8")
    for scene in sorted(scenes, key=lambda scene: scene.kind != "holdout"):
        file = write_scene(folder / "stream", scene)
        if scene.kind == "holdout":
            add_exam(root, file, scene.task)
        else:
            settle(root, file, scene.task)
    dealt = {row["text"] for scene in scenes for row in scene.rows}
    fresh = [rated for rated in ratings["tweets"] if rated[2] not in dealt]
    rows = Dealer({"tweets": fresh}, SEED).batch("tweets", ROWS, NEUTRAL)
    exam = [row for scene in scenes if scene.name == "tweets-exam" for row in scene.rows]
    found = {}
    for number, (what, case) in enumerate(CASES.items()):
        copy = folder / f"copy-{number}"
        shutil.copytree(root, copy)
        params = (copy / "params.yaml").read_text(encoding="utf-8")
        (copy / "params.yaml").write_text(params.replace(*case.contract), encoding="utf-8")
        found[what] = _run(copy, write_jsonl(copy / "batch.jsonl", case.spoil(rows, exam)))
    sound = found[SOUND]
    checks = [
        Check(
            "the clean batch: promoted or held (1: yes)",
            _became(sound, "promoted", "held"),
            "at least",
            1,
        ),
        Check("the clean batch: drift findings", len(sound["drift"]), "at most", 0),
        Check(
            "40 % flipped labels: promoted (1: yes)",
            _became(found[WORST], "promoted"),
            "at most",
            0,
        ),
        Check(
            f"items of exams that were trained on, of {COPIED} copies",
            found[COPIES]["leaked"],
            "at most",
            0,
        ),
    ]
    return Section("What catches what", checks, _text(found), raw={"found": found})


def _became(found: dict[str, Any], *actions: str) -> float:
    return float(found["action"] in actions)


def _missed(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the spoilt batches of which neither validation, drift nor gate said a word.

    Some rows of any batch are kept out, so those of the sound one are no catch.
    """
    return [
        what
        for what, each in found.items()
        if what != SOUND
        and each["action"] == "promoted"
        and not each["drift"]
        and not each["refused_rows"]
        and each["kept_out"] <= found[SOUND]["kept_out"]
    ]


def _run(root: Path, batch: Path) -> dict[str, Any]:
    settled = settle(root, batch, "tweets")
    ws = open_workspace(root)
    version = views.version(ws.ledger, settled.version) if settled.version else None
    evidence = ws.read_document(version.evidence) if version else {"drift": (), "decision": None}
    verdicts = evidence["decision"]["verdicts"] if evidence["decision"] else ()
    held = [item.near for item in views.held_items(ws.ledger)]
    return {
        "leaked": len(views.trained_among(ws.ledger, held)),
        "action": settled.action,
        "headline": settled.headline,
        "refused_rows": _told(ws, "batch.validated", settled.batch).get("rejected", 0),
        "kept_out": _told(ws, "split.made", settled.batch).get("blocked", 0),
        "drift": [each["name"] for each in evidence["drift"] or () if each["drifted"]],
        "blocked": [
            {name: each[name] for name in ("check", "task", "exam", "outcome", "effect_points")}
            for each in verdicts
            if each["consequence"] in ("hold", "reject") and each["check"] != "drift"
        ],
        "worst": max(
            (
                {name: each[name] for name in ("exam", "effect_points", "upper_points")}
                for each in verdicts
                if each["check"] == "forgetting"
            ),
            key=lambda each: float(each["effect_points"]),
            default=None,
        ),
    }


def _told(ws: Workspace, kind: str, batch: str) -> dict[str, Any]:
    """Return what the newest event of a kind says of a batch; nothing where there is none."""
    events = views.events(ws.ledger, kind=kind, batch=batch)
    told: dict[str, Any] = json.loads(events[-1].payload) if events else {}
    return told


def _text(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        "| damage | validation | drift | gate | largest loss | outcome |",
        "|---|---|---|---|---|---|",
    ]
    for what, each in found.items():
        drift = ", ".join(each["drift"]).replace("_", " ") or _none(each)
        became = f"**{each['action']}**"
        cells = (what, _validation(each), drift, _gate(each), _worst(each), became)
        rows.append(f"| {' | '.join(cells)} |")
    missed = f"Not caught: {', '.join(_missed(found)) or 'none'}."
    return "\n\n".join([opening(__doc__), "\n".join(rows), missed])


def _none(found: dict[str, Any]) -> str:
    return "not reached" if found["action"] == "refused" else "–"


def _validation(found: dict[str, Any]) -> str:
    if found["action"] == "refused":
        return f"the batch: {found['headline'].rstrip('.')}"
    parts = [
        f"{found['refused_rows']} rows refused" if found["refused_rows"] else "",
        f"{found['kept_out']} rows kept out" if found["kept_out"] else "",
    ]
    return ", ".join(part for part in parts if part) or "–"


def _gate(found: dict[str, Any]) -> str:
    told: dict[str, list[str]] = {}
    for each in found["blocked"]:
        told.setdefault(f"{each['check']} {each['outcome']}", []).append(
            each["exam"] or each["task"]
        )
    return "; ".join(f"{what}: {', '.join(where)}" for what, where in told.items()) or _none(found)


def _worst(found: dict[str, Any]) -> str:
    worst = found["worst"]
    if worst is None:
        return _none(found)
    return f"{worst['effect_points']:.1f} (at most {worst['upper_points']:.1f}), {worst['exam']}"
