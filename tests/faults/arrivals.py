"""What people and programs drop into data/incoming: sound files, odd ones and broken ones.

Concept: one function a kind, in one table; each makes the bytes and a name. All rows carry
their own word (`book.row_name`), so none can get lost unseen.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.book import note_name, row_name
from tests.stream import BAD, FILLER, GOOD

FEW_ROWS, MANY_ROWS = 40, 120
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file to drop. `folder`: the one under data/incoming, "" for none."""

    kind: str
    folder: str
    name: str
    data: bytes


class Maker:
    """Makes the files of one operation. `without`: kinds that are left out."""

    def __init__(
        self, seed: int, number: int, rng: random.Random, without: frozenset[str] = frozenset()
    ) -> None:
        self.rng = rng
        self._kinds = {name: kind for name, kind in KINDS.items() if name not in without}
        self._seed, self._number, self._made = seed, number, 0

    def rows(self, count: int = 0, flip: bool = False) -> Rows:
        """Return rows of two moods, few or many; `flip` turns the labels round."""
        count = count or self.rng.choice([FEW_ROWS, MANY_ROWS, MANY_ROWS])
        return [self._row(flip) for _ in range(count)]

    def any(self, earlier: list[Arrival]) -> Arrival:
        """Return a file of a random kind; `earlier`: files to make copies of."""
        weights = [weight for weight, _ in self._kinds.values()]
        kind = self.rng.choices(list(self._kinds), weights)[0]
        if kind.startswith("again") and not earlier:
            kind = "sound"
        return KINDS[kind][1](self, self.rng.choice(earlier) if earlier else None)

    def file(self, kind: str, data: bytes, suffix: str = ".jsonl", name: str = "") -> Arrival:
        """Return a file with a name of its own in one of the usual folders."""
        self._made += 1
        folder = self.rng.choice(["mood", "mood", "mood", "other", ""])
        return Arrival(kind, folder, name or f"f{self._number}-{self._made}{suffix}", data)

    def note(self) -> str:
        """Return a word for a column beside text and label."""
        self._made += 1
        return note_name(self._seed, self._number, self._made)

    def _row(self, flip: bool) -> dict[str, Any]:
        mood = self.rng.choice(["pos", "neg"])
        words = [self.rng.choice(GOOD if mood == "pos" else BAD) for _ in range(3)]
        words.append(self.rng.choice(FILLER))
        self._made += 1
        words.append(row_name(self._seed, self._number, self._made))
        label = {"pos": "neg", "neg": "pos"}[mood] if flip else mood
        return {"text": " ".join(words), "label": label}


