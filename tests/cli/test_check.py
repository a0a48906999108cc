"""`ratchet check`: what a file would be, said before anything is trained, and nothing changed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.operations.label_check import label_warnings
from tests.command import Ran, ratchet
from tests.stream import PARAMS, batch, make_root, rows, settle, write_jsonl


def contents(root: Path) -> dict[str, str]:
    """Return every file of a root with its digest, without those that SQLite opens."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def check(root: Path, file: Path, *more: str) -> tuple[Ran, dict[str, Any]]:
    """Ask twice, for people and for programs; the root must stay as it was."""
    before = contents(root)
    shown = ratchet(root, "check", file, *more)
    found = ratchet(root, "check", file, *more, "--json")
    assert contents(root) == before, "check changed the root"
    assert found.code == shown.code and shown.err == found.err == ""
    return shown, found.facts


def changed(path: Path, **labels: str) -> Path:
    values = [{**row, "label": labels.get(row["label"], row["label"])} for row in rows(7)]
    return write_jsonl(path, values)


def test_a_good_file_is_fine_and_compared_with_all_that_the_root_knows(
    grown: Path, tmp_path: Path
) -> None:
    seen = rows(1)[:5] + rows(900, 200)[:4]
    file = write_jsonl(tmp_path / "b7.jsonl", rows(7) + seen + rows(7)[:2])
    shown, found = check(grown, file, "--task", "mood")
    assert shown.code == 0 and shown.out.startswith("fine b7.jsonl: ")
    assert found["rows"]["read"] == 131 and found["rows"]["reasons"] == {"duplicate": 2}
    assert found["copies"]["in_earlier_batches"] + found["copies"]["in_exams"] >= 8
    assert found["copies"]["in_exams"] >= 4
    assert found["labels"]["new"] == found["labels"]["missing"] == []
    assert found["champion"]["version"] == 2 and found["champion"]["answered"] == 129
    [exam] = [each for each in found["tasks"]["mood"]["exams"] if each["decides"]]
    assert exam["items"] == 200 and exam["items_needed"] > 200
    assert "mood has 200 items; for 4 of 5 harmless updates to pass, add " in shown.out
    assert "ratchet holdout add FILE --task mood --fill" in shown.out
    assert shown.out.endswith(f"next: ratchet run {file} --task mood\n")


def test_swapped_labels_are_named_with_the_worst_rows(grown: Path, tmp_path: Path) -> None:
    shown, found = check(
        grown, changed(tmp_path / "b.jsonl", pos="neg", neg="pos"), "--task", "mood"
    )
    assert (shown.code, found["verdict"]) == (3, "doubtful")
    assert shown.out.startswith("doubtful b.jsonl")
    assert "next: look at these rows; where they are wrong, correct the file and " in shown.out
    assert "where they are right as they are, `ratchet run " in shown.out
    assert found["champion"]["surely_otherwise"] > 60
    assert "The labels 'neg' and 'pos' look swapped" in found["warnings"][0]
    worst = found["champion"]["worst"][0]
    assert worst["sure"] >= 0.9 and worst["text"][:40] in shown.out


def test_a_known_label_under_a_new_name_is_found_by_what_the_champion_answers(
    grown: Path, tmp_path: Path
) -> None:
    _, found = check(grown, changed(tmp_path / "b.jsonl", pos="happy"), "--task", "mood")
    assert (found["labels"]["new"], found["labels"]["missing"]) == (["happy"], ["pos"])
    [said] = found["warnings"]
    assert "'happy' may be a new name of 'pos'" in said
    ran, spelt = check(grown, changed(tmp_path / "c.jsonl", pos="Pos"), "--task", "mood")
    assert (ran.code, spelt["verdict"]) == (3, "doubtful"), "fault: a new case was no doubt"
    assert len(spelt["warnings"]) == 1 and "'Pos' is new" in spelt["warnings"][0]


def test_a_few_wrong_labels_are_no_warning_and_many_are() -> None:
    def found(wrong: int) -> dict[str, Any]:
        pairs = [
            {"label": "a", "champion": "b", "rows": wrong, "of": 100, "new": False},
            {"label": "b", "champion": "c", "rows": wrong, "of": 100, "new": False},
        ]
        return {"pairs": pairs, "surely_otherwise": 2 * wrong, "compared": 200}

    assert label_warnings(found(2), (), ()) == [] == label_warnings(None, (), ())
    [said] = label_warnings(found(20), (), ())
    assert "surely answers 40 of 200 rows otherwise than labelled (20 %). Either these" in said


