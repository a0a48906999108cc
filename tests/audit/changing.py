"""What is done to a file, and where in a root the files lie that are worth changing."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.ledger import views
from components.workspace.batch_files import items_path, raw_path
from components.workspace.root import Workspace, open_workspace

Make = Callable[[Path], str]


@dataclass(frozen=True)
class Change:
    """One change: `make` does it and returns the words that a finding must name."""

    group: str
    name: str
    make: Make
    deep: bool = False


CHANGES: list[Change] = []


def row(group: str, name: str, make: Callable[..., str], *given: Any, deep: bool = False) -> None:
    """Enter a change in the list."""
    CHANGES.append(Change(group, name, partial(_made, make, given), deep))


def counted() -> str:
    """Return how many changes there are of each group, as docs/audit.md shows them."""
    groups = Counter(each.group for each in CHANGES)
    deep = Counter(each.group for each in CHANGES if each.deep)
    lines = [
        "| what is changed | changes | found by default | found by `--deep` |",
        "|---|---|---|---|",
    ]
    lines += [f"| {g} | {n} | {n - deep[g]} | {n} |" for g, n in groups.items()]
    n, late = sum(groups.values()), sum(deep.values())
    return "\n".join([*lines, f"| all | {n} | {n - late} | {n} |", ""])


def _made(make: Callable[..., str], given: tuple[Any, ...], root: Path) -> str:
    return make(root, *given)


# What is done to a file.


def flipped(path: Path) -> str:
    """Change one byte in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path.name


def cut(path: Path) -> str:
    """Drop the last line, or the last byte."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) if len(lines) > 1 else lines[0][:-1])
    return path.name


def grown(path: Path) -> str:
    """Write one more line."""
    with path.open("ab") as file:
        file.write(b"\n")
    return path.name


def gone(path: Path) -> str:
    """Remove a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return path.name


def linked(path: Path) -> str:
    """Put a link to the same bytes in its place."""
    kept = path.parents[1] / f"elsewhere-{path.name}"
    path.rename(kept)
    path.symlink_to(kept)
    return path.name


def swapped(one: Path, other: Path) -> str:
    """Let two files or folders change places."""
    aside = one.with_name(f"{one.name}.aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    return one.name


def added(path: Path) -> str:
    """Put a file where nothing was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n", encoding="utf-8")
    return path.name


def reworded(path: Path, old: str, new: str) -> str:
    """Replace words of a text."""
    text = path.read_text(encoding="utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path.name


# Where things lie.


def at(root: Path) -> Workspace:
    return open_workspace(root)


def version(root: Path, status: str) -> views.Version:
    return views.versions(at(root).ledger, status=status)[0]


def arrived(root: Path, source: str) -> views.Arrival:
    return next(a for a in views.arrivals(at(root).ledger) if a.source == source)


def raw_of(root: Path, source: str) -> Path:
    found = arrived(root, source)
    lies = raw_path(at(root), found.batch, found.suffix)
    return lies if lies.exists() else at(root).quarantine / found.batch / f"raw{found.suffix}"


def items_of(root: Path, source: str) -> Path:
    return items_path(at(root), arrived(root, source).batch)


def entry_of(root: Path, source: str) -> Path:
    return at(root).quarantine / arrived(root, source).batch


def exam_of(root: Path) -> Path:
    return next(at(root).holdouts.glob("*.jsonl"))


def bundle_of(root: Path, status: str) -> Path:
    return at(root).bundles / version(root, status).bundle


def document_of(root: Path, kind: str, name: str) -> Path:
    event = views.events(at(root).ledger, kind=kind)[0]
    return at(root).document_path(json.loads(event.payload)[name])


def kept_of(root: Path, place: str, path: Path) -> Path:
    """Return DVC's copy of a stored file."""
    for event in views.events(at(root).ledger):
        said = json.loads(event.payload)
        for mark in (
            [*said.get("files", ()), said.get("stored")]
            if event.kind.endswith(".done") and not isinstance(said.get("files"), str)
            else ()
        ):
            if mark and root / mark["path"] == path:
                folder = root / place
                return folder / "files" / "md5" / mark["md5"][:2] / mark["md5"][2:]
    raise LookupError(path)


def listing_of(root: Path, place: str, hint: str) -> Path:
    """Return the first listing that a hint names."""
    text = (root / hint).read_text(encoding="utf-8")
    md5 = text.partition("md5: ")[2].split()[0]
    return root / place / "files" / "md5" / md5[:2] / md5[2:]