def jsonl(rows: Rows) -> bytes:
    """Return rows as JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: Rows) -> bytes:
    """Return rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["text", "label"], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(columns: dict[str, list[Any]]) -> bytes:
    """Return columns as a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue().to_pybytes()


def _columns(rows: Rows) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in ("text", "label")}


def _sound(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("sound", jsonl(make.rows()))


def _csv(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("csv", as_csv(make.rows()), ".csv")


def _parquet(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("parquet", as_parquet(_columns(make.rows())), ".parquet")


def _odd_column(make: Maker, _: Arrival | None) -> Arrival:
    """A column that nobody uses holds what Python has no value for: the year 10000."""
    import pyarrow

    rows = make.rows()
    days = pyarrow.array([253402300800_000_000 + i for i in range(len(rows))], pyarrow.int64())
    odd = days.cast(pyarrow.timestamp("us"))
    return make.file("odd column", as_parquet(_columns(rows) | {"when": odd}), ".parquet")


def _some_bad(make: Maker, _: Arrival | None) -> Arrival:
    """A few rows break the contract, some are copies, some lines are no rows."""
    rows = make.rows()
    for row in make.rng.sample(rows, 3):
        row["label"] = make.rng.choice([None, "\0", 7, ["pos"]])
    lines = jsonl([*rows, *rows[-2:]]) + jsonl(make.rows(1))[:-9] + b"\n"
    return make.file("some bad rows", lines)


def _all_bad(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("bad rows", jsonl([row | {"label": None} for row in make.rows()]))


def _one_class(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("one class", jsonl([row | {"label": "pos"} for row in make.rows()]))


def _flipped(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("flipped labels", jsonl(make.rows(flip=True)))


def _named_tasks(make: Maker, _: Arrival | None) -> Arrival:
    """Rows name tasks themselves: one that is known, one that no task may have."""
    tasks = ["mood", "mood", "mood#2", "\x1b[31mmood"]
    rows = [row | {"task": make.rng.choice(tasks)} for row in make.rows()]
    return make.file("named tasks", jsonl(rows))


def _new_label(make: Maker, _: Arrival | None) -> Arrival:
    rows = make.rows()
    for row in rows[:8]:
        row["label"] = "mixed"
    return make.file("new label", jsonl(rows))


def _garbage(make: Maker, _: Arrival | None) -> Arrival:
    suffix = make.rng.choice([".jsonl", ".csv", ".parquet"])
    start = make.rng.choice([b"\x80\x04", b"PK\x03\x04", b"PAR1", b"\xff\xfe", b"{"])
    return make.file("garbage", start + make.rng.randbytes(400), suffix)


def _cut_off(make: Maker, _: Arrival | None) -> Arrival:
    data = as_parquet(_columns(make.rows()))
    return make.file("cut off", data[: len(data) // 2], ".parquet")


def _empty(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("empty", f"\n{' ' * make.rng.randint(1, 10**6)}\n".encode())


def _long_line(make: Maker, _: Arrival | None) -> Arrival:
    [row] = make.rows(1)
    data = jsonl([*make.rows(20), row | {"text": row["text"] + " x" * 150_000}])
    return make.file("long line", data)


def _too_many(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("too many rows", jsonl(make.rows(401)))


def _bomb(make: Maker, _: Arrival | None) -> Arrival:
    """A few hundred bytes that would be tens of megabytes: one cell, many times."""
    [row] = make.rows(1)
    count = 20
    columns = {"text": [row["text"] + " x" * 1_000_000] * count, "label": ["pos"] * count}
    return make.file("bomb", as_parquet(columns), ".parquet")


def _nested(make: Maker, _: Arrival | None) -> Arrival:
    return make.file("nested", jsonl(make.rows(20)) + b'{"text":' + b"[" * 5000 + b"\n")


def _odd_name(make: Maker, _: Arrival | None) -> Arrival:
    number = make.rng.randint(0, 10**9)
    name = make.rng.choice(
        [
            f"new\nline{number}.jsonl",
            f"\x1b[2Jclear{number}.jsonl",
            f"bytes{number}\udcff.jsonl",
            f"none{number}",
            f"long{number}.{'x' * 230}",
            f"UPPER{number}.JSONL",
            f"two{number}.csv.jsonl",
        ]
    )
    return make.file("odd name", jsonl(make.rows()), name=name)


def _odd_folder(make: Maker, _: Arrival | None) -> Arrival:
    found = make.file("odd folder", jsonl(make.rows()))
    folder = make.rng.choice(["mood#2", "a\x1b[31m", "bytes\udcff", "mood/deeper", " "])
    return Arrival(found.kind, folder, found.name, found.data)


def _again(make: Maker, before: Arrival | None) -> Arrival:
    assert before is not None
    return make.file("again", before.data, before.name[before.name.rfind(".") :][:20])


def _again_shuffled(make: Maker, before: Arrival | None) -> Arrival:
    """Some of the rows of an earlier file in another order; the same, if all of them."""
    assert before is not None
    lines = before.data.splitlines(keepends=True)
    if not before.name.endswith(".jsonl") or not lines:
        return _sound(make, None)
    kept = make.rng.sample(lines, max(1, len(lines) - make.rng.choice([0, 0, 5])))
    return make.file("again shuffled", b"".join(kept))


def _again_with_notes(make: Maker, before: Arrival | None) -> Arrival:
    """The texts and labels of an earlier file, with a column of its own."""
    assert before is not None
    lines = before.data.splitlines()
    try:
        rows = [json.loads(line) | {"note": make.note()} for line in lines]
    except (ValueError, TypeError):
        return _sound(make, None)
    return make.file("again with notes", jsonl(rows))


KINDS: dict[str, tuple[int, Callable[[Maker, Arrival | None], Arrival]]] = {
    "sound": (10, _sound),
    "csv": (3, _csv),
    "parquet": (3, _parquet),
    "odd column": (1, _odd_column),
    "some bad rows": (4, _some_bad),
    "bad rows": (1, _all_bad),
    "one class": (2, _one_class),
    "flipped labels": (2, _flipped),
    "named tasks": (1, _named_tasks),
    "new label": (1, _new_label),
    "garbage": (2, _garbage),
    "cut off": (1, _cut_off),
    "empty": (1, _empty),
    "long line": (1, _long_line),
    "too many rows": (1, _too_many),
    "bomb": (1, _bomb),
    "nested": (1, _nested),
    "odd name": (2, _odd_name),
    "odd folder": (1, _odd_folder),
    "again": (2, _again),
    "again shuffled": (2, _again_shuffled),
    "again with notes": (2, _again_with_notes),
}
"""Kind -> (weight, what makes it)."""


def grown_lines(make: Maker, suffix: str) -> str:
    """Return rows as they are added to a file of that suffix."""
    rows = make.rows(6)
    text = as_csv(rows).decode().split("\n", 1)[1] if suffix == ".csv" else jsonl(rows).decode()
    return text
