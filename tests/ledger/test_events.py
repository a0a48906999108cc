"""Whatever was ever written can be read; what a newer Ratchet wrote is never misread."""

from __future__ import annotations

import json
import lzma
import re
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest

from components.clock import system_clock
from components.errors import Corrupted
from components.ledger import chain, layout, schema, views
from components.ledger.chain import Event, read_chain
from components.ledger.events import (
    KINDS,
    AliasMirrored,
    BatchArrived,
    BatchStarted,
    BatchValidated,
    CandidateExamined,
    CandidateJudged,
    ChampionRolledBack,
    NewerEvent,
    Payload,
    StoreBegun,
    UnknownEvent,
    decode,
    encode,
    payload_of,
    read,
)
from components.ledger.events.kind import event
from components.ledger.ledger import Ledger
from components.ledger.projections import RULES
from components.ledger.verify import rebuild, verify
from tests.ledger.story import Ticking, contents, digest, examined

EARLIER = Path(__file__).parent.parent / "earlier"
COMPONENTS = Path(__file__).parents[2] / "components"
PROJECTIONS = {table.name for table in schema.projections}


@pytest.fixture(scope="module")
def earlier() -> list[Event]:
    """A ledger's events, written in November 2026, before events had classes."""
    with lzma.open(EARLIER / "events-2026-11.jsonl.xz", "rt", encoding="utf-8") as file:
        return [Event(*json.loads(line)) for line in file]


@pytest.fixture
def earlier_ledger(tmp_path: Path) -> Path:
    """The ledger of a root that was made in November 2026."""
    with tarfile.open(EARLIER / "root-2026-11.tar.xz") as archive:
        archive.extractall(tmp_path)  # ours; `filter` came with 3.11.4
    return tmp_path / "support" / "mlruns" / "ratchet.db"


@pytest.fixture
def renamed() -> Iterator[type[Payload]]:
    """A kind in its second schema: what was `old` is called `new` since."""

    @event("test.renamed", schema=2)
    class Renamed(Payload):
        """Made up."""

        new: str

        @classmethod
        def upgraded(cls, schema: int, said: dict[str, Any]) -> dict[str, Any]:
            return {"new": said["old"]}

    yield Renamed
    del KINDS["test.renamed"]


def test_events_written_before_they_had_classes_are_read_whole(earlier: list[Event]) -> None:
    for stored in earlier:
        found = read(stored)
        assert (found.seq, found.time, found.actor) == (stored.seq, stored.time, "")
        assert found.payload.about.name == stored.kind and not found.payload.more
        again, said = encode(found.payload, ""), json.loads(stored.payload)
        if again.pop("schema", 1) > 1:
            said = found.payload.upgraded(1, said)
        assert _told(again) == _told(said)


