"""Parquet: decoded by a process of its own, read here line by line.

Concept: a Parquet file is a program for the Arrow library: a few bytes may stand for gigabytes
(repeated values, dictionaries, compressed pages), and damaged ones have crashed it. So
`parquet_decoder` runs it under the kernel's limits, and here only rows of bounded size arrive.

Promise: whatever the file does to its decoder ends as one `DataRejected` with the reason. Where
the system has no such limits (Windows) the decoder's own checks of cells, rows and the whole
file remain.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.data.source_file import (
    MAX_COLUMNS,
    ArrayFields,
    Records,
    Source,
    not_utf8,
    refuse_columns,
    too_large,
    too_long,
    too_many_columns,
    too_many_rows,
)
from components.errors import DataRejected, Retryable

DECODER = Path(__file__).with_name("parquet_decoder.py")
DECODER_BYTES = 160_000_000
"""Memory of the decoder beyond its libraries. DuckDB's pages are the largest: 100 MB."""
BOMB_FACTOR = 100
BOMB_FLOOR_BYTES = 16_000_000
"""Texts shrink 3 to 10 times when compressed; a file that grows 100 times was made to."""
STOPPED_FROM_OUTSIDE = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)}


def parquet_records(source: Source) -> Records:
    """Yield the rows of a Parquet file, which has no lines: `place` counts rows from 1.

    A value that JSON has no form for (bytes, a timestamp, NaN) becomes `{type name: text}`,
    so that it is kept, has an identity, and is never taken for text.

    Raises:
        DataRejected: truncated, no Parquet at all, not UTF-8, a column named twice, or above
            a limit: of a cell, a row, the rows that its footer counts, the file, or of the
            decoder's memory and time.
        Retryable: the decoder was stopped from outside, or could not be started.
    """
    stored = source.path.stat().st_size
    most = min(source.file_bytes, max(BOMB_FLOOR_BYTES, BOMB_FACTOR * stored))
    limits = {
        "row": source.line_bytes,
        "file": most,
        "rows": source.rows,
        "columns": MAX_COLUMNS,
        "memory": DECODER_BYTES,
        "seconds": 30 + source.file_bytes // 2_000_000,
    }
    names: list[str] | None = None
    place = 0
    with _decoder(source, limits) as decoder:
        assert decoder.stdout is not None  # it is a pipe
        for line in decoder.stdout:
            if line == b"end\n":
                return
            if line.startswith(b"!"):
                raise _refusal(source, stored, most, *json.loads(line[1:]))
            if names is None:
                names = json.loads(line)
                refuse_columns(source, names)
            else:
                place += 1
                values = json.loads(line)
                yield place, dict(zip(names, values, strict=True)), ArrayFields(line, names)
        raise _stopped(source, decoder.wait(), place)


@contextmanager
def _decoder(source: Source, limits: dict[str, int]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the decoder and end it with the block, whichever way that ends.

    It is told where this process finds its packages, and looks nowhere else (`-I -S`): so it
    works from any folder and any kind of installation. Its own session keeps the terminal's
    Ctrl-C away from it, which would look like the file's fault.
    """
    paths = [os.path.abspath(path) for path in sys.path]
    command = [sys.executable, "-I", "-S", str(DECODER), json.dumps(paths), json.dumps(limits)]
    with source.path.open("rb") as file:
        try:
            decoder = subprocess.Popen(
                command,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise Retryable(
                f"The decoder of {source.name} cannot be started: {error.strerror}.",
                "Free up memory or processes, then run the same command again.",
            ) from None
    with decoder:
        try:
            yield decoder
        finally:
            decoder.kill()


def _refusal(source: Source, stored: int, most: int, kind: str, *facts: Any) -> DataRejected:
    if kind == "long":
        return too_long(source, f"row {facts[0]}")
    if kind == "columns":
        return too_many_columns(source)
    if kind == "rows":
        return too_many_rows(source, f"its footer says {facts[0]:,}")
    if kind == "encoding":
        return not_utf8(source, f"row {facts[0]}", facts[1], facts[2])
    if kind == "memory":
        return DataRejected(
            f"{source.name} needs more than {DECODER_BYTES // 1_000_000} MB of memory to decode.",
            "Write the file with smaller row groups and pages, or send it as several batches.",
        )
    if kind == "large" and most == source.file_bytes:
        return too_large(source, f"when decoded (row {facts[0]})")
    if kind == "large":
        return DataRejected(
            f"{source.name} has {stored:,} bytes and decodes to more than {most:,} (row "
            f"{facts[0]}): more than {BOMB_FACTOR} times as many, so it is taken for a "
            "decompression bomb.",
            "If the rows are real, send them as JSONL or CSV.",
        )
    return DataRejected(
        f"{source.name} is not a readable Parquet file: {str(facts[0]).rstrip('.')}.",
        "Write the file again; it may be truncated or in another format.",
    )


def _stopped(source: Source, code: int, place: int) -> DataRejected | Retryable:
    if -code in STOPPED_FROM_OUTSIDE:
        return Retryable(
            f"The decoder of {source.name} was killed after row {place}.",
            "Run the same command again; if it fails again, the machine is short of memory.",
        )
    how = f"signal {-code}" if code < 0 else f"exit {code}"
    if code == -getattr(signal, "SIGXCPU", 0):
        how = "it took too long"
    return DataRejected(
        f"{source.name} is not a readable Parquet file: its decoder failed after row {place} "
        f"({how}).",
        "Write the file again with another program; it may be damaged.",
    )
