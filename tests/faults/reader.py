"""The laws, read from ledger, MLflow's database and files by code of its own.

Promise: nothing here imports `components` or MLflow: SQLite, JSON and hashes are read as they
lie. Each law is a function that returns what it finds broken, in words; `broken` asks those
that must hold at the moment.

When they must hold: always (the chain, one champion, no row lost); once `reconcile` ran (MLflow
shows the ledger, nothing half-made is left); and once the inbox was drained without a fault
(nothing waits, each row is in one place only).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.faults.book import Book
from tests.faults.kept import Kept

UNFINISHED = (".part", ".tmp", ".swp", ".crdownload")
FORMATS = (".jsonl", ".ndjson", ".csv", ".parquet")
SETTLED_SECONDS = 600
"""A file in data/incoming that nobody wrote to for so long is to be taken."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the ledger; `payload` is parsed."""

    seq: int
    kind: str
    payload: dict[str, Any]


class Reader:
    """Reads one root. `kept` remembers files that did not change."""

    def __init__(self, root: Path, kept: Kept | None = None) -> None:
        self.root = root
        self.kept = kept or Kept(root)

    def broken(self, book: Book, reconciled: bool, drained: bool, now: float) -> list[str]:
        """Return every law that does not hold, in words."""
        wrong = [*chain(self), *lost(self, book)]
        if wrong or not self.ledger.exists():
            return wrong
        wrong += one_champion(self)
        if reconciled:
            wrong += [*mirrored(self), *one_version_each(self), *bundles(self)]
            wrong += [*walls(self), *leftovers(self)]
        if drained:
            wrong += [*queue(self), *one_place_each(self), *copies(self), *not_taken(self, now)]
        return wrong

    @property
    def ledger(self) -> Path:
        """Where the ledger lies."""
        return self.root / "mlruns" / "ratchet.db"

    @cached_property
    def events(self) -> list[Event]:
        """All events, oldest first."""
        rows = self.ask("ratchet.db", "SELECT seq, kind, payload FROM events ORDER BY seq")
        return [Event(seq, kind, json.loads(payload)) for seq, kind, payload in rows]

    def of(self, *kinds: str) -> list[Event]:
        """Return the events of some kinds."""
        return [event for event in self.events if event.kind in kinds]

    def ask(self, database: str, question: str) -> list[Any]:
        """Return the rows of a question to a database of `mlruns`; none where there is none.

        Opened as any program opens it: SQLite first takes back what a killed writer left open.
        """
        path = self.root / "mlruns" / database
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=30)) as found:
            return found.execute(question).fetchall()

    def last_event(self) -> str:
        """Return the hash of the newest event."""
        return "".join(self.ask("ratchet.db", "SELECT hash FROM head")[0])

    def champion(self) -> int | None:
        """Return the version that promotions and rollbacks lead to."""
        moves = self.of("version.promoted", "champion.rolled-back", "rollback.undone")
        last = moves[-1].payload if moves else {}
        return last.get("to", last.get("version"))


def chain(reader: Reader) -> Iterator[str]:
    """Every event has the hash of its bytes and of the event before; the head names the last."""
    previous, last = "0" * 64, 0
    rows = reader.ask(
        "ratchet.db", "SELECT seq, time, kind, payload, previous, hash FROM events ORDER BY seq"
    )
    for seq, time, kind, payload, before, digest in rows:
        text = json.dumps(
            [seq, time, kind, payload, before], separators=(",", ":"), ensure_ascii=False
        )
        expected = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if (seq, before, digest) != (last + 1, previous, expected):
            yield f"chain: event {seq} does not fit"
            return
        previous, last = digest, seq
    head = reader.ask("ratchet.db", "SELECT seq, hash FROM head")
    if head and head != [(last, previous)]:
        yield f"chain: the head says {head}, the last event is {last}"


