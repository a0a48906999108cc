"""What may be changed behind Ratchet's back: one row a change, each of one kind.

Concept: a change is a function from the root to the words that a finding must name. `deep` says
that only `--deep` has to find it. Those that only a head noted elsewhere can show stand apart, in
`UNPROVABLE`: the audit must not claim to find them.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from components.digest import json_digest
from components.ledger import schema
from tests.audit import rich
from tests.audit.changing import (
    added,
    at,
    bundle_of,
    cut,
    document_of,
    entry_of,
    exam_of,
    flipped,
    gone,
    grown,
    items_of,
    kept_of,
    linked,
    listing_of,
    raw_of,
    reworded,
    row,
    swapped,
)

CACHE, REMOTE = ".dvc/cache", "data/remote"


# The ledger: events, head, projections, tables, file.


def ledger(root: Path, *statements: str) -> str:
    with closing(sqlite3.connect(root / "mlruns" / "ratchet.db")) as database, database:
        for statement in statements:
            changed = database.execute(statement).rowcount
            assert changed != 0, statement
    return "ledger"


EVENTS = {
    "seq": "seq = 900 WHERE seq = 9",
    "time": "time = replace(time, '20', '19') WHERE seq = 9",
    "kind": "kind = 'batch.started ' WHERE seq = 9",
    "payload": "payload = payload || ' ' WHERE seq = 9",
    "previous": "previous = upper(previous) WHERE seq = 9",
    "hash": "hash = upper(hash) WHERE seq = 9",
    "kind stored as bytes": "kind = CAST(kind AS BLOB) WHERE seq = 9",
    "payload that is not JSON": "payload = 'x' WHERE seq = 9",
}
for column, assignment in EVENTS.items():
    row("ledger", f"event: {column}", ledger, f"UPDATE events SET {assignment}")
LAST = "(SELECT max(seq) FROM events)"
for name, statement in {
    "an event in the middle deleted": "DELETE FROM events WHERE seq = 9",
    "the last event deleted": f"DELETE FROM events WHERE seq = {LAST}",
    "all events deleted": "DELETE FROM events",
    "an event invented at the end": "INSERT INTO events SELECT seq + 1, time, kind, payload, hash,"
    f" hash FROM events WHERE seq = {LAST}",
    "head: number": "UPDATE head SET seq = seq - 1",
    "head: hash": "UPDATE head SET hash = upper(hash)",
    "head: deleted": "DELETE FROM head",
    "head: a second one": "INSERT INTO head VALUES (9999, 'x')",
    "inbox: a batch's status": "UPDATE inbox SET status = 'promoted' WHERE status = 'refused'",
    "inbox: a batch deleted": "DELETE FROM inbox WHERE status = 'refused'",
    "versions: another champion": "UPDATE versions SET status = 'champion' WHERE status = 'barred'",
    "versions: another bundle": "UPDATE versions SET bundle = upper(bundle)",
    "versions: anchors": "UPDATE versions SET anchors = '{}' WHERE status = 'champion'",
    "pointer: a move deleted": "DELETE FROM pointer WHERE how = 'rollback' OR seq ="
    " (SELECT max(seq) FROM pointer)",
    "splits: a side": "UPDATE splits SET side = 'holdout' WHERE rowid = 1",
    "holdout: an item deleted": "DELETE FROM holdout WHERE item = (SELECT min(item) FROM holdout)",
    "holdout: another exam": "UPDATE holdout SET exam = 'mine'",
    "exam_use: a candidate turned away": "UPDATE exam_use SET turned_away = 1 - turned_away",
    "quarantine: a status": "UPDATE quarantine SET status = 'released' WHERE status = 'kept'",
    "choices: a value": "INSERT INTO choices VALUES ('training.precision', '\"bfloat16\"', 'x')",
    "trained: a bundle smuggled in": "INSERT INTO trained VALUES ('k', 'b')",
    "open intents: one invented": "INSERT INTO open_intents VALUES ('k', 'store.begun', '{}')",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON inbox BEGIN DELETE FROM versions; END",
    "an index dropped": f"DROP INDEX {next(iter(schema.inbox.indexes)).name}",
    "a table dropped": "DROP TABLE pointer",
    "a column more": "ALTER TABLE inbox ADD COLUMN more TEXT",
    "a column renamed": "ALTER TABLE events RENAME payload TO body",
    "layout number of a newer Ratchet": "PRAGMA user_version = 99",
    "layout number of no ledger": "PRAGMA user_version = 0",
    "leases: a lease that makes no sense": "UPDATE leases SET expires = 'never'",
}.items():
    row("ledger", name, ledger, statement)
row("ledger", "the file cut off", lambda root: _halved(root / "mlruns" / "ratchet.db"))
row("ledger", "the file gone", lambda root: gone(root / "mlruns" / "ratchet.db"))


def _halved(path: Path) -> str:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "ledger"


# Documents and settings.

DOCUMENTS = {
    "evidence": ("candidate.examined", "evidence"),
    "snapshot": ("snapshot.taken", "snapshot"),
    "checks": ("batch.validated", "checks"),
    "settings of a decision": ("candidate.examined", "settings"),
}
for name, (kind, key) in DOCUMENTS.items():
    row(
        "documents",
        f"{name}: changed",
        lambda r, *where: flipped(document_of(r, *where)),
        kind,
        key,
    )
    row("documents", f"{name}: gone", lambda r, *where: gone(document_of(r, *where)), kind, key)
row(
    "documents", "evidence and snapshot swapped",
    lambda r: swapped(*(document_of(r, *DOCUMENTS[name]) for name in ("evidence", "snapshot"))),
)  # fmt: skip


def setting(root: Path, line: str, name: str) -> str:
    """Write one more line of settings; return the field's full name."""
    with (root / "params.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    return name


for line, name in {
    "gate: {margin_points: 5}": "gate.margin_points",
    "gate: {floor_points: 1}": "gate.floor_points",
    "gate: {alpha: 0.2}": "gate.alpha",
    "seed: 99": "seed",
}.items():
    row("settings", f"params.yaml: {name}", setting, line, name)
row(
    "settings", "params.yaml: holdout.fraction",
    lambda r: reworded(r / "params.yaml", "holdout: {", "holdout: {fraction: 0.5, ")
    and "holdout.fraction",
)  # fmt: skip
row(
    "settings", "params.yaml: a field dropped",
    lambda r: reworded(r / "params.yaml", "epochs: 6, ", "") and "training.epochs",
)  # fmt: skip


# Data: batches, exams, quarantine, copies.

for what, find in {"raw bytes": raw_of, "items": items_of}.items():
    for name, do in {"changed": flipped, "cut": cut, "gone": gone, "a link": linked}.items():
        row("data", f"{what} of a promoted batch: {name}",
            lambda r, do, find: do(find(r, "first.jsonl")), do, find)  # fmt: skip
    row("data", f"{what} of two batches swapped",
        lambda r, find: swapped(find(r, "first.jsonl"), find(r, "second.jsonl")), find)  # fmt: skip
    for source in ("turned.jsonl", "third.jsonl", "held.jsonl"):
        row("data", f"{what} of {source.partition('.')[0]}: changed",
            lambda r, find, source: flipped(find(r, source)), find, source)  # fmt: skip
for source in ("few.jsonl", "garbled.parquet"):
    for name, do in {"changed": flipped, "gone": gone}.items():
        row("data", f"raw bytes of refused {source}: {name}",
            lambda r, do, source: do(raw_of(r, source)), do, source)  # fmt: skip
row("data", "a label of an item turned round",
    lambda r: reworded(items_of(r, "first.jsonl"), '"pos"', '"neg"'))  # fmt: skip
for name, do in {
    "changed": flipped,
    "cut": cut,
    "one line more": grown,
    "gone": gone,
    "a link": linked,
}.items():
    row("data", f"exam: {name}", lambda r, do: do(exam_of(r)), do)
row("data", "a file beside a batch", lambda r: added(raw_of(r, "first.jsonl").with_name("raw.csv")))
row("data", "a batch that never arrived",
    lambda r: added(at(r).batches / "ff" / ("f" * 64) / "items.jsonl"))  # fmt: skip
row("data", "an exam that nobody brought", lambda r: added(at(r).holdouts / f"{'e' * 64}.jsonl"))
for place, name in {CACHE: "cache", REMOTE: "remote"}.items():
    for what, find in {"items": lambda r: items_of(r, "first.jsonl"), "exam": exam_of}.items():
        for done, do in {"changed": flipped, "cut": cut, "gone": gone}.items():
            row("data", f"{name}: copy of {what} {done}",
                lambda r, do, at_, find: do(kept_of(r, at_, find(r))), do, place, find)  # fmt: skip
    row("data", f"{name}: gone as a whole", lambda r, place: gone(r / place), place)
    row("data", f"{name}: a listing changed",
        lambda r, place: flipped(listing_of(r, place, "data/holdout.dvc")), place)  # fmt: skip
row("data", "hint: names another listing",
    lambda r: reworded(r / "data" / "holdout.dvc", "md5: ", "md5: 0"))  # fmt: skip
row("data", "hint: counts other files",
    lambda r: reworded(r / "data" / "batches.dvc", "nfiles: 2", "nfiles: 3"))  # fmt: skip
row("data", "hint: gone", lambda r: gone(r / "data" / "batches.dvc"))


def about(root: Path, source: str) -> Path:
    return entry_of(root, source) / "about.json"


row("quarantine", "the reason of a refusal",
    lambda r: reworded(about(r, "few.jsonl"), '"reason":"', '"reason":"not '))  # fmt: skip
row("quarantine", "what a rollback said", lambda r: flipped(about(r, "third.jsonl")))
row(
    "quarantine",
    "what is said of a file that can't be read",
    lambda r: flipped(about(r, "garbled.parquet")),
)
row("quarantine", "about.json gone", lambda r: gone(about(r, "turned.jsonl")))
row("quarantine", "an entry gone", lambda r: gone(entry_of(r, "turned.jsonl")))
row("quarantine", "a rejected row changed",
    lambda r: flipped(entry_of(r, "first.jsonl") / "rows.jsonl"))  # fmt: skip
row("quarantine", "the rejected rows gone",
    lambda r: gone(entry_of(r, "first.jsonl") / "rows.jsonl"))  # fmt: skip
row("quarantine", "a rejected row left out",
    lambda r: cut(entry_of(r, "first.jsonl") / "rows.jsonl"))  # fmt: skip
row("quarantine", "rows invented", lambda r: added(entry_of(r, "few.jsonl") / "rows.jsonl"))
row(
    "quarantine", "an entry invented", lambda r: added(at(r).quarantine / ("a" * 64) / "about.json")
)


# Bundles of versions in every status.

FILES = (
    "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "head.safetensors",
    "labels.json", "memory.json", "state.json", "strategy.json", "manifest.json",
)  # fmt: skip


def in_bundle(root: Path, status: str, name: str, do: Callable[[Path], str]) -> str:
    return do(bundle_of(root, status) / name)


for file in FILES:
    row("bundles", f"champion's {file}: changed", in_bundle, "champion", file, flipped)
for status in ("former", "rejected", "barred", "held"):
    for file in ("head.safetensors", "labels.json"):
        row("bundles", f"{file} of a {status} version: changed", in_bundle, status, file, flipped)
    row(
        "bundles", f"bundle of a {status} version: gone", lambda r, s: gone(bundle_of(r, s)), status
    )
for name, do in {"gone": gone, "one byte more": grown, "a link": linked}.items():
    row("bundles", f"champion's head: {name}", in_bundle, "champion", "head.safetensors", do)
row(
    "bundles",
    "a file that the manifest does not list",
    in_bundle,
    "champion",
    "adapter/more.bin",
    added,
)
row("bundles", "bundles of champion and parent swapped",
    lambda r: swapped(bundle_of(r, "champion"), bundle_of(r, "former")))  # fmt: skip
row(
    "bundles", "heads of champion and rejected version swapped",
    lambda r: swapped(*(bundle_of(r, s) / FILES[2] for s in ("champion", "rejected"))),
)  # fmt: skip


# Kept answers.


def scores(root: Path, statement: str) -> str:
    with closing(sqlite3.connect(root / "mlruns" / "scores.db")) as database, database:
        assert database.execute(statement).rowcount != 0
    return "scores.db"


INVERTED = "CASE label WHEN 'pos' THEN 'neg' ELSE 'pos' END"


def forged(root: Path, where: str) -> str:
    """Turn answers round and write digests that fit them."""
    with closing(sqlite3.connect(root / "mlruns" / "scores.db")) as database, database:
        database.execute(f"UPDATE scored SET label = {INVERTED} {where}")
        for bundle, item, *answer in database.execute("SELECT * FROM scored").fetchall():
            digest = json_digest([bundle, item, *answer[:3]])
            change = "UPDATE scored SET digest = ? WHERE bundle = ? AND item = ?"
            database.execute(change, (digest, bundle, item))
    return "scores.db"


ONE = "WHERE (bundle, item) = (SELECT bundle, item FROM scored ORDER BY item LIMIT 1)"
for name, statement in {
    "all labels turned round": f"UPDATE scored SET label = {INVERTED}",
    "one label turned round": f"UPDATE scored SET label = {INVERTED} {ONE}",
    "a confidence": f"UPDATE scored SET confidence = confidence / 2 {ONE}",
    "a Brier score": f"UPDATE scored SET brier = brier + 0.1 {ONE}",
    "a number dropped": f"UPDATE scored SET brier = NULL {ONE}",
    "moved to another item": f"UPDATE scored SET item = 'a' {ONE}",
    "moved to another version": f"UPDATE scored SET bundle = 'a' {ONE}",
    "a digest": f"UPDATE scored SET digest = upper(digest) {ONE}",
}.items():
    row("scores", name, scores, statement)
row("scores", "all turned round, with digests that fit", forged, "", deep=True)
row("scores", "one turned round, with a digest that fits", forged, ONE, deep=True)
row("scores", "the file is no database",
    lambda r: (r / "mlruns" / "scores.db").write_bytes(b"none\n" * 2000) and "scores")  # fmt: skip


# The base model.


def in_base(root: Path, name: str, do: Callable[[Path], str]) -> str:
    do(root / "base" / name)
    return "base"


for file in ("model.safetensors", "config.json", "tokenizer.json"):
    row("base", f"{file}: changed", in_base, file, flipped)
    row("base", f"{file}: gone", in_base, file, gone)
row("base", "a second file of weights", in_base, "more.safetensors", added)
row("base", "gone as a whole", in_base, "", gone)


# What fits together in itself.


def rebuilt(root: Path) -> None:
    """Write another reason for a refusal, and a chain, a head and projections that fit it."""

    def change(kind: str, payload: dict[str, Any]) -> None:
        if kind == "batch.refused":
            payload["reason"] = f"never {payload['reason']}"

    rich.rewrite(root, change)


def older(root: Path, before: Path) -> None:
    """Put an older copy of everything in its place."""
    shutil.rmtree(root)
    shutil.copytree(before, root, symlinks=True)
