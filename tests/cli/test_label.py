"""`ratchet label` as a person meets it: questions, answers, undo, stop and resume, files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from components.ledger import views
from components.operations import label_files, labelling
from components.operations.labelling import Question
from components.workspace.root import open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.pools import asked, lines, right_keys, truth
from tests.server import Server


def given(root: Path) -> list[dict[str, str]]:
    """Return the payloads of all answers, oldest first."""
    return [
        json.loads(e.payload) for e in views.events(open_workspace(root).ledger, kind="label.given")
    ]


def counting(root: Path) -> int:
    """Return how many answers count."""
    found = views.answers(open_workspace(root).ledger, "mood")
    return sum(map(len, found.values()))


def test_the_right_labels_end_the_wait_and_the_batch_is_promoted(
    waiting: Path, tmp_path: Path, prefect_here: Server
) -> None:
    keys = right_keys(waiting, tmp_path / "copy")
    ran = ratchet(waiting, "label", stdin=lines(keys))
    assert (ran.code, ran.err) == (0, "")
    assert "That is enough: no other label can change the decision." in ran.out
    assert "it waited for labels, and can be decided now" in ran.out
    assert "promoted batch" in ran.out and "version 3" in ran.out
    answers = given(waiting)
    assert len(answers) == len(keys) and {each["answer"] for each in answers} == {"label"}
    assert all(each["actor"] for each in answers), "who said so"
    assert views.champion(open_workspace(waiting).ledger).version == 3  # type: ignore[union-attr]
    assert "Nothing is asked: no held version waits for labels." in ratchet(waiting, "label").out


def test_stopping_and_resuming_loses_nothing_and_asks_nothing_twice(
    waiting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "ASKED_TWICE", 0.6)
    keys = right_keys(waiting, tmp_path / "copy")
    first = ratchet(waiting, "label", "--no-run", stdin=lines([*keys[:7], "q"]))
    assert "Stopped: 7 answers in this sitting" in first.out and counting(waiting) == 7
    second = ratchet(waiting, "label", "--no-run", stdin=lines(keys[7:12]))  # the pipe ends
    assert "Stopped: 5 answers in this sitting" in second.out and "answered 7" in second.out
    third = ratchet(waiting, "label", "--no-run", stdin=lines(keys[12:]))
    assert "A held batch can be decided now." in third.out and "next: ratchet intake" in third.out
    places = [(each["item"], each["again"]) for each in given(waiting)]
    assert len(places) == len(set(places)) == len(keys)
    assert any(again for _, again in places), "some are asked twice"


def test_a_wrong_answer_is_taken_back_and_asked_next(waiting: Path) -> None:
    question = asked(waiting)[0]
    right = question.choices.index(truth(question.text)) + 1
    ran = ratchet(waiting, "label", stdin=lines([3 - right, "u", right, "q"]))
    assert ran.out.count(f"| {question.text}\n") == 2, "shown, taken back, shown again"
    [counts] = views.answers(open_workspace(waiting).ledger, "mood")[question.item]
    assert counts.label == truth(question.text)
    assert len(given(waiting)) == 2 and counting(waiting) == 1, "nothing is deleted"


def test_even_the_last_answer_can_be_taken_back(waiting: Path, tmp_path: Path) -> None:
    keys = right_keys(waiting, tmp_path / "copy")
    ran = ratchet(waiting, "label", stdin=lines([*keys, "u", "q"]))
    assert "That is enough" in ran.out and "Stopped" in ran.out
    assert counting(waiting) == len(keys) - 1
    assert ratchet(waiting, "label", stdin="u\nq\n").out.count("no answer of this sitting") == 1


def test_keys_that_are_no_answer_are_refused_in_words_and_nothing_is_recorded(
    waiting: Path,
) -> None:
    typed = ["x", "3", "o posh", "o", "zzz", "\x1b[2J", "q"]
    ran = ratchet(waiting, "label", stdin=lines(typed))
    assert ran.code == 0 and given(waiting) == []
    assert "'x' is no answer: 1 to 2, or o another label" in ran.out
    assert "No label that the version knows begins with 'posh': neg, pos." in ran.out
    assert "press n: none of these" in ran.out
    assert "\x1b" not in ran.out


def test_another_label_may_be_typed_by_its_beginning(waiting: Path) -> None:
    ratchet(waiting, "label", stdin=lines(["o PO", "o", "ne", "n", "?", "q"]))
    assert [(each["answer"], each["label"]) for each in given(waiting)] == [
        ("label", "pos"),
        ("label", "neg"),
        ("neither", None),
        ("unclear", None),
    ]


def test_what_is_skipped_comes_again_another_time(waiting: Path, tmp_path: Path) -> None:
    total = len(asked(waiting))
    ran = ratchet(waiting, "label", stdin=lines(["s"] * total))
    assert f"Skipped: {total}; `ratchet label` asks again." in ran.out
    assert ratchet(waiting, "status", "--json").facts["labels"] == total and not given(waiting)


def test_who_cannot_tell_never_promotes(waiting: Path, prefect_here: Server) -> None:
    ran = ratchet(waiting, "label", stdin=lines(["?"] * 60))
    assert "That is enough" in ran.out, "no answer of the others could change it any more"
    assert "held batch" in ran.out and "version 3" in ran.out
    assert views.champion(open_workspace(waiting).ledger).version == 1  # type: ignore[union-attr]


def test_answers_that_contradict_each_other_are_told_and_count_for_nothing(
    waiting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "ASKED_TWICE", 0.6)
    ws = open_workspace(waiting)
    contradicted = 0
    while questions := asked(waiting):
        question = questions[0]
        label = truth(question.text)
        if question.again:
            contradicted += 1
            label = "pos" if label == "neg" else "neg"
        labelling.answer(ws, question, "label", label)
    said = labelling.summary(ws, "mood")
    assert contradicted and (said.asked_twice, said.disagreeing) == (contradicted, contradicted)
    assert said.unclear == contradicted
    assert said.labelled + said.unclear + contradicted == counting(waiting)
    [pool] = ratchet(waiting, "pool", "list", "--json").facts
    assert (pool["asked_twice"], pool["disagreeing"]) == (contradicted, contradicted)
    assert f"{contradicted} (100 %)" in ratchet(waiting, "pool", "list").out


def test_status_and_the_outcome_of_a_batch_say_that_labels_are_asked_for(waiting: Path) -> None:
    ran = ratchet(waiting, "status")
    assert f"Labels asked for: up to {len(asked(waiting))}.\nnext: ratchet label\n" in ran.out
    again = ratchet(waiting, "run", waiting / "b2.jsonl", "--task", "mood")
    way = f"labels of up to {len(asked(waiting))} inputs: `ratchet label`"
    assert again.code == 3 and f"  to settle it:\n    - {way}\n" in again.out
    assert "examine it again" not in again.out, "that happens by itself"
    assert f"):\n  - {way}\n  - a person's word, which the gate does not answer for:" in ran.out
    assert "To settle batch" in ran.out and "`ratchet approve 2" in ran.out
    assert f"What to do now:\n  - L{way[1:]}.\n" in ratchet(waiting, "version", "explain", "2").out
    assert "ratchet holdout add" not in again.out


def test_questions_say_nothing_about_who_said_what(waiting: Path) -> None:
    """Now the candidate's answer comes first, now the champion's."""
    document = open_workspace(waiting).read_document(asked(waiting)[0].asked_by)
    said = {e["item"]: e["candidate"] for pool in document["pools"] for e in pool["differing"]}
    first = sum(each.choices[0] == said[each.item] for each in asked(waiting))
    assert 0 < first < len(asked(waiting))
    assert "candidate" not in ratchet(waiting, "label", stdin="q\n").out


@pytest.mark.parametrize("task", ["mood", "films"])
def test_a_task_restricts_what_is_asked(waiting: Path, task: str) -> None:
    out = ratchet(waiting, "label", "--task", task, stdin="q\n").out
    n = len(asked(waiting))
    assert (f"answered 0, up to {n} more" in out) == (task == "mood")
    assert (f"Nothing is asked about films; about other tasks: {n}." in out) == (task == "films")


def test_without_a_pool_it_says_what_would_make_something_to_ask(root: Path) -> None:
    ran = ratchet(root, "label")
    assert (ran.code, ran.err) == (0, "")
    assert "there is no pool of unlabelled inputs.\nnext: ratchet pool add FILE" in ran.out


# Files


def filled(path: Path, delimiter: str = ",") -> int:
    """Fill in the truth, as a spreadsheet saves it; return how many rows there are."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys(), delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**row, "label": truth(row["text"])} for row in table)
    return len(table)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_is_filled_in_and_intake_promotes(
    waiting: Path, tmp_path: Path, delimiter: str, prefect_here: Server
) -> None:
    file, n = tmp_path / "q.csv", len(asked(waiting))
    assert f"{n} questions" in ratchet(waiting, "label", "export", file).out
    assert filled(file, delimiter) == n
    ran = ratchet(waiting, "label", "import", file)
    assert (ran.code, ran.err) == (0, "") and f"{n} answers recorded, 0 left empty." in ran.out
    if delimiter != ",":
        return
    while ratchet(waiting, "status", "--json").facts["labels"]:  # the second questions
        second = tmp_path / f"again-{counting(waiting)}.csv"
        ratchet(waiting, "label", "export", second)
        filled(second)
        assert ratchet(waiting, "label", "import", second).code == 0
    done = ratchet(waiting, "intake")
    assert "it waited for labels, and can be decided now" in done.out
    assert "promoted batch" in done.out