def lost(reader: Reader, book: Book) -> Iterator[str]:
    """Every row and every file that arrived is still kept somewhere where people look."""
    words = reader.kept.words()
    gone = Counter(name for word, name in book.arrived.items() if word not in words)
    for name, count in gone.items():
        yield f"lost: {count} rows or notes of {name!r} are nowhere"
    digests = reader.kept.digests() if book.files else set()
    for digest, name in book.files.items():
        if digest not in digests:
            yield f"lost: the bytes of {name!r} are nowhere"


def one_champion(reader: Reader) -> Iterator[str]:
    """Exactly one version is champion once one was promoted: the one the events lead to."""
    rows = reader.ask("ratchet.db", "SELECT version FROM versions WHERE status = 'champion'")
    found, expected = [row[0] for row in rows], reader.champion()
    if found != ([] if expected is None else [expected]):
        yield f"champion: the projection says {found}, the events lead to {expected}"


def mirrored(reader: Reader) -> Iterator[str]:
    """MLflow's alias is the ledger's champion, and its version has the champion's bundle."""
    rows = reader.ask(
        "mlflow.db", "SELECT version FROM registered_model_aliases WHERE alias = 'champion'"
    )
    shown, expected = [row[0] for row in rows], reader.champion()
    if shown != ([] if expected is None else [expected]):
        yield f"alias: MLflow shows {shown}, the ledger says {expected}"
    tagged = dict(_tags(reader, "ratchet.bundle"))
    for event in reader.of("registration.done"):
        version = event.payload["version"]
        if tagged.get(version) != event.payload["bundle"]:
            yield f"mirror: version {version} is missing in MLflow, or shows another bundle"


def one_version_each(reader: Reader) -> Iterator[str]:
    """One (batch, bundle, evidence) is one version, in the ledger and in MLflow."""
    done = [event.payload for event in reader.of("registration.done")]
    known = Counter((each["batch"], each["bundle"], each["evidence"]) for each in done)
    for (batch, *_), count in known.items():
        if count > 1:
            yield f"versions: batch {batch[:12]} has {count} for one bundle and evidence"
    keys = Counter(value for _, value in _tags(reader, "ratchet.key"))
    yield from (f"versions: MLflow has {n} of key {key[:12]}" for key, n in keys.items() if n > 1)
    numbers = {each["version"] for each in done}
    for event in reader.of("ledger.accepted"):  # a person has seen them
        numbers |= {each["version"] for each in event.payload["versions"]}
    for (version,) in reader.ask("mlflow.db", "SELECT version FROM model_versions"):
        if version not in numbers:
            yield f"versions: the ledger does not know version {version} of MLflow"


def bundles(reader: Reader) -> Iterator[str]:
    """Every file of a champion's or ancestor's bundle is what its manifest says."""
    rows = reader.ask(
        "ratchet.db", "SELECT bundle FROM versions WHERE status IN ('champion', 'former')"
    )
    for (digest,) in rows:
        folder = reader.root / "mlruns" / "bundles" / digest
        manifest = folder / "manifest.json"
        if not manifest.is_file() or reader.kept.look(manifest).sha256 != digest:
            yield f"bundle: {digest[:12]} has no manifest of that digest"
            continue
        for name, wanted in json.loads(manifest.read_text(encoding="utf-8")).items():
            path = folder / name
            if not path.is_file() or reader.kept.look(path).sha256 != wanted:
                yield f"bundle: {name} of {digest[:12]} is not what its manifest says"


def copies(reader: Reader) -> Iterator[str]:
    """Every stored file lies in its place and in the remote, under the MD5 recorded last."""
    stored = {}
    for event in reader.of("store.done", "holdout.done"):
        for file in event.payload.get("files") or [event.payload.get("stored")]:
            stored[file["path"]] = file["md5"]
    remote = reader.root / "data" / "remote" / "files" / "md5"
    for name, md5 in stored.items():
        for path in (reader.root / name, remote / md5[:2] / md5[2:]):
            if not path.is_file() or reader.kept.look(path).md5 != md5:
                yield f"copy: {path.relative_to(reader.root)} differs from what was stored"


