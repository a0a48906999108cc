"""A file of texts in, the same rows with answers out: as many as there are, in constant memory.

Concept: the file is read twice. The first time its rows are counted and its columns are found; the
second time portions of rows are answered and written, in their order. Whatever else a row holds
stays, and is followed by `ANSWERS`.

Promise: the file appears at once and whole, or not at all. A row without a text is written
without an answer, a line that is no row is left out, and both are reported with their lines.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.expectations import kind_of
from components.data.modality import MODALITIES
from components.data.readers import open_records
from components.data.source_file import Source, Unreadable, shown
from components.errors import ConfigError, DataRejected
from components.files import write_lines
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.model.answering import Answerer
    from components.model.prediction import Prediction

ANSWERS = ("prediction", "probability")
"""The columns of the label ("don't know" leaves it empty) and of how probable the best one is."""

PORTION_ROWS = 2_000
LISTED = 20
"""How many rows without an answer are named; all are counted."""

_NO_LIMIT = 10**15
"""Bytes or rows: nothing of this file is kept. What one line may hold is still limited."""

Row = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A line without an answer, and why. Of a Parquet file `line` is the row."""

    line: int
    reason: str


@dataclass(slots=True)
class Answered:
    """What became of a file.

    `rows` were written, `answered` of them with an answer, `withheld` of these with "don't know".
    `unanswered` counts rows and lines without an answer; `problems` are the first of them.
    """

    out: str
    rows: int = 0
    answered: int = 0
    withheld: int = 0
    unanswered: int = 0
    problems: list[Problem] = field(default_factory=list)

    def report(self, place: int, reason: str) -> None:
        """Count a row without an answer."""
        self.unanswered += 1
        if len(self.problems) < LISTED:
            self.problems.append(Problem(place, reason))


def answer_file(
    ws: Workspace,
    answerer: Answerer,
    source: Path,
    target: Path,
    *,
    threshold: float = 0.0,
    probabilities: bool = False,
    force: bool = False,
) -> Answered:
    """Write the rows of `source` with their answers to `target`, .csv or .jsonl.

    Args:
        ws: names the column of texts, and how long a line may be.
        answerer: the version that answers.
        source: any format that batches may have, of any size.
        target: a new file.
        threshold: a label less probable than this is withheld.
        probabilities: write a column for each label as well.
        force: replace a file that is there.

    Raises:
        ConfigError: the file is there already, or its name ends in another way.
        DataRejected: `source` can't be read; nothing was written.
    """
    _refuse_target(source, target, force)
    opened = Source(source, str(source), ws.settings.data.max_line_bytes, _NO_LIMIT, _NO_LIMIT)
    total, columns = _survey(opened, ws)
    added = [*ANSWERS, *(f"probability {each}" for each in answerer.labels if probabilities)]
    if clash := [name for name in added if name in columns]:
        raise DataRejected(
            f"{source} already has a column {shown(clash)}.", "Rename it, or leave it out."
        )
    columns += added
    done, is_table = Answered(str(target)), target.suffix.lower() == ".csv"

    def lines() -> Iterator[bytes]:
        if is_table:
            yield _csv_line(columns)
        rows = _rows(opened, done)
        while portion := list(islice(rows, PORTION_ROWS)):
            for values in _answered(ws, answerer, portion, added, threshold, done):
                yield _csv_line(map(values.get, columns)) if is_table else _json_line(values)
            ws.progress("answering", done.rows, total)

    write_lines(target, lines())
    done.problems.sort()  # lines that are no rows were found a portion ahead
    return done


def _answered(
    ws: Workspace,
    answerer: Answerer,
    portion: Sequence[Row],
    added: Sequence[str],
    threshold: float,
    done: Answered,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a portion with their answers, and count them."""
    read = MODALITIES[ws.identity.modality].read
    texts = [read(values, ws.settings.data) for _, values in portion]
    kinds = [kind_of(text) for text in texts]
    found = answerer.answer([t for t, kind in zip(texts, kinds, strict=True) if kind == "string"])
    answers = _columns_of(found, threshold)
    for (place, values), kind in zip(portion, kinds, strict=True):
        done.rows += 1
        answer: Sequence[Any] = [None] * len(added)
        if kind == "string":
            answer = next(answers)[: len(added)]
            done.answered += 1
            done.withheld += answer[0] is None
        else:
            done.report(place, "no text" if kind == "missing" else "its text is not a string")
        yield values | dict(zip(added, answer, strict=True))


def _columns_of(found: Prediction, threshold: float) -> Iterator[list[Any]]:
    """Yield label, its probability and those of all labels, for each text."""
    labels = found.labels_from(threshold)
    for label, chances in zip(labels, found.probabilities, strict=True):
        rounded = [round(float(each), 6) for each in chances]
        yield [label, max(rounded), *rounded]


def _rows(source: Source, done: Answered) -> Iterator[Row]:
    with closing(open_records(source)) as records:
        for place, values, _ in records:
            if isinstance(values, Unreadable):
                done.report(place, values.reason)
            else:
                yield place, values


def _survey(source: Source, ws: Workspace) -> tuple[int, list[str]]:
    """Return how many rows there are, and all columns in the order in which they came.

    Raises:
        DataRejected: the file can't be read, has no row, or no column of texts.
    """
    columns: dict[str, None] = {}
    total = 0
    for _, values in _rows(source, Answered("")):
        columns.update(dict.fromkeys(values))
        total += 1
    column = MODALITIES[ws.identity.modality].column(ws.settings.data)
    if not total:
        raise DataRejected(f"{source.name} has no rows.", "Name a file with at least one row.")
    if column not in columns:
        raise DataRejected(
            f"{source.name} has no column {shown([column])}; it has {shown([*columns])}.",
            "Rename the column of texts, or set data.text_column in params.yaml.",
        )
    return total, [*columns]


def _refuse_target(source: Path, target: Path, force: bool) -> None:
    if target.suffix.lower() not in (".csv", ".jsonl"):
        raise ConfigError(
            f"{target} ends in neither .csv nor .jsonl.", "Choose one of them: it names the format."
        )
    if target.exists() and source.exists() and target.samefile(source):
        raise ConfigError(f"{target} is the file of texts itself.", "Name another file.")
    if target.exists() and not (force and target.is_file()):
        raise ConfigError(f"{target} exists already.", "Name a new file, or add --force.")


def _csv_line(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(_cell, values))
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json_line(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, ensure_ascii=False) + "\n").encode("utf-8", "replace")
