"""Refused rows as a file, edited as people do, and run again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.ledger import views
from components.operations.quarantine_overview import overview
from components.workspace.root import open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.data.test_exported_table import CELLS
from tests.stream import PARAMS, batch, rows, settle, write_jsonl

Edit = Callable[[dict[str, str]], dict[str, str] | None]


def rewrite(file: Path, edit: Edit) -> list[dict[str, str]]:
    """Open a table as a spreadsheet does, change rows (None deletes one) and save it."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        table = list(csv.DictReader(source))
    kept = [row for row in map(edit, table) if row is not None]
    with file.open("w", encoding="utf-8-sig", newline="") as target:
        writer = csv.DictWriter(target, list(table[0]))
        writer.writeheader()
        writer.writerows(kept)
    return kept


def test_refused_rows_come_back_edited_as_a_batch(grown: Path) -> None:
    """Texts with formulas, quotes and line ends lack their label; people add it, and run them."""
    texts = [f"{cell} {word}" for cell in CELLS for word in ("good great fine", "bad awful sad")]
    broken = [{"text": text, "label": None, "note": f"={n}"} for n, text in enumerate(texts)]
    sent = write_jsonl(grown / "sent.jsonl", [*rows(5, 120), *broken])
    settle(grown, sent)
    ws = open_workspace(grown)
    [kept] = [each for each in views.quarantined(ws.ledger) if each.kind == "rows"]
    file = grown / "rows.csv"
    done = ratchet(grown, "quarantine", "export", kept.batch[:10], file, "--json").facts
    assert done["kind"] == "rows" and done["rows"] >= len(texts)

    def labelled(row: dict[str, str]) -> dict[str, str] | None:
        if "missing label" not in row["ratchet_why"]:
            return None
        return row | {"label": "pos" if row["text"].endswith("fine") else "neg"}

    assert len(rewrite(file, labelled)) == len(texts)
    (tmp := grown / "arrived").mkdir()
    back = file.replace(tmp / "corrected.csv")
    settle(grown, back)
    arrival = views.arrivals(ws.ledger)[-1]
    assert arrival.source == "corrected.csv" and arrival.batch != kept.batch
    stored = ws.batches / arrival.batch[:2] / arrival.batch / "items.jsonl"
    items = [json.loads(line) for line in stored.read_text(encoding="utf-8").splitlines()]
    assert {each["text"] for each in items} <= set(texts)
    assert len(items) > 20 and {each["task"] for each in items} == {"mood"}
    assert "=cmd|' /C calc'!A0 good great fine" in {each["text"] for each in items}
    assert [e.status for e in views.quarantined(ws.ledger, kept.batch)] == ["kept"]


def test_a_rejected_batch_is_corrected_with_the_champions_answers_and_promoted(
    grown: Path,
) -> None:
    assert settle(grown, batch(grown / "b3.jsonl", 3, flip=True)).action == "rejected"
    rejected = views.arrivals(open_workspace(grown).ledger)[-1].batch
    file = grown / "rows.csv"
    ran = ratchet(grown, "quarantine", "export", rejected[:12], file, "--answers")
    assert ran.code == 0 and f"next: ratchet run {file}" in ran.out
    with file.open(encoding="utf-8-sig", newline="") as source:
        table = list(csv.DictReader(source))
    assert len(table) == 120 and all(row["task"] == "mood" for row in table)
    differs = sum(row["ratchet_champion"] != row["label"] for row in table)
    assert differs > 100 and f"answers {differs:,} of them differently" in ran.out
    rewrite(file, lambda row: row | {"label": row["ratchet_champion"]})
    assert settle(grown, file).action == "promoted"


def test_an_export_that_nobody_edits_is_the_batch_that_is_known(grown: Path) -> None:
    poison = batch(grown / "b3.jsonl", 3, flip=True)
    settle(grown, poison)
    ws = open_workspace(grown)
    known = views.arrivals(ws.ledger)[-1].batch
    for name in ("rows.csv", "rows.jsonl"):
        assert ratchet(grown, "quarantine", "export", known, grown / name).code == 0
        settle(grown, grown / name)
        assert views.arrivals(ws.ledger)[-1].batch == known