def test_the_same_as_lines_of_json(waiting: Path, tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    ratchet(waiting, "label", "export", file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    said = [truth(rows[0]["text"]), "(none)", "?", None, ""]
    for row, label in zip(rows, [*said, *[""] * len(rows)], strict=False):
        row["label"] = label
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = ratchet(waiting, "label", "import", file, "--json").facts
    assert (facts["answers"], facts["blank"]) == (3, len(rows) - 3)
    assert [each["answer"] for each in given(waiting)] == ["label", "neither", "unclear"]


def test_a_column_that_was_sorted_alone_is_noticed(waiting: Path, tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    ratchet(waiting, "label", "export", file)
    n = filled(file)
    with file.open(encoding="utf-8-sig", newline="") as read:
        names, first, *rest = list(csv.reader(read))
    moved = [[row[0], row[1], text, *row[3:]] for row, text in
             zip([first, *rest], [row[2] for row in [*rest, first]], strict=True)]  # fmt: skip
    with file.open("w", encoding="utf-8-sig", newline="") as written:
        csv.writer(written).writerows([names, *moved])
    ran = ratchet(waiting, "label", "import", file)
    assert ran.code == 1 and "line 2: its text is not that of its question" in ran.err
    assert n > 1 and counting(waiting) == 0


def test_one_bad_line_and_nothing_is_recorded_and_every_bad_line_is_named(
    waiting: Path, tmp_path: Path
) -> None:
    file, ws = tmp_path / "q.csv", open_workspace(waiting)
    ratchet(waiting, "label", "export", file)
    filled(file)
    first = asked(waiting)[0]
    labelling.answer(ws, first, "label", truth(first.text))
    table = file.read_text(encoding="utf-8-sig").splitlines()
    table[2] = table[2].rpartition(",")[0] + ",joyful"
    table[3] = "qffff,mood,x,pos | neg,pos"
    table.append(table[5])
    file.write_text("\n".join(table) + "\n")
    ran = ratchet(waiting, "label", "import", file)
    assert ran.code == 1
    assert_one_paragraph(ran)
    for said in (
        "line 2: question",
        "was answered meanwhile",
        "line 3: 'joyful' is not a label that the version knows (neg, pos)",
        "line 4: question 'qffff' is not asked now",
        f"line {len(table)} answers the question of line 6 again",
    ):
        assert said in ran.err
    assert counting(waiting) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04rest", "a zip archive (perhaps a spreadsheet)"),
        (b"\xff\xfeq\x00", "UTF-16"),
        ("question,label\nq1,\xe9\n".encode("latin-1"), "line 2: it is not UTF-8 text"),
        (b"text;label\nq1;pos\n", "names no column question"),
        (b"", "names no column question and no column label"),
    ],
)
def test_what_is_no_table_is_refused_in_one_clear_error(
    waiting: Path, tmp_path: Path, data: bytes, said: str
) -> None:
    file = tmp_path / "q.csv"
    file.write_bytes(data)
    ran = ratchet(waiting, "label", "import", file)
    assert ran.code == 1 and said in ran.err
    assert_one_paragraph(ran)


def test_a_file_that_may_hold_answers_is_not_written_over(waiting: Path, tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    ratchet(waiting, "label", "export", file)
    again = ratchet(waiting, "label", "export", file)
    assert again.code == 2 and "may hold answers" in again.err


HOSTILE = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "'=quoted", "plain"]


def test_no_cell_is_a_formula_and_the_labels_come_back_as_they_are(
    waiting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = {
        f"q{n}": Question("mood", f"item{n}", text, (text, "pos"), (*HOSTILE,), "e")
        for n, text in enumerate(HOSTILE)
    }
    monkeypatch.setattr(label_files, "open_questions", lambda ws, task=None: questions)
    file, ws = tmp_path / "q.csv", open_workspace(waiting)
    label_files.export(ws, file)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        table = list(csv.DictReader(opened))
    assert not [cell for row in table for cell in row.values() if cell[:1] in tuple("=+-@\t\r")]
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, table[0].keys())
        writer.writeheader()
        writer.writerows({**row, "label": row["text"]} for row in table)
    assert label_files.take(ws, file).answers == len(HOSTILE)
    assert [each["label"] for each in given(waiting)] == HOSTILE
