"""Quarantine: nothing is lost, and what is let go passes the whole gate anew."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from components.data.quarantine import entries, read_rows
from components.errors import ConfigError
from components.ledger import views
from components.operations.quarantine_release import Released, find_entry, release
from components.operations.quarantine_restoration import restore_entries
from components.workspace.root import open_workspace
from flows.retrain import run_batch
from tests.audit import rich
from tests.command import assert_one_paragraph, ratchet
from tests.stream import PARAMS, batch, rows, settle, write_jsonl


def let_go(root: Path, prefix: str) -> Released:
    ws = open_workspace(root)
    with ws.ledger.lease("tiny", 10) as lease:
        return release(ws, lease, find_entry(ws, prefix))


def test_a_refused_batch_is_released_to_its_old_place_under_todays_settings(grown: Path) -> None:
    (grown / "params.yaml").write_text(PARAMS.replace("min_rows: 10", "min_rows: 200"))
    refused = settle(grown, batch(grown / "small.jsonl", 3))
    assert refused.action == "refused" and "min_rows" in refused.headline
    (grown / "params.yaml").write_text(PARAMS)
    settle(grown, batch(grown / "later.jsonl", 4))
    released = let_go(grown, refused.batch[:12])
    assert (released.batch, released.kind) == (refused.batch, "batch")
    ws = open_workspace(grown)
    assert [a.batch for a in views.waiting(ws.ledger)] == [refused.batch]
    assert run_batch(ws, refused.batch).action == "promoted"
    assert [q.status for q in views.quarantined(ws.ledger)] == ["released"]


def test_released_rows_come_back_as_a_batch_of_their_own(grown: Path) -> None:
    (grown / "params.yaml").write_text(
        PARAMS.replace("min_rows: 10", "min_rows: 10, labels: [pos, neg]")
    )
    strange = [{**row, "label": row["label"].upper()} for row in rows(33, 20)]
    first = settle(grown, write_jsonl(grown / "b3.jsonl", rows(3) + strange))
    assert first.action == "promoted"
    ws = open_workspace(grown)
    [entry] = entries(ws.quarantine)
    assert entry.row_count == 20 and {row.place for row in read_rows(entry)} == set(range(121, 141))
    (grown / "params.yaml").write_text(
        PARAMS.replace("min_rows: 10", "min_rows: 10, labels: [pos, neg, POS, NEG]")
    )
    released = let_go(grown, first.batch[:8])
    assert released.batch != first.batch and released.rows == 20
    arrival = views.arrival(ws.ledger, released.batch)
    assert arrival is not None
    assert (arrival.source, arrival.task) == ("released rows of b3.jsonl", "mood")
    outcome = run_batch(open_workspace(grown), released.batch)
    assert outcome.version == 4, "it went through the whole gate"
    with pytest.raises(ConfigError, match="no longer in quarantine"):
        let_go(grown, first.batch[:8])


def test_rows_are_released_for_a_task_whatever_unicode_form_names_it(grown: Path) -> None:
    closed = PARAMS.replace("min_rows: 10", "min_rows: 10, tasks: [café]")
    (grown / "params.yaml").write_text(closed)
    refused = settle(
        grown, write_jsonl(grown / "b.jsonl", [{**r, "task": "c"} for r in rows(3)]), "café"
    )
    assert refused.action == "refused"
    split = unicodedata.normalize("NFD", "café")
    ran = ratchet(grown, "quarantine", "release", refused.batch, "--task", split, "--json")
    assert ran.code == 0
    again = run_batch(open_workspace(grown), ran.facts["batch"])
    assert again.action == "promoted"


def test_an_unreadable_file_is_read_again_when_the_setting_that_refused_it_is_changed(
    grown: Path,
) -> None:
    long = [{"text": "good " * 400, "label": "pos"}, *rows(3)]
    (grown / "params.yaml").write_text(
        PARAMS.replace("min_rows: 10", "min_rows: 10, max_line_bytes: 1000")
    )
    refused = settle(grown, write_jsonl(grown / "long.jsonl", long))
    assert refused.action == "refused" and "longer than 1,000 bytes" in refused.headline
    with pytest.raises(ConfigError, match=r"long.jsonl still cannot be read"):
        let_go(grown, refused.batch)
    (grown / "params.yaml").write_text(PARAMS)
    released = let_go(grown, refused.batch)
    ws = open_workspace(grown)
    arrival = views.arrival(ws.ledger, released.batch)
    assert arrival is not None and (arrival.source, arrival.task) == ("long.jsonl", "mood")
    assert run_batch(ws, released.batch).action == "promoted"


def test_odd_values_survive_quarantine_and_release(grown: Path) -> None:
    """Lone surrogates, control characters, numbers: what came in is what comes out."""
    odd = [
        {"text": "lone \ud800 surrogate", "label": "pos"},
        {"text": "bell \u0007", "label": "neg"},
        {"text": 7, "label": "pos"},
        {"text": "fine", "label": "\udfff"},
    ]
    file = grown / "odd.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows(3), *odd]))
    settled = settle(grown, file)
    assert settled.action == "promoted"
    ws = open_workspace(grown)
    assert [row.raw for row in read_rows(find_entry(ws, settled.batch))] == odd
    [quarantined] = views.quarantined(ws.ledger)
    assert quarantined.rows == 4
    released = let_go(grown, settled.batch)
    again = run_batch(open_workspace(grown), released.batch)
    assert again.action == "refused"


@pytest.mark.parametrize("prefix", ["", "zz", "0"])
def test_an_entry_that_is_not_there_is_said_to_be_absent(grown: Path, prefix: str) -> None:
    with pytest.raises(ConfigError, match="Nothing in quarantine"):
        let_go(grown, prefix)


def _refused_twice(grown: Path) -> tuple[str, str]:
    """Refuse a whole batch, and some rows of another one; return both."""
    (grown / "params.yaml").write_text(
        PARAMS.replace("min_rows: 10", "min_rows: 50, labels: [pos, neg]")
    )
    strange = [{**row, "label": row["label"].upper()} for row in rows(33, 20)]
    whole = settle(grown, batch(grown / "small.jsonl", 3, 20))
    some = settle(grown, write_jsonl(grown / "b4.jsonl", rows(4) + strange))
    assert (whole.action, some.action) == ("refused", "promoted")
    return whole.batch, some.batch


@pytest.mark.parametrize("damage", ["[" * 100_000, None])
def test_a_damaged_entry_locks_no_other_one(grown: Path, damage: str | None) -> None:
    whole, some = _refused_twice(grown)
    about = grown / "data" / "quarantine" / whole / "about.json"
    about.unlink() if damage is None else about.write_text(damage)
    assert ratchet(grown, "quarantine", "show", some[:12]).code == 0
    for command in ("show", "release"):
        ran = ratchet(grown, "quarantine", command, whole[:12])
        assert ran.code == 4 and "about.json" in ran.err and "`ratchet reconcile`" in ran.err
        assert_one_paragraph(ran)
    assert ratchet(grown, "quarantine", "release", some[:12]).code == 0


@pytest.mark.parametrize(
    ("kind", "damage"), [("whole", "another reason"), ("some", "{"), ("some", None)]
)
def test_a_damaged_entry_is_written_again_from_the_ledger(
    grown: Path, kind: str, damage: str | None
) -> None:
    entry = dict(zip(("whole", "some"), _refused_twice(grown), strict=True))[kind]
    about = grown / "data" / "quarantine" / entry / "about.json"
    sound = about.read_text()
    if damage == "another reason":
        damage = sound.replace('"reason":"', '"reason":"not ')
    about.unlink() if damage is None else about.write_text(damage)
    ran = ratchet(grown, "reconcile")
    assert ran.code == 0 and f"rewrote the description of quarantined batch {entry[:12]}" in ran.out
    assert about.read_text() == sound
    aside = [path.read_text() for path in (grown / "data" / "damaged").rglob("*.json")]
    assert aside == ([] if damage is None else [damage])
    assert ratchet(grown, "reconcile").out == "Nothing to repair.\n"
    assert ratchet(grown, "quarantine", "release", entry[:12]).code == 0


def test_an_entry_that_cannot_be_written_again_stays_as_it_is(grown: Path) -> None:
    _, some = _refused_twice(grown)
    folder = grown / "data" / "quarantine" / some
    rows_left = (folder / "rows.jsonl").read_text().splitlines(keepends=True)[1:]
    (folder / "rows.jsonl").write_text("".join(rows_left))
    (folder / "about.json").write_text("{")
    ran = ratchet(grown, "reconcile")
    assert ran.code == 0 and "not changed" in ran.out and "from a backup" in ran.out
    assert (folder / "about.json").read_text() == "{"
    assert (folder / "rows.jsonl").read_text() == "".join(rows_left)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("marked", [True, False])
def test_an_entry_of_every_kind_is_written_again_with_or_without_marks(
    marked: bool, tmp_path: Path
) -> None:
    root = rich.build(tmp_path / "root")
    if not marked:
        rich.rewrite(root, lambda kind, payload: payload.pop("quarantine", None))
    ws = open_workspace(root)
    sound = {path: path.read_text() for path in ws.quarantine.glob("*/about.json")}
    assert len(sound) == 5 and restore_entries(ws) == []
    for path in sound:
        path.unlink()
    assert len(restore_entries(ws)) == 5
    assert {path: path.read_text() for path in ws.quarantine.glob("*/about.json")} == sound