def test_rows_that_another_warning_is_about_are_not_left_out_silently() -> None:
    """Fault: `102 for sure` stood above, `25 of 180` below, and nothing said which these are."""
    pairs = [{"label": "a", "champion": "b", "rows": 27, "of": 30, "new": False}]
    found = {"pairs": pairs, "surely_otherwise": 52, "compared": 180}
    first, second = label_warnings(found, (), ())
    assert "Rows labelled 'a' look like 'b'" in first and "27 of 30 rows" in first
    assert "surely answers 25 of 180 rows otherwise" in second
    assert "more, besides those 27." in second


def test_a_base_that_does_not_exist_blocks_the_run_and_the_check(
    grown: Path, tmp_path: Path
) -> None:
    """Fault: `usable`, exit 0 and `next: ratchet run`, which then ended with 2."""
    params = grown / "params.yaml"
    params.write_text(params.read_text().replace("base: base", "base: /nowhere/model"))
    file = batch(tmp_path / "b7.jsonl", 7)
    shown, found = check(grown, file, "--task", "mood")
    assert (shown.code, found["verdict"]) == (2, "blocked")
    assert shown.code == ratchet(grown, "run", file, "--task", "mood").code
    assert shown.out.startswith("blocked b7.jsonl: a run would stop before it takes any file in")
    assert "there is no folder /nowhere/model" in found["blocked"]
    assert "next: correct params.yaml" in shown.out and "ratchet run" not in shown.out


def test_texts_that_the_base_cannot_read_are_doubtful(grown: Path, tmp_path: Path) -> None:
    """Fault: `usable` and `next: ratchet run`, though the warning said to leave the rows out."""
    values = [{**row, "text": f"この商品はとても{n}良いです"} for n, row in enumerate(rows(7))]
    shown, found = check(grown, write_jsonl(tmp_path / "b.jsonl", values), "--task", "mood")
    assert (shown.code, found["verdict"]) == (3, "doubtful")
    assert len(found["warnings"]) == 1 and "language or script" in found["warnings"][0]


def test_many_rejected_rows_stand_in_the_first_line_and_are_not_fine(
    grown: Path, tmp_path: Path
) -> None:
    values = [{**row, "text": row["text"] + "\x00" * (n < 20)} for n, row in enumerate(rows(7))]
    shown, found = check(grown, write_jsonl(tmp_path / "b.jsonl", values), "--task", "mood")
    assert found["verdict"] == "usable"
    assert shown.out.startswith("usable b.jsonl: 100 rows for task mood; 17 % rejected\n")


