"""The columns of a file: under which names they are read, and what to do where one is missing.

Concept: the contract names the columns; `data.columns` says which other columns of a file are
read as these. A column that has the contract's own name is taken before one that is read as it.

Promise: a refusal names the file, the columns that it has, and a line for params.yaml; what that
line says of texts and labels is a guess from the rows themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from components.data.source_file import Source, jq, parsed, shown
from components.errors import DataRejected

if TYPE_CHECKING:
    from components.settings import DataSettings

GUESSED_FROM = 200
"""The first rows of a file, from which texts and labels are guessed."""

_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][\w-]*", re.IGNORECASE)


def as_read(values: dict[str, Any], contract: DataSettings) -> dict[str, Any]:
    """Return a record's values with its columns called as they are read."""
    found = values
    for theirs, ours in contract.columns.items():
        if theirs in found and ours not in found:
            found = {ours if name == theirs else name: each for name, each in found.items()}
    return found


def names_of(ours: str, contract: DataSettings) -> frozenset[str]:
    """Return the names of a file's columns that are read as the contract's column `ours`."""
    return frozenset({ours, *(theirs for theirs, read in contract.columns.items() if read == ours)})


def refuse_missing(
    source: Source,
    columns: Collection[str],
    needed: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
) -> None:
    """Raise DataRejected unless `columns` has all that are `needed`: the text's, the label's."""
    missing = [name for name in dict.fromkeys(needed) if name not in columns]
    if not missing:
        return
    free = [name for name in columns if name not in needed]
    first = [parsed(row) for row in islice(rows, GUESSED_FROM)]
    what = f"{source.name} has no column {shown(missing)}; it has {shown(list(columns)) or 'none'}."
    inside = _inside(missing, free, first)
    if inside:
        raise DataRejected(
            f"{what} These stand inside {shown([inside])}, and columns are read at the outermost "
            "level alone.",
            f"Move them out: `{jq(f'. + .[{json.dumps(inside)}]', source)}`.",
        )
    guessed = _guess(missing, needed, free, first)
    pasted = ", ".join(f"{_yaml(theirs)}: {_yaml(ours)}" for theirs, ours in guessed.items())
    pasted = pasted or f"THEIR_NAME: {_yaml(missing[0])}"
    raise DataRejected(
        what,
        f"Rename the columns, or add to params.yaml, under `data:`, `columns: {{{pasted}}}`"
        f"{' (a guess: check it)' if guessed else ''}.",
    )


def _inside(missing: Sequence[str], free: Sequence[str], rows: Sequence[Any]) -> str | None:
    """Return the column whose objects have all that is missing, where there is one."""
    for name in free:
        inner = (row[name] for row in rows if isinstance(row.get(name), dict))
        if any(set(missing) <= each.keys() for each in inner):
            return name
    return None


def _guess(
    missing: Sequence[str], needed: Sequence[str], free: Sequence[str], rows: Sequence[Any]
) -> dict[str, str]:
    """Return which columns may be meant: the longest texts, and the fewest different values."""
    values = {name: [row[name] for row in rows if isinstance(row.get(name), str)] for name in free}
    full = {name: found for name, found in values.items() if found}
    guessed: dict[str, str] = {}
    for ours in missing:
        left = full.keys() - guessed.keys()
        if not left:
            break
        if ours == needed[0]:
            theirs = max(sorted(left), key=lambda name: sum(map(len, full[name])) / len(full[name]))
        else:
            theirs = min(sorted(left), key=lambda name: _variety(full[name]))
        guessed[theirs] = ours
    return guessed


def _variety(values: Sequence[str]) -> float:
    """Return how many different values there are; one alone says nothing."""
    return len(set(values)) if len(set(values)) > 1 else float("inf")


def _yaml(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