def walls(reader: Reader) -> Iterator[str]:
    """No text of an exam is on the training side of a version that leads to the champion."""
    lineage = "SELECT batch FROM versions WHERE status IN ('champion', 'former')"
    trained = reader.ask(
        "ratchet.db", f"SELECT item FROM splits WHERE side = 'train' AND batch IN ({lineage})"
    )
    held = reader.ask("ratchet.db", "SELECT item FROM holdout")
    texts = _texts(reader)
    both = {texts.get(item) for (item,) in trained} & {texts.get(item) for (item,) in held}
    for text in sorted(both - {None}, key=str):
        yield f"wall: {text!r} is in an exam and was trained on"


def leftovers(reader: Reader) -> Iterator[str]:
    """Nothing half-made is left."""
    for place in ("data/batches", "data/holdout", "data/quarantine", "mlruns"):
        for path in (reader.root / place).rglob("*.part"):
            yield f"leftover: {path.relative_to(reader.root)}"


def queue(reader: Reader) -> Iterator[str]:
    """Once the inbox was drained nothing waits, and nothing counts as interrupted."""
    waiting = reader.ask(
        "ratchet.db", "SELECT source, status FROM inbox WHERE status IN ('queued', 'running')"
    )
    yield from (f"queue: {source!r} is still {status}" for source, status in waiting)
    for (key,) in reader.ask("ratchet.db", "SELECT key FROM open_intents"):
        yield f"interrupted: {key[:40]!r} stays open for ever"


def one_place_each(reader: Reader) -> Iterator[str]:
    """Each row of a batch that was stored is an accepted item or a rejected row, never both."""
    stored = {event.payload["batch"] for event in reader.of("store.done")}
    rows = reader.ask(
        "ratchet.db",
        "SELECT batch, source FROM inbox WHERE status IN ('promoted', 'held', 'rejected')",
    )
    for batch, source in rows:
        if batch not in stored:
            continue
        folder = reader.kept.batch_folder(batch)
        raw = sum((reader.kept.counted(path) for path in folder.glob("raw*")), Counter[str]())
        rejected = reader.root / "data" / "quarantine" / batch / "rows.jsonl"
        placed = reader.kept.counted(folder / "items.jsonl") + reader.kept.counted(rejected)
        if raw != placed:
            more, less = (placed - raw).total(), (raw - placed).total()
            yield f"places: of {source!r} {less} rows are nowhere, {more} are in two places"


def not_taken(reader: Reader, now: float) -> Iterator[str]:
    """Whatever lies complete in data/incoming was taken, but what is in no folder of a task."""
    incoming = reader.root / "data" / "incoming"
    for path in incoming.rglob("*"):
        if any(folder.suffix in FORMATS for folder in path.relative_to(incoming).parents):
            continue
        left = path.name.startswith(".") or path.suffix in UNFINISHED or path.name == "README.md"
        if left or path.is_symlink() or not path.is_file():
            continue
        if now - path.stat().st_mtime > SETTLED_SECONDS:
            yield f"queue: {path.name!r} stays in data/incoming"


def _tags(reader: Reader, name: str) -> list[Any]:
    question = f"SELECT version, value FROM model_version_tags WHERE key = '{name}'"
    return reader.ask("mlflow.db", question)


def _texts(reader: Reader) -> dict[str, str]:
    """Return the text of every stored item, by the item's digest; texts that look alike are one."""
    data, found = reader.root / "data", {}
    for path in [*data.glob("batches/**/items.jsonl"), *data.glob("holdout/*.jsonl")]:
        found |= reader.kept.parsed(path, _items)
    return found


def _items(data: bytes) -> dict[str, str]:
    rows = [json.loads(line) for line in data.splitlines()]
    return {_item_digest(row["text"], row["label"]): _plain(row["text"]) for row in rows}


def _item_digest(text: str, label: str) -> str:
    both = [unicodedata.normalize("NFC", value) for value in (text, label)]
    line = json.dumps(both, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in text.casefold())
    return " ".join(words.split())