def test_it_answers_in_a_new_root_without_champion_exam_or_base(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert ratchet(root, "init", root).code == 0
    shown, found = check(root, batch(tmp_path / "b.jsonl", 1, 60))
    assert shown.code == 0 and found["champion"] is None and found["tokens"] is None
    assert "default is new: about 30 rows would be held out" in shown.out


def test_without_a_champion_the_base_still_says_what_is_cut(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    assert ratchet(root, "init", root).code == 0
    long = [{**row, "text": f"{row['text']} {row['text']} {row['text']}"} for row in rows(1)]
    shown, found = check(root, write_jsonl(tmp_path / "b.jsonl", long))
    assert found["tokens"]["cut"] == 1.0 and "100 % of the texts are cut" in shown.out


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.csv", b"", "is empty"),
        ("ten.csv", b"text;label\n" + b"".join(b"row %d;a\n" % n for n in range(9)), "min_rows"),
        ("excel.csv", "text;label\ngrüße;a\n".encode("cp1252"), "'ü' in Windows-1252"),
        ("body.csv", b"body;kind\nhello there;a\nbye;b\n", "columns: {body: text, kind: label}"),
    ],
)
def test_what_a_run_would_refuse_ends_with_1_and_the_reason(
    grown: Path, tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    shown, found = check(grown, tmp_path / name)
    assert shown.code == 1 and shown.out.startswith(f"refused {name}: a run would refuse this file")
    assert says in found["refused"] and says in shown.out and "next:" not in shown.out


def test_a_table_says_how_it_is_read(grown: Path, tmp_path: Path) -> None:
    (grown / "params.yaml").write_text(PARAMS.replace("data: {", "data: {columns: {body: text}, "))
    table = "".join(f"{n};{row['text']};{row['label']}\n" for n, row in enumerate(rows(7)))
    (tmp_path / "b.csv").write_text("nr;body;label\n" + table)
    shown, found = check(grown, tmp_path / "b.csv", "--task", "mood")
    assert "CSV with semicolons; columns: body (read as text), label; not used: nr" in shown.out
    assert found["format"]["separator"] == "semicolons" and found["rows"]["accepted"] == 120


def test_rows_that_came_before_are_named_and_no_run_is_proposed(
    grown: Path, tmp_path: Path
) -> None:
    shown, found = check(grown, batch(tmp_path / "again.jsonl", 1), "--task", "mood")
    assert found["seen"]["status"] == "promoted" and found["seen"]["source"] == "b1.jsonl"
    assert shown.out.startswith("seen again.jsonl: these rows came before: batch ")
    assert (shown.code, found["verdict"], found["seen"]["version"]) == (0, "seen", 1)
    assert shown.out.endswith(
        "next: ratchet version explain 1 (what became of these rows; a run would train nothing)\n"
    )
    settle(grown, batch(tmp_path / "poison.jsonl", 3, flip=True))
    shown, found = check(grown, batch(tmp_path / "b.jsonl", 3, flip=True), "--task", "mood")
    assert (shown.code, found["seen"]["status"]) == (1, "rejected")


def test_a_file_without_a_row_that_is_new_is_doubtful(grown: Path, tmp_path: Path) -> None:
    """Fault: it was called fine, though a run would train on the same rows again."""
    shown, found = check(grown, write_jsonl(tmp_path / "b.jsonl", rows(1)[:60]), "--task", "mood")
    assert (shown.code, found["verdict"]) == (3, "doubtful")
    assert "No row is new: " in found["warnings"][0]
    assert "next: send rows that are new; to train on these again, `ratchet run " in shown.out


def test_a_file_of_exam_rows_would_be_refused(grown: Path, tmp_path: Path) -> None:
    """Fault: `check` called it fine, and `run` then had no rows to train on."""
    file = write_jsonl(tmp_path / "b.jsonl", rows(900, 200)[:60])
    shown, found = check(grown, file, "--task", "mood")
    assert shown.code == 1 and "every row is in an exam" in found["refused"]
    ran = ratchet(grown, "run", file, "--task", "mood")
    assert ran.code == 1 and ran.out.startswith("refused")


def test_no_file_is_a_usage_error_and_a_folder_is_refused(grown: Path, tmp_path: Path) -> None:
    ran = ratchet(grown, "check", tmp_path / "nowhere.csv")
    assert ran.code == 2 and "There is no file" in ran.err
    (tmp_path / "folder.csv").mkdir()
    shown, _ = check(grown, tmp_path / "folder.csv")
    assert shown.code == 1 and "is a folder" in shown.out


def test_a_file_that_cannot_be_read_is_refused_without_the_heavy_libraries(
    grown: Path, tmp_path: Path
) -> None:
    (tmp_path / "b.csv").write_bytes(b"body;kind\nhello;a\n")
    program = (
        "import json, sys; from components.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'transformers', 'great_expectations', 'prefect', 'mlflow', 'dvc'}\n"
        "print(json.dumps([code, sorted(heavy & sys.modules.keys())]))"
    )
    for command in ("check", "run"):
        asked = [sys.executable, "-c", program, "--root", str(grown), command, tmp_path / "b.csv"]
        done = subprocess.run(asked, capture_output=True, text=True)
        code, heavy = json.loads(done.stdout.splitlines()[-1])
        assert code == 1, done.stderr
        assert {"torch", "prefect", "great_expectations"}.isdisjoint(heavy)
        assert command == "run" or heavy == []


def test_of_a_pool_it_says_how_many_labels_a_decision_would_ask(
    waiting: Path, tmp_path: Path
) -> None:
    shown, found = check(waiting, batch(tmp_path / "b7.jsonl", 7), "--task", "mood")
    [pool] = found["tasks"]["mood"]["pools"]
    assert f"{pool['exam']} has {pool['inputs']:,} inputs: a decision asks for about " in shown.out
    assert any(f"at most {each['nine_in_ten']:,}" in shown.out for each in pool["labels"])
