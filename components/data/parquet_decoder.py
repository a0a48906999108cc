"""The program that decodes one Parquet file in a process of its own.

Concept: the file is standard input; standard output has the column names as one line of JSON,
then one JSON array a row, and last the line `end`. A refusal is a line `!` and JSON.
`parquet_reader` starts it, by this file's path: it needs pyarrow and nothing of Ratchet.

Promise: a value that JSON has no form for becomes `{type name: text}`, one cell at a time; no
cell, row or file above its limit is turned into Python values. What a file does to the Arrow
library beyond that (a crash, memory, an endless loop) ends this process and no other.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

MAX_NESTING = 32
MAX_BATCH_ROWS = 128
BATCH_BYTES = 4_000_000
"""Rows are decoded in portions of this size by what the file says of itself, but it may say
little: 128 rows of the longest legal text, repeated, are 128 MB and still fit in memory."""
READ_BYTES = 1 << 20
THRIFT_BYTES = 16_000_000
THRIFT_PARTS = 1_000_000
OUT_OF_MEMORY = ("malloc of size", "realloc of size", "bad_alloc")


class Refused(Exception):
    """The file cannot be used: `kind` and what the message of that kind needs."""

    def __init__(self, kind: str, *facts: Any) -> None:
        super().__init__(kind, *facts)
        self.said = [kind, *facts]


def main() -> None:
    """Decode standard input under the limits that the arguments give; see `parquet_reader`."""
    sys.path[:] = json.loads(sys.argv[1])
    # Arrow would load pandas for one timestamp in nanoseconds: 100 MB, and another type of value.
    sys.modules["pandas"] = None  # type: ignore[assignment]
    limits = json.loads(sys.argv[2])
    out = sys.stdout.buffer
    try:
        for line in rows(limits):
            out.write(line)
        out.write(b"end\n")
    except Refused as refusal:
        out.write(b"!" + json.dumps(refusal.said).encode() + b"\n")
    except MemoryError:
        out.write(b'!["memory"]\n')
    except Exception as error:
        words = " ".join(str(error)[:1000].split())[:300]
        kind = "memory" if any(each in words for each in OUT_OF_MEMORY) else "broken"
        said = [kind, words or type(error).__name__]
        out.write(b"!" + json.dumps(said).encode() + b"\n")
    out.flush()


def rows(limits: dict[str, int]) -> Iterator[bytes]:
    """Yield the line of column names, then the line of each row."""
    import pyarrow
    import pyarrow.parquet as parquet

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    _limit_process(limits)
    left, place = limits["file"], 0
    with _opened(parquet) as file:
        if file.metadata.num_rows > limits["rows"]:
            raise Refused("rows", file.metadata.num_rows)
        _check_schema(file.schema_arrow, limits)
        size = _batch_rows(file.metadata)
        yield _line(list(file.schema_arrow.names))
        for chunk in file.iter_batches(batch_size=size, use_threads=False):
            for index in range(chunk.num_rows):
                place += 1
                room = Room(place, limits["row"])
                line = _line([plain(column[index], room) for column in chunk.columns])
                if len(line) > limits["row"] + 1:
                    raise Refused("long", place)
                left -= len(line)
                if left < 0:
                    raise Refused("large", place)
                yield line


class Room:
    """What is left of the bytes that a row may take."""

    def __init__(self, place: int, size: int) -> None:
        self.place, self.left = place, size

    def take(self, size: int) -> None:
        """Raise Refused where the row has grown beyond its limit."""
        self.left -= size
        if self.left < 0:
            raise Refused("long", self.place)


def plain(scalar: Any, room: Room) -> Any:
    """Return an Arrow value as JSON has it, else as `{type name: text}`; null is None."""
    room.take(1)
    if not scalar.is_valid:
        return None
    for kind, convert in _NESTED.items():
        if kind in type(scalar).__name__:
            return convert(scalar, room)
    if hasattr(scalar, "as_buffer"):
        buffer = scalar.as_buffer()
        room.take(buffer.size if buffer is not None else 0)
    try:
        return _jsonable(scalar.as_py())
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise Refused("encoding", room.place, byte, error.start + 1) from None
    except (Refused, MemoryError):
        raise
    except Exception:
        # Python has no such value (the year 10000, an unknown timezone): Arrow's own text.
        return {str(scalar.type): _arrow_text(scalar)}


def _list(scalar: Any, room: Room) -> Any:
    values = scalar.values
    room.take(len(values))
    return [plain(value, room) for value in values]


def _struct(scalar: Any, room: Room) -> Any:
    return {
        str(scalar.type.field(i).name): plain(scalar[i], room)
        for i in range(scalar.type.num_fields)
    }


def _map(scalar: Any, room: Room) -> Any:
    return [[pair[name] for name in pair] for pair in _list(scalar, room)]


def _inner(scalar: Any, room: Room) -> Any:
    return plain(scalar.value, room)


_NESTED: dict[str, Callable[[Any, Room], Any]] = {
    "Map": _map,
    "List": _list,
    "Struct": _struct,
    "Dictionary": _inner,
    "Union": _inner,
    "RunEndEncoded": _inner,
    "Extension": _inner,
    "JsonScalar": _inner,
}


def _jsonable(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return {type(value).__name__: str(value)}


def _arrow_text(scalar: Any) -> str:
    import pyarrow

    try:
        return str(scalar.cast(pyarrow.string()).as_py())
    except Exception:
        return str(getattr(scalar, "value", "unreadable"))


def _opened(parquet: Any) -> Any:
    return parquet.ParquetFile(
        sys.stdin.buffer,
        buffer_size=READ_BYTES,
        pre_buffer=False,
        thrift_string_size_limit=THRIFT_BYTES,
        thrift_container_size_limit=THRIFT_PARTS,
    )


def _check_schema(schema: Any, limits: dict[str, int]) -> None:
    if len(schema.names) > limits["columns"]:
        raise Refused("columns")
    if any(_deep(field.type, MAX_NESTING) for field in schema):
        raise Refused("broken", f"a column is nested deeper than {MAX_NESTING}")


def _deep(kind: Any, levels: int) -> bool:
    count = getattr(kind, "num_fields", 0)
    return count > 0 and (
        levels == 0 or any(_deep(kind.field(i).type, levels - 1) for i in range(count))
    )


def _batch_rows(metadata: Any) -> int:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    row = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=1)
    return max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // max(row, 1)))


def _line(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _limit_process(limits: dict[str, int]) -> None:
    """Bound this process where the system can: memory beyond the libraries, CPU, core files."""
    try:
        import resource
    except ImportError:  # Windows: the checks of cells, rows and file are all there is
        return
    seconds = limits["seconds"]
    bounds = {
        resource.RLIMIT_DATA: (_data_bytes() + limits["memory"],) * 2,
        resource.RLIMIT_CPU: (seconds, seconds + 5),
        resource.RLIMIT_CORE: (0, 0),
    }
    for which, bound in bounds.items():
        try:
            resource.setrlimit(which, bound)
        except (ValueError, OSError):  # a lower one is set already, or this system has none
            continue


def _data_bytes() -> int:
    """Return what the process has of what RLIMIT_DATA counts; Linux says it exactly."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            found = next(line for line in status if line.startswith("VmData"))
        return int(found.split()[1]) * 1024
    except (OSError, StopIteration):
        return 200_000_000


if __name__ == "__main__":
    main()
