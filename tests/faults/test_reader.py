"""The independent reader: it finds each law broken, and nothing on a sound root."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.arrivals import Maker, jsonl
from tests.faults.book import Book, rows_in
from tests.faults.reader import Reader
from tests.stream import add_exam, make_root, settle

Root = Path


@pytest.fixture(scope="module")
def sound_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with an exam and a promoted batch, three rows of which were rejected."""
    root = make_root(tmp_path_factory.mktemp("sound") / "root")
    make = Maker(1, 1, random.Random(1))
    (root / "exam.jsonl").write_bytes(jsonl(make.rows(120)))
    add_exam(root, root / "exam.jsonl")
    rows = make.rows(120)
    for row in rows[:3]:
        row["label"] = None
    (root / "b1.jsonl").write_bytes(jsonl(rows))
    assert settle(root, root / "b1.jsonl").action == "promoted"
    return root


@pytest.fixture
def sound(sound_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_once, tmp_path / "root"))


def broken(root: Path) -> list[str]:
    """Return the laws that are broken, by the word before the colon."""
    book = Book()
    book.add("b1.jsonl", (root / "b1.jsonl").read_bytes())
    assert len(book.arrived) == 120
    found = Reader(root).broken(book, reconciled=True, drained=True, now=time.time())
    return sorted({each.partition(":")[0] for each in found})


def ask(root: Path, database: str, statement: str) -> None:
    with closing(sqlite3.connect(root / "mlruns" / database)) as connection:
        assert connection.execute(statement).rowcount != 0
        connection.commit()


def ledger(statement: str) -> Callable[[Root], None]:
    return lambda root: ask(root, "ratchet.db", statement)


def mlflow(statement: str) -> Callable[[Root], None]:
    return lambda root: ask(root, "mlflow.db", statement)


def one(root: Path, pattern: str) -> Path:
    return next(path for path in sorted(root.glob(pattern)) if path.is_file())


def forget_the_batch(root: Root) -> None:
    shutil.rmtree(one(root, "data/batches/*/*/raw.jsonl").parent)
    one(root, "data/quarantine/*/rows.jsonl").unlink()


def change_the_bundle(root: Root) -> None:
    path = one(root, "mlruns/bundles/*/head.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def keep_a_row_twice(root: Root) -> None:
    items = one(root, "data/batches/*/*/items.jsonl").read_text().splitlines()
    rejected = one(root, "data/quarantine/*/rows.jsonl")
    rejected.write_text(rejected.read_text() + '{"raw": ' + items[0] + "}\n")


def leave_a_file(root: Root) -> None:
    from tests.faults.simulation import age_file

    path = root / "data" / "incoming" / "mood" / "left.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    age_file(path)


def leave_a_part(root: Root) -> None:
    (root / "data" / "batches" / "x.jsonl.1-2.part").write_text("half")


def damage_the_copy(root: Root) -> None:
    path = one(root, "data/remote/files/md5/*/*[!r]")  # not a listing, `.dir`
    path.chmod(0o600)
    path.write_bytes(b"")


HELD_OUT = (
    "INSERT INTO holdout (exam, item, near, task, source, confirmed) "
    "SELECT 'mood', item, near, task, batch, 1 FROM splits WHERE side = 'train' LIMIT 1"
)
SECOND_TAG = (
    "INSERT INTO model_version_tags (key, value, name, version, workspace) "
    "SELECT key, value, name, 7, workspace FROM model_version_tags WHERE key = 'ratchet.key'"
)
BREAK: dict[str, tuple[str, Callable[[Root], None]]] = {
    "an event's payload": ("chain", ledger("UPDATE events SET payload = '{}' WHERE seq = 3")),
    "an event's time": ("chain", ledger("UPDATE events SET time = time || '0' WHERE seq = 3")),
    "the last event": ("chain", ledger("DELETE FROM events WHERE seq = (SELECT seq FROM head)")),
    "no champion": ("champion", ledger("UPDATE versions SET status = 'former'")),
    "another alias": ("alias", mlflow("UPDATE registered_model_aliases SET version = 9")),
    "no alias": ("alias", mlflow("DELETE FROM registered_model_aliases")),
    "no version": ("mirror", mlflow("DELETE FROM model_version_tags")),
    "a second version": ("versions", mlflow(SECOND_TAG)),
    "an unknown version": ("mirror", mlflow("UPDATE model_version_tags SET version = 8")),
    "a bundle": ("bundle", change_the_bundle),
    "an exam": ("wall", ledger(HELD_OUT)),
    "a half-made file": ("leftover", leave_a_part),
    "the inbox": ("queue", ledger("UPDATE inbox SET status = 'running'")),
    "a file not taken": ("queue", leave_a_file),
    "an open intent": ("interrupted", ledger("INSERT INTO open_intents VALUES ('k', 'x', '{}')")),
    "a row in two places": ("places", keep_a_row_twice),
    "the batch": ("lost", forget_the_batch),
    "the remote": ("copy", damage_the_copy),
}


def test_a_sound_root_breaks_no_law(sound: Path) -> None:
    assert broken(sound) == []


@pytest.mark.parametrize("what", BREAK)
def test_the_reader_finds_a_broken_law(what: str, sound: Path) -> None:
    law, damage = BREAK[what]
    damage(sound)
    assert law in broken(sound)


def test_a_file_without_rows_is_kept_byte_for_byte_or_lost(sound: Path) -> None:
    book = Book()
    book.add("noise.csv", b"\x80\x04noise")
    assert Reader(sound).broken(book, True, True, time.time()) != []
    (sound / "data" / "unknown").mkdir()
    (sound / "data" / "unknown" / "anything").write_bytes(b"\x80\x04noise")
    assert Reader(sound).broken(book, True, True, time.time()) == []


def test_a_row_is_known_by_its_word_in_whatever_case_and_form() -> None:
    assert rows_in('GOOD U1X2X3, "u1x2x4"\\n u1x2 x') == ["u1x2x3", "u1x2x4"]


def test_the_reader_imports_nothing_of_ratchet_and_not_mlflow() -> None:
    code = (
        "import sys, tests.faults.reader\n"
        "seen = {name.split('.')[0] for name in sys.modules}\n"
        "assert not seen & {'components', 'flows', 'mlflow', 'dvc', 'prefect'}, seen\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
