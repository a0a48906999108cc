"""Files of texts: every row comes back with its answer, in its place, or with the reason."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.command import REPOSITORY, assert_one_paragraph, files_up_to, ratchet

TABLE = """id,text,note
1,good great fine,a
2,,b
3,"bad, awful ""sad""
ugly","x,y"
4,one,two,three
5,table chair,
"""


def answers(root: Path, *texts: str) -> list[dict]:
    return ratchet(root, "predict", "--json", "--", *texts).facts["answers"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(TABLE)
    return path


def test_each_row_keeps_its_columns_and_gets_the_answer_that_its_text_gets(
    grown: Path, asked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    ran = ratchet(grown, "predict", "--file", asked, "--out", out, "--proba")
    assert ran.code == 1 and "answered 3 rows" in ran.out
    assert "line 3: no text\nline 6: 4 cells where the header has 3\n" in ran.err
    assert "Without an answer: 2 lines" in ran.err
    blank = tmp_path / "blank.jsonl"
    blank.write_text('{"text": "good"}\n{"text": ""}\n{"text": "  "}\n{"text": null}\n')
    ran = ratchet(grown, "predict", "--file", blank, "--out", tmp_path / "o.jsonl", "--json")
    assert [each["reason"] for each in ran.facts["problems"]] == ["no text"] * 3

    found = table(out)
    assert [row["id"] for row in found] == ["1", "2", "3", "5"]
    assert [row["note"] for row in found] == ["a", "b", "x,y", ""]
    assert found[2]["text"] == 'bad, awful "sad"\nugly'
    assert found[1]["prediction"] == found[1]["probability"] == found[1]["probability neg"] == ""
    answered = [row for row in found if row["prediction"]]
    for row, alone in zip(answered, answers(grown, *[r["text"] for r in answered]), strict=True):
        assert row["prediction"] == alone["label"]
        for label, chance in alone["probabilities"].items():
            assert float(row[f"probability {label}"]) == pytest.approx(chance, abs=1e-6)
        assert float(row["probability"]) == pytest.approx(alone["probability"], abs=1e-6)


def test_any_format_of_a_batch_is_read_and_values_that_are_no_texts_stay_what_they_are(
    grown: Path, tmp_path: Path
) -> None:
    rows = [{"text": "good great", "n": 1, "deep": {"a": [1]}}, {"text": "bad sad", "late": True}]
    lines = tmp_path / "in.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    stored = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["good great", "bad sad"]}), stored)
    for file in (lines, stored):
        out = tmp_path / "out.jsonl"
        ran = ratchet(grown, "predict", "--file", file, "--out", out, "--json", "--force")
        assert (ran.code, ran.err) == (0, "")
        assert ran.facts == {
            "version": 2, "out": str(out), "rows": 2, "answered": 2, "withheld": 0,
            "unanswered": 0, "problems": [],
        }  # fmt: skip
        found = [json.loads(line) for line in out.read_text().splitlines()]
        assert [row.pop("prediction") for row in found] == ["pos", "neg"]
        assert all(0.5 <= row.pop("probability") <= 1 for row in found)
        assert found == (rows if file == lines else [{"text": row["text"]} for row in rows])


def test_a_threshold_withholds_the_label_and_keeps_its_probability(
    grown: Path, asked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    least = min(each["probability"] for each in answers(grown, "good great fine", "table chair"))
    words = ["--threshold", str(least + 1e-4)]
    ran = ratchet(grown, "predict", "--file", asked, "--out", out, "--json", *words)
    unsure = [row for row in table(out) if row["probability"] and not row["prediction"]]
    assert ran.facts["withheld"] == len(unsure) >= 1
    said = ratchet(grown, "predict", "--threshold", "1", "good").out
    assert said.startswith("don't know (0.") and said.endswith("\tgood\n")
    [alone] = ratchet(grown, "predict", "--threshold", "1", "good", "--json").facts["answers"]
    assert alone["label"] is None and alone["probability"] < 1


def test_an_earlier_version_answers_when_it_is_named(grown: Path, tmp_path: Path) -> None:
    texts = [f"good sad {word}" for word in ("table", "river", "stone", "cloud")]
    first = ratchet(grown, "predict", "--version", "1", "--json", *texts).facts
    assert first["version"] == 1
    assert first["answers"] != answers(grown, *texts)
    assert "Versions: 1, 2." in ratchet(grown, "predict", "--version", "7", "good").err


def test_a_barred_version_answers_beside_the_reason_why_it_is_barred(grown: Path) -> None:
    assert ratchet(grown, "rollback", "--reason", "worse for customers").code == 0
    ran = ratchet(grown, "predict", "--version", "2", "good great fine")
    assert (ran.code, ran.out) == (0, "pos\tgood great fine\n")
    assert ran.err.startswith("note: Version 2 must not ship: it was rolled back to version 1 on ")
    assert ran.err.endswith("UTC. worse for customers\n")


def test_what_would_overwrite_or_confuse_is_refused_and_nothing_is_written(
    grown: Path, asked: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there.csv"
    there.write_text("precious")
    (tmp_path / "again.csv").write_text("text,prediction\ngood,pos\n")
    (tmp_path / "other.csv").write_text("body\ngood\n")
    for file, out, said in (
        (asked, there, "exists already"),
        (asked, tmp_path / "out.parquet", "ends in neither .csv nor .jsonl"),
        (tmp_path / "again.csv", tmp_path / "new.csv", "already has a column 'prediction'"),
        (tmp_path / "other.csv", tmp_path / "new.csv", "has no column 'text'; it has 'body'"),
        (tmp_path / "none.csv", tmp_path / "new.csv", "There is no file"),
    ):
        ran = ratchet(grown, "predict", "--file", file, "--out", out)
        assert ran.code in (1, 2) and said in ran.err
        assert_one_paragraph(ran)
    assert "the file of texts itself" in (
        ratchet(grown, "predict", "--file", asked, "--out", asked, "--force").err
    )
    assert (there.read_text(), asked.read_text()) == ("precious", TABLE)
    assert ratchet(grown, "predict", "--file", asked).code == 2
    assert sorted(path.name for path in tmp_path.glob("*.*")) == [
        "again.csv", "in.csv", "other.csv", "there.csv",
    ]  # fmt: skip


def test_a_full_disk_leaves_the_earlier_file_and_nothing_half_written(
    grown: Path, tmp_path: Path
) -> None:
    many, out = tmp_path / "many.csv", tmp_path / "out.csv"
    many.write_text("text\n" + "good great fine\n" * 9_000)
    out.write_text("earlier")
    with files_up_to(100_000):
        ran = ratchet(grown, "predict", "--file", many, "--out", out, "--force")
    assert ran.code != 0 and "Traceback" not in ran.err
    assert out.read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["many.csv", "out.csv"]


@pytest.mark.slow
def test_ten_times_the_rows_take_no_more_memory(grown: Path, tmp_path: Path) -> None:
    most = []
    for rows in (5_000, 50_000):
        file = tmp_path / f"{rows}.csv"
        file.write_text("text,more\n" + f"good great fine,{'x' * 500}\n" * rows)
        out = tmp_path / f"{rows}-out.csv"
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(grown), str(file), str(out)],
            cwd=REPOSITORY, capture_output=True, text=True, check=True,
        )  # fmt: skip
        most.append(int(done.stdout.splitlines()[-1]))
        assert len(table(out)) == rows
    assert most[1] < most[0] + 30_000


MEASURED = """
import sys
from pathlib import Path
from tests.command import ratchet
ran = ratchet(Path(sys.argv[1]), "predict", "--file", sys.argv[2], "--out", sys.argv[3])
assert ran.code == 0, ran.err
[most] = [line for line in Path("/proc/self/status").open() if line.startswith("VmHWM")]
print(most.split()[1])
"""