def _told(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def test_they_verify_and_fill_every_projection_again(earlier: list[Event], path: Path) -> None:
    ledger = Ledger(path, system_clock)
    with ledger.writing() as connection:
        for stored in earlier:
            row = {each.name: getattr(stored, each.name) for each in fields(stored)}
            connection.execute(schema.events.insert().values(row))
        head = {"seq": stored.seq, "hash": stored.hash}
        connection.execute(schema.head.update().values(head))
        assert read_chain(connection, "here") == earlier
    assert rebuild(ledger) == len(earlier) == verify(ledger).events
    champion = views.champion(ledger)
    assert champion is not None and champion.version == 2
    assert {each.version: each.status for each in views.versions(ledger)} == {
        1: "former",
        2: "champion",
        3: "rejected",
        4: "held",
        5: "barred",
    }


CHANGED = (
    "holdout", "exam_use", "looks", "answers", "pools", "probations", "served", "renamed_tasks",
    "relabelled",
)  # fmt: skip
"""Projections that say more now than they did."""


def test_a_ledger_of_before_holds_and_rebuilds_to_the_same_tables(earlier_ledger: Path) -> None:
    before = contents(earlier_ledger)
    ledger = Ledger(earlier_ledger, system_clock)
    verify(ledger)
    rebuild(ledger)
    after = contents(earlier_ledger)
    for name in CHANGED:
        before.pop(name, None)
        after.pop(name, None)
    assert after == before


def test_what_people_brought_before_is_an_exam_of_its_own_now(earlier_ledger: Path) -> None:
    with closing(sqlite3.connect(earlier_ledger)) as connection:
        before = connection.execute("SELECT item, version FROM holdout").fetchall()
    held = views.held_items(Ledger(earlier_ledger, system_clock))
    brought = {item for item, version in before if version is None}
    assert {each.item for each in held} >= {item for item, _ in before}, "a held batch has more"
    assert {each.exam for each in held if each.item in brought} == {"mood"}
    batches = [each for each in held if each.item not in brought]
    assert batches and all(each.exam == f"{each.task}#batches" for each in batches)


def test_it_goes_on_and_its_new_events_say_who_caused_them(earlier_ledger: Path) -> None:
    ledger = Ledger(earlier_ledger, system_clock, actor="ann@desk")
    with ledger.lease("model", 1) as lease:
        ledger.append(AliasMirrored(alias="champion", version=2), lease)
    verify(ledger)
    assert [each.actor for each in views.told(ledger, AliasMirrored)[-2:]] == ["", "ann@desk"]


def test_an_examination_of_before_is_found_under_the_name_of_today(earlier_ledger: Path) -> None:
    ledger = Ledger(earlier_ledger, system_clock)
    assert not views.events(ledger, kind="candidate.examined")
    told = views.told(ledger, CandidateExamined)
    assert [each.seq for each in told] == [
        each.seq for each in views.events(ledger, kind="candidate.judged")
    ]
    with ledger.lease("model", 1) as lease:
        again = replace(told[0].payload, bundle="another")
        assert ledger.append(again, lease).kind == "candidate.judged"
        ledger.append(examined("b", "c", {"mood": True}), lease)
    assert [type(each.payload) for each in views.told(ledger, CandidateExamined)[-2:]] == [
        CandidateJudged,
        CandidateExamined,
    ]
    assert views.exam_use(ledger)["mood"].turned_away
    verify(ledger)


def test_a_rollback_of_before_names_its_offending_batch(earlier: list[Event]) -> None:
    [stored] = [each for each in earlier if each.kind == "champion.rolled-back"]
    said, found = json.loads(stored.payload), read(stored).payload
    assert isinstance(found, ChampionRolledBack)
    assert found.offending_batch == said["guilty"] and found.offending_rows == said["guilty_rows"]
    del said["guilty"]
    with pytest.raises(TypeError, match="offending_batch"):
        decode(stored.kind, json.dumps(said))


def test_the_chain_covers_the_actor(path: Path) -> None:
    heads = set()
    for actor in ("", "pipeline", "ann@desk"):
        ledger = Ledger(path.parent / f"of {actor}" / path.name, Ticking(), actor)
        with ledger.lease("model", 1) as lease:
            heads.add(ledger.append(BatchStarted(batch="b"), lease).hash)
    assert len(heads) == 3


def test_an_event_that_only_mentions_a_batch_is_not_read_as_its_own(ledger: Ledger) -> None:
    mine, other = digest("mine"), digest("other")
    counted = dict(accepted=1, rejected=1, checks=digest("checks"))
    own = BatchValidated(batch=mine, reasons={}, **counted)
    with ledger.lease("model", 1) as lease:
        for arriving in (mine, other):
            said = BatchArrived(batch=arriving, source="s", task="mood", suffix=".csv")
            ledger.append(said, lease)
        ledger.append(own, lease)
        ledger.append(BatchValidated(batch=other, reasons={mine: 1}, **counted), lease)
    arrival = views.arrival(ledger, mine)
    assert arrival is not None
    assert views.newest_of_batch(ledger, BatchValidated, arrival) == own


def test_a_kind_that_nobody_knows_is_kept_and_changes_nothing(path: Path, ledger: Ledger) -> None:
    said = '{"key":"k","thing":[1]}'
    found = decode("thing.begun", said)
    assert found == UnknownEvent(name="thing.begun", more=json.loads(said))
    before = contents(path)
    for kind in ("thing.begun", "thing.done"):
        _smuggle(ledger, kind, said)
    assert rebuild(ledger) == 2
    after = contents(path)
    assert all(after[name] == before[name] for name in PROJECTIONS)
    assert views.events(ledger)[0].payload == said


def _smuggle(ledger: Ledger, kind: str, payload: str) -> None:
    with ledger.writing() as connection:
        chain.extend(connection, "2027-01-01T00:00:00+00:00", kind, payload)


def test_a_newer_schema_is_refused_and_named(ledger: Ledger) -> None:
    _smuggle(ledger, "batch.started", '{"batch":"b","schema":2}')
    for asked in (rebuild, verify, lambda found: views.told(found, BatchStarted)):
        with pytest.raises(
            NewerEvent, match=r"batch\.started.*schema 2, but this version of Ratchet"
        ):
            asked(ledger)


@pytest.mark.parametrize(
    "asked",
    [
        lambda found: views.events(found, batch="b"),
        views.entry_marks,
        lambda found: [payload_of(each) for each in views.events(found)],
    ],
)
def test_whoever_reads_a_payload_as_it_stands_refuses_a_newer_schema_and_damage(
    ledger: Ledger, asked: Any
) -> None:
    _smuggle(ledger, "batch.started", '{"batch":"b","schema":2}')
    with pytest.raises(NewerEvent, match=r"newer Ratchet.*Update"):
        asked(ledger)
    with ledger.writing() as connection:
        text = f'{{"batch":{"[" * 9000}{"]" * 9000}}}'
        connection.execute(schema.events.update().values(payload=text))
    with pytest.raises(Corrupted, match=r"Event 1 \(batch\.started\)"):
        asked(ledger)


def test_an_examination_whose_exams_are_a_list_is_damage_and_named(ledger: Ledger) -> None:
    said = encode(examined("b", "c", {"mood": True}), "")
    _smuggle(ledger, "candidate.examined", json.dumps({**said, "exams": ["mood"]}))
    for asked in (rebuild, verify):
        with pytest.raises(Corrupted, match=r"Event 1 \(candidate\.examined\).*"):
            asked(ledger)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("batch.started", "batch", 5),
        ("batch.started", "actor", ["me"]),
        ("batch.arrived", "refused", {}),
        ("batch.validated", "accepted", True),
        ("batch.validated", "accepted", 1.0),
        ("batch.validated", "reasons", {"empty": "1"}),
        ("batch.validated", "resembles", {"mood": 1}),
        ("split.made", "train", {"a": []}),
        ("split.made", "train", ["abc"]),
        ("split.made", "holdout", [["a", "b", None]]),
        ("training.done", "seconds", "1"),
        ("candidate.examined", "origin", 5),
        ("candidate.examined", "anchors", {"mood": "1"}),
        ("candidate.judged", "exams", {"mood": 1}),
        ("registration.done", "version", {}),
        ("registration.done", "version", 10**40),
        ("registration.done", "texts", [[1]]),
        ("version.promoted", "anchors", {"mood": 2**63}),
        ("version.rejected", "quarantine", -1),
        ("version.rejected", "quarantine", {"about.json": -1}),
        ("version.superseded", "requeue", 1),
        ("champion.rolled-back", "from", "2"),
        ("champion.rolled-back", "guilty", 5),
        ("champion.rolled-back", "regressions", {"a": {"b": 1}}),
        ("settings.seen", "changed", {"seed": 1}),
    ],
)
def test_a_value_of_another_type_than_the_field_is_damage_and_named(
    ledger: Ledger, kind: str, field: str, value: Any
) -> None:
    _smuggle(ledger, kind, json.dumps({field: value}))
    named = "offending_batch" if field == "guilty" else field
    for asked in (rebuild, verify, views.entry_marks, lambda found: views.told(found, KINDS[kind])):
        with pytest.raises(Corrupted, match=rf"Event 1 \({kind}\).*its `{named}` has a value"):
            asked(ledger)


