"""Questions in a file, for a spreadsheet or a labelling tool, and the answers back from it.

Concept: `export` writes the open questions with an empty column `label`; `read_answers` reads the
file once people have filled it in. A label is one that the candidate knows, `(none)` where it is
none of the choices, or `?` where nobody could tell; an empty cell is no answer.

Promise: a file is read whole before anything is recorded, and recorded whole or not at all. No cell
of a table that is written is taken for a formula: one that could be begins with an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from components.data.exported_table import FORMULA
from components.data.readers import BINARY
from components.errors import ConfigError, DataRejected
from components.files import read_bytes, write_bytes
from components.ledger import views
from components.operations.labelling import (
    Given,
    Question,
    answer_all,
    question_name,
    read_answer,
    waiting,
)
from components.workspace.root import Workspace

COLUMNS = ("question", "task", "text", "choices", "label")
DELIMITERS = (",", ";", "\t")
NAMED_PROBLEMS = 5
EXPORT_AGAIN = "Correct these lines, or export the questions again; nothing was recorded."


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file brought: answers, and lines that nobody filled in."""

    answers: int
    blank: int


def open_questions(ws: Workspace, task: str | None = None) -> dict[str, Question]:
    """Return the questions that are asked now, by name, in order; `task` narrows them down."""
    asked = chain.from_iterable(each.questions for each in waiting(ws))
    return {_name(each): each for each in asked if task in (None, each.task)}


def export(ws: Workspace, path: Path, task: str | None = None) -> int:
    """Write the open questions to a new .csv or .jsonl file; return how many there are.

    Raises:
        ConfigError: the file exists, has another ending, or there is nothing to ask.
    """
    _kind(path)
    if path.exists():
        raise ConfigError(
            f"{path} exists, and may hold answers.", "Import it, or choose another name."
        )
    questions = open_questions(ws, task)
    if not questions:
        raise ConfigError("There is nothing to label.", "`ratchet label` says why.")
    text = (_table if _kind(path) == ".csv" else _lines)(questions)
    mark = "\ufeff" if _kind(path) == ".csv" else ""  # without it Excel does not read UTF-8
    write_bytes(path, (mark + text).encode("utf-8", "backslashreplace"))
    return len(questions)


def take(ws: Workspace, path: Path) -> Imported:
    """Record the answers of a file that was exported and filled in.

    Raises:
        ConfigError: there is no such file, or it has another ending.
        DataRejected: it can't be read, or lines of it can't be used; nothing was recorded.
    """
    rows = list(_rows(ws, path))
    filled = [(line, row) for line, row in rows if row["label"]]
    given = _checked(ws, path, filled)
    answer_all(ws, given)
    return Imported(len(given), len(rows) - len(filled))


def _checked(ws: Workspace, path: Path, rows: Iterable[tuple[int, dict[str, str]]]) -> list[Given]:
    questions, answered = open_questions(ws), _answered(ws)
    given, problems, seen = list[Given](), list[str](), dict[str, int]()
    for line, row in rows:
        name = row["question"]
        question = questions.get(name)
        if name in seen:
            problems.append(f"line {line} answers the question of line {seen[name]} again")
        elif question is None:
            why = "was answered meanwhile" if name in answered else "is not asked now"
            problems.append(f"line {line}: question {name!r} {why}")
        elif row["text"] and _words(row["text"]) != _words(question.text):
            problems.append(f"line {line}: its text is not that of its question (sorted apart?)")
        elif (read := read_answer(question, row["label"])) is None:
            known = ", ".join(question.labels[:NAMED_PROBLEMS])
            more = ", …" if len(question.labels) > NAMED_PROBLEMS else ""
            said = f"{row['label']!r} is not a label that the version knows ({known}{more})"
            problems.append(f"line {line}: {said}")
        else:
            given.append(read)
        seen.setdefault(name, line)
    if problems:
        rest = len(problems) - NAMED_PROBLEMS
        more = f"; and {rest} more" if rest > 0 else ""
        shown = "; ".join(problems[:NAMED_PROBLEMS])
        raise DataRejected(f"{path}: {shown}{more}.", EXPORT_AGAIN)
    return given


def _words(text: str) -> list[str]:
    """Return what is compared of a text; spreadsheets change spaces and the ends of lines."""
    return text.removeprefix("'").split()


def _answered(ws: Workspace) -> set[str]:
    """Return the names of the questions that have an answer."""
    return {
        question_name(each.task, each.item, each.again, each.offered)
        for task in views.pool_sizes(ws.ledger)
        for given in views.answers(ws.ledger, task).values()
        for each in given
    }


def _name(question: Question) -> str:
    return question_name(question.task, question.item, question.again, question.choices)


def _table(questions: dict[str, Question]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for name, each in questions.items():
        cells = (name, each.task, each.text, " | ".join(each.choices), "")
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells])
    return text.getvalue()


def _lines(questions: dict[str, Question]) -> str:
    rows = (
        dict(zip(COLUMNS, (name, each.task, each.text, [*each.choices], ""), strict=True))
        for name, each in questions.items()
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in (".csv", ".jsonl"):
        raise ConfigError(
            f"{path} ends in neither .csv nor .jsonl.", "Choose one of them: it names the format."
        )
    return kind


def _rows(ws: Workspace, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number, question, label and text of each row that is not empty."""
    text = _text(path, ws.settings.data.max_file_megabytes)
    found = _table_rows(path, text) if _kind(path) == ".csv" else _json_rows(path, text)
    for line, question, label, words in found:
        if question or label:
            yield line, {"question": question, "label": label, "text": words}


def _text(path: Path, max_megabytes: int) -> str:
    limit = max_megabytes * 1_000_000
    try:
        data = read_bytes(path, limit + 1)
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}.", "Check the path.") from None
    remedy = "Save it as `CSV UTF-8` (or .jsonl) and import it again."
    if len(data) > limit:
        raise DataRejected(f"{path} is larger than {max_megabytes} MB.", "Export it again.")
    for start, what in BINARY.items():
        if data.startswith(start):
            raise DataRejected(f"{path} is {what}, not a table.", remedy)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataRejected(f"{path}, line {line}: it is not UTF-8 text.", remedy) from None


def _table_rows(path: Path, text: str) -> Iterator[tuple[int, str, str, str]]:
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [cell.strip().lower() for cell in next(rows, [])]
    missing = [name for name in ("question", "label") if name not in columns]
    if missing:
        raise DataRejected(
            f"{path}: its first line names no column {' and no column '.join(missing)}.",
            f"Keep the first line of the export: {', '.join(COLUMNS)}.",
        )
    places = [columns.index(name) for name in ("question", "label", "text") if name in columns]
    line = rows.line_num + 1
    try:
        for row in rows:
            question, label, *words = (row[at].strip() if at < len(row) else "" for at in places)
            yield line, question, label, "".join(words)
            line = rows.line_num + 1
    except csv.Error as error:
        raise DataRejected(f"{path}, line {line}: {error}.", EXPORT_AGAIN) from None


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, str, str, str]]:
    for line, each in enumerate(text.split("\n"), start=1):
        if not each.strip():
            continue
        try:
            row: Any = json.loads(each)
            question, label, words = row["question"], row.get("label") or "", row.get("text") or ""
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            question, label, words = None, "", ""
        if not all(isinstance(each, str) for each in (question, label, words)):
            raise DataRejected(
                f"{path}, line {line}: no JSON object with a question and a label.", EXPORT_AGAIN
            )
        yield line, question.strip(), label.strip(), words.strip()
