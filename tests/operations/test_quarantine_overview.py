"""`ratchet quarantine list`: a cause each, and what came in corrected is no longer open."""

from __future__ import annotations

from pathlib import Path

from components.ledger import views
from components.operations.quarantine_overview import CameIn, overview
from components.operations.required_actions import upkeep
from components.workspace.root import open_workspace
from flows.retrain import run_batch
from tests.command import ratchet
from tests.stream import batch, rows, settle, write_jsonl


def test_a_rejected_batch_has_its_cause_and_is_closed_by_its_corrected_copy(grown: Path) -> None:
    """Fault: the list showed numbers of the gate, and kept what had come in long ago."""
    assert settle(grown, batch(grown / "poison.jsonl", 3, flip=True)).action == "rejected"
    shown = " ".join(ratchet(grown, "quarantine", "list").out.replace("│", " ").split())
    assert "labels of mood look flipped" in shown and "Reject:" not in shown
    assert settle(grown, write_jsonl(grown / "part.jsonl", rows(3)[:60])).action == "promoted"
    ws = open_workspace(grown)
    [entry] = overview(ws)
    assert any("a batch came to quarantine" in line for line in upkeep(ws))
    assert entry.came_in is not None and not entry.corrected
    assert entry.came_in.rows < entry.came_in.of and entry.came_in.files == ("part.jsonl",)
    assert settle(grown, batch(grown / "rest.jsonl", 3)).action == "promoted"
    [entry] = overview(ws)
    assert entry.corrected and not any("quarantine" in line for line in upkeep(ws))
    listed = ratchet(grown, "quarantine", "list").out
    assert listed == ("Not shown: 1 whose rows all came in with another file (--all shows them).\n")
    everything = " ".join(ratchet(grown, "quarantine", "list", "--all").out.split())
    assert "rows came in" in everything and "poison.jsonl" in everything
    [told] = ratchet(grown, "quarantine", "list", "--json").facts
    assert told["status"] == "kept" and told["came_in"]["rows"] == told["came_in"]["of"]
    assert ratchet(grown, "rollback", "--reason", "worse").code == 0
    by_file = {each.file: each for each in overview(ws)}
    assert not by_file["poison.jsonl"].corrected, "the rows are no longer in"


def test_refused_rows_are_closed_by_the_file_that_has_them_labelled(grown: Path) -> None:
    fresh = rows(77, 40)
    broken = [{**row, "label": ""} for row in fresh[:8]]
    settle(grown, write_jsonl(grown / "gaps.jsonl", rows(5) + broken))
    ws = open_workspace(grown)
    [entry] = [each for each in overview(ws) if each.kind == "rows"]
    assert (entry.rows, entry.came_in) == (8, None)
    again = settle(grown, write_jsonl(grown / "again.jsonl", fresh))
    assert again.action == "promoted"
    [entry] = [each for each in overview(ws) if each.file == "gaps.jsonl"]
    assert entry.came_in == CameIn(8, 8, ("again.jsonl",), (again.batch,)) and entry.corrected


def test_what_came_in_corrected_is_not_released_by_accident(grown: Path) -> None:
    """Fault: once all rows were in, the wrong labels passed the gate, as every text led to it."""
    wrong = settle(grown, batch(grown / "poison.jsonl", 3, flip=True))
    assert wrong.action == "rejected"
    before = ratchet(grown, "version", "explain", str(wrong.version)).out
    assert "correct them" in before and "Nothing is to be done" not in before
    right = settle(grown, batch(grown / "right.jsonl", 3))
    assert right.action == "promoted"
    said = f"its rows came in with right.jsonl (batch {right.batch[:12]})"
    explained = ratchet(grown, "version", "explain", str(wrong.version)).out
    assert f"Nothing is to be done: {said}." in explained
    assert "quarantine release" not in explained and "quarantine export" not in explained
    page = next((grown / "mlruns" / "reports").glob(f"*{wrong.batch[:12]}*.html")).read_text()
    assert f"Nothing is to be done: {said}." in page
    [row] = [
        r for r in ratchet(grown, "status", "--json").facts["inbox"] if "poison" in r["source"]
    ]
    assert (row["why"], row["next"]) == (said, "")
    shown = ratchet(grown, "quarantine", "show", wrong.batch[:12]).out
    assert said in shown and "ratchet quarantine release" not in shown
    refused = ratchet(grown, "quarantine", "release", wrong.batch[:12])
    assert refused.code != 0 and "right.jsonl" in refused.err and "--force" in refused.err
    assert not views.waiting(open_workspace(grown).ledger)
    forced = ratchet(grown, "quarantine", "release", wrong.batch[:12], "--force")
    assert forced.code == 0 and "ratchet rollback" in forced.out
    again = run_batch(open_workspace(grown), wrong.batch)
    [note] = [each for each in again.notes if "with another label" in each]
    assert note.startswith("120 of 120 rows came in before") and "right.jsonl" in note
    assert not any("with another label" in each for each in right.notes)


def test_a_held_batch_that_came_in_corrected_is_not_examined_again(grown: Path) -> None:
    held = settle(grown, batch(grown / "few.jsonl", 5, 30), "other")
    assert held.action == "held"
    more = write_jsonl(grown / "more.jsonl", [*rows(5, 30), *rows(6)])
    right = settle(grown, more, "mood")
    assert right.action == "promoted"
    released = ratchet(grown, "quarantine", "release", held.batch[:12])
    assert released.code != 0 and right.batch[:12] in released.err
    [waits] = ratchet(grown, "status", "--json").facts["settle"]
    assert len(waits["settle"]) == 1 and "came in with more.jsonl" in waits["settle"][0]
    assert f"ratchet reject {held.version}" in waits["settle"][0]


def test_a_line_that_is_no_row_stays_open_whatever_came_in(grown: Path) -> None:
    lines = (batch(grown / "b5.jsonl", 5)).read_text() + "half a row\n"
    (grown / "b5.jsonl").write_text(lines)
    settle(grown, grown / "b5.jsonl")
    [entry] = overview(open_workspace(grown))
    assert entry.rows == 1 and not entry.corrected


def test_a_damaged_entry_is_still_listed(grown: Path) -> None:
    broken = [{**row, "label": ""} for row in rows(77, 8)]
    settle(grown, write_jsonl(grown / "gaps.jsonl", rows(5) + broken))
    ws = open_workspace(grown)
    for place in ws.quarantine.glob("*/rows.jsonl"):
        place.write_text("{")
    [entry] = overview(ws)
    assert (entry.rows, entry.reason, entry.came_in) == (8, "missing label (8)", None)