def test_a_number_too_large_for_a_table_is_damage_wherever_it_stands(ledger: Ledger) -> None:
    _smuggle(ledger, "test.number", "{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "apply", lambda connection, event: (10**40).to_bytes(8, "big"))
        with pytest.raises(Corrupted, match=r"Event 1 \(test\.number\).*does not follow"):
            rebuild(ledger)


def test_an_older_schema_is_upgraded(renamed: Any) -> None:
    assert decode("test.renamed", '{"old":"x"}') == renamed(new="x")
    text = json.dumps(encode(renamed(new="x"), "me"))
    assert json.loads(text) == {"new": "x", "schema": 2, "actor": "me"}
    assert decode("test.renamed", text) == renamed(new="x")


def test_a_field_that_nobody_knows_stays(ledger: Ledger) -> None:
    found = decode("batch.started", '{"batch":"b","why":"x"}')
    assert found == BatchStarted(batch="b", more={"why": "x"})
    assert encode(found, "") == {"batch": "b", "why": "x"}


@pytest.mark.parametrize(
    "payload",
    ["{}", "[]", "{", '{"batch":"b","schema":"x"}', f'{{"batch":{"[" * 9000}{"]" * 9000}}}'],
)
def test_what_does_not_say_what_its_kind_says_is_damage_and_named(
    ledger: Ledger, payload: str
) -> None:
    _smuggle(ledger, "batch.started", payload)
    for asked in (rebuild, verify, lambda found: views.told(found, BatchStarted)):
        with pytest.raises(Corrupted, match=r"Event 1 \(batch\.started\).*"):
            asked(ledger)


def test_an_open_intent_is_read_back_as_it_was_begun(ledger: Ledger) -> None:
    begun = StoreBegun(key="store:b", batch="b")
    with ledger.lease("model", 1) as lease:
        ledger.append(begun, lease)
    assert views.open_intents(ledger, StoreBegun) == [begun]
    assert views.open_keys(ledger) == {"store:b"}


def test_no_event_can_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        BatchStarted(batch="b").batch = "c"  # type: ignore[misc]
    assert not hasattr(BatchStarted(batch="b"), "__dict__")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_says_what_it_means_and_who_reads_it(name: str) -> None:
    kind = KINDS[name]
    about = kind.about
    assert kind.__doc__ and about.name == name
    known = {each.name for each in fields(kind)}
    assert about.intent is None or "key" in known
    assert (about.intent == "opens") == name.endswith(".begun")
    assert (about.intent == "closes") == name.endswith((".done", ".abandoned"))
    for reader in about.read_by:
        if reader in PROJECTIONS:
            assert kind in RULES, f"no rule of {name} fills {reader}"
        else:
            text = (COMPONENTS / f"{reader.replace('.', '/')}.py").read_text(encoding="utf-8")
            assert kind.__name__ in text or f'"{name}"' in text, f"{reader} does not read {name}"


def test_whoever_reads_a_kind_is_named_by_it() -> None:
    asked = re.compile(r'views\.\w+\(ws\.ledger, ([A-Z]\w*[a-z]\w*)|told\(("[a-z., "-]+")\)')
    names = {kind.__name__: name for name, kind in KINDS.items()}
    for path in COMPONENTS.rglob("*.py"):
        reader = ".".join(path.relative_to(COMPONENTS).with_suffix("").parts)
        for by_class, by_name in asked.findall(path.read_text(encoding="utf-8")):
            for name in [names[by_class]] if by_class else re.findall(r"[a-z.-]{3,}", by_name):
                assert reader in KINDS[name].about.read_by, f"{reader} reads {name}"


@pytest.mark.parametrize("name", KINDS)
def test_every_table_that_an_event_changes_is_named(name: str) -> None:
    kind = KINDS[name]
    assert (kind in RULES) == bool(PROJECTIONS & set(kind.about.read_by))