def test_lines_that_are_no_rows_stand_where_the_text_does(grown: Path) -> None:
    sent = grown / "sent.jsonl"
    lines = [json.dumps(each) for each in rows(5, 60)]
    sent.write_text("\n".join([*lines, '{"text": "half a row', '["a", "list"]']) + "\n")
    settle(grown, sent)
    kept = views.quarantined(open_workspace(grown).ledger)[-1].batch
    file = grown / "rows.csv"
    assert ratchet(grown, "quarantine", "export", kept, file).code == 0
    with file.open(encoding="utf-8-sig", newline="") as source:
        table = {row["text"]: row["ratchet_why"] for row in csv.DictReader(source)}
    assert table['{"text": "half a row'].startswith("not JSON")
    assert table['["a", "list"]'].startswith("not a JSON object")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ffff", "new.csv"], "Nothing in quarantine"),
        (["BATCH", "new.xlsx"], "does not end in"),
        (["BATCH", "new.jsonl", "--answers"], "does not end in"),
        (["BATCH", "params.yaml"], "does not end in"),
        (["BATCH", "b3.jsonl"], "exists"),
    ],
)
def test_what_cannot_be_written_is_said_and_changes_nothing(
    grown: Path, words: list[str], says: str
) -> None:
    settle(grown, batch(grown / "b3.jsonl", 3, flip=True))
    known = views.arrivals(open_workspace(grown).ledger)[-1].batch
    before = sorted(grown.iterdir())
    ran = ratchet(
        grown, "quarantine", "export", known if words[0] == "BATCH" else words[0],
        grown / words[1], *words[2:],
    )  # fmt: skip
    assert_one_paragraph(ran)
    assert says in ran.err and sorted(grown.iterdir()) == before


def test_a_file_that_is_no_table_is_corrected_itself(grown: Path) -> None:
    sent = grown / "sent.csv"
    sent.write_bytes(b"PK\x03\x04 not a table at all")
    assert ratchet(grown, "run", sent).code == 1
    known = views.arrivals(open_workspace(grown).ledger)[-1].batch
    ran = ratchet(grown, "quarantine", "export", known, grown / "rows.csv")
    assert_one_paragraph(ran)
    assert ran.code == 1 and "Correct a copy of" in ran.err


def test_rows_of_a_file_with_other_columns_come_back_too(grown: Path) -> None:
    """Fault: the table had empty columns `text` and `label` beside the file's own, and won."""
    (grown / "params.yaml").write_text(
        PARAMS.replace("data: {", "data: {columns: {body: text, kind: label}, ")
    )
    fresh = rows(77, 40)
    named, others = (
        [{"body": row["text"], "kind": row["label"]} for row in each] for each in (fresh, rows(5))
    )
    broken = [row | {"kind": ""} for row in named[:12]]
    settle(grown, write_jsonl(grown / "sent.jsonl", others + broken))
    ws = open_workspace(grown)
    [kept] = [each for each in views.quarantined(ws.ledger) if each.kind == "rows"]
    file = grown / "rows.csv"
    assert ratchet(grown, "quarantine", "export", kept.batch, file, "--answers").code == 0
    right = {row["text"]: row["label"] for row in fresh}
    table = rewrite(file, lambda row: row | {"label": right[row["text"]]})
    assert len(table) == 12 and "body" not in table[0] and table[0]["ratchet_champion"]
    assert sum(ratchet(grown, "check", file, "--json").facts["labels"]["counts"].values()) == 12
    digest = json.loads((ws.quarantine / kept.batch / "rows.jsonl").read_text().splitlines()[0])
    item = ratchet(grown, "item", digest["digest"][:12], "--json").facts
    assert item["text"] in right
    assert settle(grown, write_jsonl(grown / "again.jsonl", named)).action == "promoted"
    [entry] = [each for each in overview(ws) if each.batch == kept.batch and each.kind == "rows"]
    assert entry.corrected
