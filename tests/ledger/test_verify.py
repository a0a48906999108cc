"""Any changed byte is found; what follows from the events is always the same."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import Corrupted, RatchetError
from components.ledger import schema, views
from components.ledger.events import CandidateJudged
from components.ledger.ledger import Ledger
from components.ledger.projections import FINAL, RULES
from components.ledger.verify import rebuild, verify
from tests.ledger.story import FULL, STORIES, Ticking, contents, fast_folder, raw, tell

COLUMNS = [column.name for column in schema.events.columns]
PROJECTIONS = [table.name for table in schema.projections]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a long story; tests change copies of it."""
    path = tmp_path_factory.mktemp("told") / "ratchet.db"
    with fast_folder() as folder:
        tell(Ledger(folder / "ratchet.db", Ticking()), FULL)
        shutil.copy(folder / "ratchet.db", path)
    return path


@pytest.fixture
def copy(told: Path, path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copy(told, path))


def opened(path: Path) -> Ledger:
    return Ledger(path, Ticking())


def test_the_long_story_fills_every_projection_and_verifies(copy: Path) -> None:
    found = contents(copy)
    assert {name: bool(found[name]) for name in PROJECTIONS} == dict.fromkeys(PROJECTIONS, True)
    kinds = {event.kind for event in views.events(opened(copy))}
    assert kinds > {kind.about.name for kind in RULES if kind is not CandidateJudged}
    assert {version.status for version in views.versions(opened(copy))} >= {*FINAL, "held"}
    verified = verify(opened(copy))
    assert verified.events == len(FULL) == len(found["events"])
    assert verified.head == views.events(opened(copy))[-1].hash


@settings(max_examples=40, deadline=None)
@given(STORIES)
def test_whatever_happened_the_projections_follow_from_the_events_alone(
    story: list[tuple[int, int, str]],
) -> None:
    with fast_folder() as folder:
        path = folder / "ratchet.db"
        ledger = opened(path)
        tell(ledger, story)
        before = contents(path)
        assert verify(ledger).events == len(story)
        with raw(path) as connection:
            for name in PROJECTIONS:
                connection.execute(f"DROP TABLE {name}")
        assert rebuild(ledger) == len(story)
        assert contents(path) == before
        assert sum(version.status == "champion" for version in views.versions(ledger)) <= 1


def test_the_same_story_twice_gives_the_same_head(path: Path) -> None:
    heads = set()
    for name in ("a", "b"):
        ledger = opened(path.parent / name / path.name)
        tell(ledger, FULL)
        heads.add(verify(ledger).head)
    assert len(heads) == 1


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_single_changed_byte_of_any_value_of_any_event_is_found(
    told: Path, data: st.DataObject
) -> None:
    seq = data.draw(st.integers(1, len(FULL)), "event")
    column = data.draw(st.sampled_from(COLUMNS[1:]), "column")
    as_blob = data.draw(st.booleans(), "stored as a BLOB")
    with fast_folder() as folder:
        path = Path(shutil.copy(told, folder / "ratchet.db"))
        with raw(path) as connection:
            where = f"FROM events WHERE seq = {seq}"
            (value,) = connection.execute(f"SELECT CAST({column} AS BLOB) {where}").fetchone()
            at = data.draw(st.integers(0, len(value) - 1), "byte")
            mask = data.draw(st.integers(1, 255), "mask")
            changed = value[:at] + bytes([value[at] ^ mask]) + value[at + 1 :]
            new = "?" if as_blob else "CAST(? AS TEXT)"
            connection.execute(f"UPDATE events SET {column} = {new} WHERE seq = {seq}", [changed])
        with pytest.raises(Corrupted, match=f"Event {seq} of the ledger"):
            verify(opened(path))
        with pytest.raises(Corrupted):
            rebuild(opened(path))


Change = Callable[[sqlite3.Connection], object]

