"""An append is all or nothing: fenced, chained, and followed by what it means."""

from __future__ import annotations

import json
import multiprocessing
import resource
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.clock import system_clock
from components.errors import ConfigError, Corrupted, Retryable
from components.ledger import layout, schema, views
from components.ledger.events import (
    AliasMirrored,
    BatchArrived,
    ChampionRolledBack,
    VersionHeld,
    VersionRejected,
    VersionSuperseded,
)
from components.ledger.ledger import Lease, Ledger
from components.ledger.projections import Superseded
from components.ledger.verify import verify
from tests.ledger import story
from tests.ledger.story import Ticking, contents, digest, promote, promotion, raw, register

SPAWN = multiprocessing.get_context("spawn")


def arrival(number: int, source: str = "a.csv") -> BatchArrived:
    return story.arrival(digest(number), source)


def append_many(path: Path, first: int) -> None:
    ledger = Ledger(path, system_clock)
    for number in range(first, first + 100):
        ledger.append(arrival(number), None)


def test_two_processes_that_append_at_once_give_one_unbroken_chain(path: Path) -> None:
    writers = [SPAWN.Process(target=append_many, args=(path, first)) for first in (0, 1000)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    ledger = Ledger(path, system_clock)
    assert verify(ledger).events == 200
    assert len(views.waiting(ledger)) == 200
    assert [event.seq for event in views.events(ledger)] == list(range(1, 201))


def test_an_event_carries_the_clock_and_chains_to_the_one_before(ledger: Ledger) -> None:
    first = ledger.append(arrival(1), None)
    second = ledger.append(arrival(2), None)
    assert (first.seq, second.seq) == (1, 2)
    assert first.previous == "0" * 64 and second.previous == first.hash
    assert first.time < second.time
    assert views.events(ledger) == [first, second]


def test_only_arrivals_may_be_appended_without_a_lease(ledger: Ledger, path: Path) -> None:
    with pytest.raises(ValueError, match="needs a lease"):
        ledger.append(promotion(1, None), None)
    assert contents(path)["events"] == []


def test_a_writer_that_was_overtaken_fails_and_writes_nothing(
    path: Path, ledger: Ledger, clock: Ticking
) -> None:
    with ledger.lease("model", 0) as stale:
        promote(ledger, stale, 1, None)
        with raw(path) as connection:  # the holder is another machine's, and its time ran out
            past = "2020-01-01T00:00:00+00:00"
            connection.execute("UPDATE leases SET holder = 'elsewhere:1:1', expires = ?", [past])
        with Ledger(path, clock).lease("model", 0) as fresh:
            assert fresh.token == stale.token + 1
            before = contents(path)
            with pytest.raises(Retryable, match="no longer"):
                ledger.append(VersionHeld(version=1, batch="b", reason=""), stale)
            held = ledger.query(schema.leases.select())
            ledger.renew(stale)
            assert contents(path) == before
            assert ledger.query(schema.leases.select()) == held
            ledger.append(AliasMirrored(alias="champion", version=1), fresh)


def test_a_lease_that_was_given_back_lets_nothing_pass(ledger: Ledger) -> None:
    with ledger.lease("model", 0) as lease:
        pass
    with pytest.raises(Retryable, match="nobody"):
        ledger.append(AliasMirrored(alias="champion", version=1), lease)
    with pytest.raises(Retryable):
        ledger.append(AliasMirrored(alias="champion", version=1), Lease("never held", 1))


def test_a_promotion_whose_parent_is_not_champion_is_superseded_and_writes_nothing(
    ledger: Ledger, path: Path
) -> None:
    with ledger.lease("model", 0) as lease:
        promote(ledger, lease, 1, None)
        register(ledger, lease, 2, 1)
        promote(ledger, lease, 3, 1)
        before = contents(path)
        for parent in (1, None, 3):  # 3 is champion now, but version 2 was not trained from it
            with pytest.raises(Superseded, match="version 3 is champion now"):
                ledger.append(promotion(2, parent), lease)
        assert contents(path) == before
    assert [version.version for version in views.lineage(ledger)] == [3, 1]


def test_a_version_rolled_past_is_barred_for_ever(ledger: Ledger, path: Path) -> None:
    with ledger.lease("model", 0) as lease:
        promote(ledger, lease, 1, None)
        batch = promote(ledger, lease, 2, 1)
        ledger.append(rollback(1, [2]), lease)
        decision: dict[str, Any] = {"version": 2, "batch": batch, "reason": ""}
        ledger.append(VersionHeld(**decision), lease)
        ledger.append(VersionRejected(**decision, rows=1), lease)
        ledger.append(VersionSuperseded(**decision, requeue=True), lease)
        before = contents(path)
        for version in (1, 2):
            with pytest.raises(ConfigError, match="can't be promoted again"):
                ledger.append(promotion(version, 1), lease)
        assert contents(path) == before
    assert [version.status for version in views.versions(ledger)] == ["champion", "barred"]


def rollback(to: int, barred: list[int]) -> ChampionRolledBack:
    requeued = [digest("batch", version) for version in barred[1:]]
    offending = digest("batch", barred[0]) if barred else None
    return story.rolled_back(to, barred, requeued, offending)


def test_a_rollback_must_bar_exactly_what_came_after_its_goal(ledger: Ledger, path: Path) -> None:
    with ledger.lease("model", 0) as lease:
        promote(ledger, lease, 1, None)
        promote(ledger, lease, 2, 1)
        promote(ledger, lease, 3, 2)
        register(ledger, lease, 4, 3)
        before = contents(path)
        for to, barred in ((1, [2]), (1, [3]), (2, [2, 3]), (3, []), (4, [3]), (9, [])):
            with pytest.raises(Superseded, match="The champion changed after"):
                ledger.append(rollback(to, barred), lease)
        assert contents(path) == before
        ledger.append(rollback(1, [2, 3]), lease)
    assert [version.version for version in views.lineage(ledger)] == [1]
    assert {item.source for item in views.held_items(ledger)} == {digest("batch", 1)}
    assert views.arrival(ledger, digest("batch", 2)).status == "quarantined"  # type: ignore[union-attr]
    assert views.arrival(ledger, digest("batch", 3)).status == "queued"  # type: ignore[union-attr]


def test_what_is_held_out_already_does_not_join_an_exam_twice(ledger: Ledger) -> None:
    with ledger.lease("model", 0) as lease:
        batch = register(ledger, lease, 1, None)
        exam = replace(story.brought("k", "mood", "s"), items=[(batch, batch)])
        ledger.append(exam, lease)
        ledger.append(promotion(1, None), lease)
    assert [(item.item, item.source) for item in views.held_items(ledger)] == [(batch, "s")]


def test_the_same_arrival_twice_is_a_passing_fault_and_writes_nothing(
    ledger: Ledger, path: Path
) -> None:
    ledger.append(arrival(1), None)
    before = contents(path)
    with pytest.raises(Retryable, match="already has this"):
        ledger.append(arrival(1), None)
    assert contents(path) == before
    verify(ledger)


def test_a_rule_that_fails_leaves_no_event_behind(ledger: Ledger, path: Path) -> None:
    with ledger.lease("model", 0) as lease, pytest.raises(Corrupted, match="contradicts itself"):
        ledger.append(promotion(1, None), lease)  # it was never registered
    assert contents(path)["events"] == []
    verify(ledger)


@pytest.mark.parametrize("source", ["caf\udce9.csv", "a\0b", "'; DROP TABLE events; --", "😀"])
def test_any_file_name_can_be_recorded(ledger: Ledger, source: str) -> None:
    event = ledger.append(arrival(1, source), None)
    verify(ledger)
    shown = views.arrivals(ledger)[0].source
    assert shown == json.loads(event.payload)["source"]
    assert shown == source.replace("\udce9", r"\udce9")


def test_numbers_that_json_does_not_know_are_refused(ledger: Ledger, path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        ledger.append(replace(arrival(1), raw={"size": float("nan")}), None)
    assert contents(path)["events"] == []


def test_a_locked_ledger_is_a_passing_fault(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.ledger.database.BUSY_SECONDS", 0.1)
    with raw(path) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Retryable, match="locked"):
            ledger.append(arrival(1), None)
        with pytest.raises(Retryable, match="locked"):
            views.waiting(ledger)
    ledger.append(arrival(1), None)


def test_a_second_writer_waits_before_it_reads_anything(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.ledger.database.BUSY_SECONDS", 0.1)
    with ledger.writing(), pytest.raises(Retryable, match="locked"), ledger.writing():
        pass


def fill_the_disk(path: Path) -> None:
    ledger = Ledger(path, system_clock)
    size = path.stat().st_size
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        for number in range(100):
            ledger.append(arrival(number, "x" * 1000), None)
    except Retryable as error:
        raise SystemExit(7 if "can't be used" in error.message else 1) from None


def test_a_full_disk_is_a_passing_fault_and_the_ledger_still_verifies(path: Path) -> None:
    child = SPAWN.Process(target=fill_the_disk, args=(path,))
    child.start()
    child.join()
    assert child.exitcode == 7
    verify(Ledger(path, system_clock))


def test_a_ledger_that_was_taken_away_is_not_made_anew(ledger: Ledger, path: Path) -> None:
    path.unlink()
    with pytest.raises(Retryable, match="can't be used"):
        ledger.append(arrival(1), None)
    assert not path.exists()


def test_two_champions_are_damage_not_a_traceback(ledger: Ledger, path: Path) -> None:
    with ledger.lease("model", 0) as lease:
        promote(ledger, lease, 1, None)
        promote(ledger, lease, 2, 1)
        register(ledger, lease, 3, 2)
        with raw(path) as connection:
            connection.execute("UPDATE versions SET status = 'champion' WHERE version < 3")
        with pytest.raises(Corrupted, match="contradicts itself"):
            ledger.append(promotion(3, 2), lease)


@pytest.mark.parametrize("name", ["what?", "50%25", "a#b", "ünï cödé", "a;b"])
def test_a_folder_may_have_any_name(path: Path, name: str) -> None:
    odd = path.parent / name / "ratchet.db"
    Ledger(odd, system_clock).append(arrival(1), None)
    assert len(contents(odd)["events"]) == 1
    assert verify(Ledger(odd, system_clock)).events == 1


def test_what_is_no_ledger_is_refused_by_name(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(Corrupted, match=path.name):
        Ledger(path, system_clock)
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE theirs (x)")
    with pytest.raises(Corrupted, match="not a ledger"):
        Ledger(path, system_clock)
    path.unlink()
    path.mkdir()
    with pytest.raises(Retryable, match=path.name):
        Ledger(path, system_clock)


def test_processes_that_make_the_ledger_at_once_agree(path: Path) -> None:
    with SPAWN.Pool(2) as pool:
        pool.starmap(append_one, [(path, number) for number in range(8)])
    assert verify(Ledger(path, system_clock)).events == 8


def append_one(path: Path, number: int) -> None:
    Ledger(path, system_clock).append(arrival(number), None)


def test_a_ledger_of_a_newer_ratchet_is_refused(ledger: Ledger, path: Path) -> None:
    with raw(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"layout 99.*up to 6"):
        Ledger(path, system_clock)
    assert path.read_bytes() == before


MIGRATION = layout.Migration(
    layout.newest() + 1,
    "leases say why they are held",
    ("ALTER TABLE leases ADD COLUMN why TEXT DEFAULT ''",),
)


def test_an_older_ledger_is_taken_to_the_new_layout_with_all_its_events(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.lease("model", 0) as lease:
        promote(ledger, lease, 1, None)
    before = contents(path)
    with raw(path) as connection:  # an older Ratchet had a projection of another form
        connection.execute("ALTER TABLE inbox DROP COLUMN version")
    monkeypatch.setattr(layout, "MIGRATIONS", (*layout.MIGRATIONS, MIGRATION))
    again = Ledger(path, system_clock)
    assert contents(path) == before
    with raw(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (MIGRATION.number,)
        assert connection.execute("SELECT why FROM leases").fetchall() == [("",)]
    verify(again)
    with again.lease("model", 0) as lease:
        assert lease.token == 2
        promote(again, lease, 2, 1)


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.lease("model", 0) as lease:
        promote(ledger, lease, 1, None)
    before = path.read_bytes()
    broken = layout.Migration(
        MIGRATION.number, "broken", ("CREATE TABLE more (x)", "CREATE TABLE events (x)")
    )
    with monkeypatch.context() as patch:
        patch.setattr(layout, "MIGRATIONS", (*layout.MIGRATIONS, broken))
        with pytest.raises(Corrupted, match="already exists"):
            Ledger(path, system_clock)
    assert path.read_bytes() == before
    verify(Ledger(path, system_clock))


def test_the_migrations_are_numbered_from_one_and_give_the_tables_of_the_schema() -> None:
    numbers = [migration.number for migration in layout.MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    with layout.scratch() as connection:
        for table in schema.metadata.sorted_tables:
            found = connection.exec_driver_sql(f"PRAGMA table_info({table.name})").all()
            wanted = [
                (column.name, str(column.type), not column.nullable, column.primary_key)
                for column in table.columns
            ]
            assert [(row[1], row[2], bool(row[3]), bool(row[5])) for row in found] == wanted