DAMAGES: dict[str, Change] = {
    "text turned into a BLOB of the same bytes": lambda db: db.execute(
        "UPDATE events SET kind = CAST(kind AS BLOB) WHERE seq = 3"
    ),
    "a letter case": lambda db: db.execute("UPDATE events SET hash = upper(hash) WHERE seq = 3"),
    "an event in the middle deleted": lambda db: db.execute("DELETE FROM events WHERE seq = 7"),
    "the last event deleted": lambda db: db.execute(
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)"
    ),
    "all events deleted": lambda db: db.execute("DELETE FROM events"),
    "an event moved": lambda db: db.execute("UPDATE events SET seq = 900 WHERE seq = 7"),
    "two events swapped": lambda db: db.executescript(
        "UPDATE events SET seq = 900 WHERE seq = 7; UPDATE events SET seq = 7 WHERE seq = 8;"
        "UPDATE events SET seq = 8 WHERE seq = 900"
    ),
    "the head deleted": lambda db: db.execute("DELETE FROM head"),
    "a second head": lambda db: db.execute("INSERT INTO head VALUES (999, 'x')"),
    "the head changed": lambda db: db.execute("UPDATE head SET hash = upper(hash)"),
    "events renamed": lambda db: db.execute("ALTER TABLE events RENAME TO old"),
    "events dropped": lambda db: db.execute("DROP TABLE events"),
    "a column renamed": lambda db: db.execute("ALTER TABLE events RENAME payload TO body"),
    "a trigger on events": lambda db: db.execute(
        "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM inbox; END"
    ),
    "leases dropped": lambda db: db.execute("DROP TABLE leases"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_events_are_found_and_never_rebuilt_from(damage: str, copy: Path) -> None:
    with raw(copy) as connection:
        DAMAGES[damage](connection)
    with pytest.raises(Corrupted) as caught:
        verify(opened(copy))
    assert "backup" in caught.value.remedy
    before = contents(copy)
    if "trigger" not in damage and "leases" not in damage:  # these leave the events whole
        with pytest.raises(Corrupted):
            rebuild(opened(copy))
        assert contents(copy) == before


TAMPERED = {
    "a champion of one's own": "UPDATE versions SET status = 'champion' WHERE status = 'barred'",
    "a batch smuggled in": "INSERT INTO trained VALUES ('k', 'b')",
    "a holdout item removed": "DELETE FROM holdout WHERE rowid = (SELECT min(rowid) FROM holdout)",
    "an intent removed": "DELETE FROM open_intents",
    "a number as text": "UPDATE quarantine SET rows = 'x' || rows",
    "text as a BLOB": "UPDATE inbox SET source = CAST(source AS BLOB)",
    "no UTF-8": "UPDATE inbox SET source = CAST(x'ff' AS TEXT)",
    "former made champion": "UPDATE versions SET status = 'champion' WHERE status = 'former'",
    "a table renamed": "ALTER TABLE splits RENAME TO splitz",
    "a table dropped": "DROP TABLE pointer",
    "a column more": "ALTER TABLE inbox ADD COLUMN more TEXT",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON inbox BEGIN DELETE FROM versions; END",
}


@pytest.mark.parametrize("change", TAMPERED)
def test_tampered_projections_are_found_and_rebuilt(change: str, copy: Path) -> None:
    before = contents(copy)
    with raw(copy) as connection:
        connection.execute(TAMPERED[change])
    with pytest.raises(Corrupted) as caught:
        verify(opened(copy))
    assert "--rebuild" in caught.value.remedy
    assert rebuild(opened(copy)) == len(FULL)
    assert {name: rows for name, rows in contents(copy).items() if name in before} == before
    verify(opened(copy))


def test_people_may_add_views_and_tables_of_their_own(copy: Path) -> None:
    with raw(copy) as connection:
        connection.execute("CREATE VIEW mine AS SELECT * FROM events")
        connection.execute("ANALYZE")
    verify(opened(copy))


def damaged_or_unchanged(path: Path, whole: dict[str, object]) -> bool:
    """Return whether damage was reported; if it was not, the content must be unchanged."""
    try:
        verify(opened(path))
    except RatchetError:
        return True
    assert contents(path) == whole
    return False


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_flipped_byte_of_the_file_is_found_or_changes_nothing(
    every: int, told: Path, path: Path
) -> None:
    whole, data = told.read_bytes(), bytearray(told.read_bytes())
    expected, pick = contents(told), random.Random(0)
    places = [*range(100), *(pick.randrange(len(data)) for _ in range(150))][::every]
    found = 0
    for place in places:
        data[place] ^= 1 << pick.randrange(8)
        path.write_bytes(data)
        found += damaged_or_unchanged(path, expected)
        data[place] = whole[place]
        for side in ("-journal", "-wal", "-shm"):
            Path(f"{path}{side}").unlink(missing_ok=True)
    assert found > len(places) / 4


def test_every_event_that_lies_in_the_file_is_guarded_byte_by_byte(told: Path, path: Path) -> None:
    whole = told.read_bytes()
    payload = views.events(opened(told))[4].payload.encode()
    start = whole.index(payload)
    for place in range(start, start + len(payload)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(Corrupted):
            verify(opened(path))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_off_is_damage_and_never_a_new_ledger(share: float, copy: Path) -> None:
    data = copy.read_bytes()
    copy.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Corrupted, match=r"backup|verify"):
        verify(opened(copy))


def test_a_ledger_that_is_written_to_meanwhile_verifies(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, writer = opened(copy), opened(copy)
    from components.ledger import verify as module

    check, written = module._check_tables, []

    def write_and_check(*arguments: object) -> None:
        check(*arguments)
        try:
            with raw(copy) as connection:
                connection.execute("PRAGMA busy_timeout = 0")
                connection.execute("DELETE FROM inbox")
        except sqlite3.OperationalError as error:
            written.append(str(error))

    monkeypatch.setattr(module, "_check_tables", write_and_check)
    assert verify(ledger).events == len(FULL)
    assert written == ["database is locked"]  # the reader holds one instant until it has read all
    assert verify(writer).events == len(FULL)
