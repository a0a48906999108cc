"""What DVC tracks: hint files, and the listings of the folders that they name.

Concept: a hint (`data/batches.dvc`) names tracked folders; each has a listing among the
stored bytes, named by its own MD5. Batches lie in folders of two hex digits, each tracked by
itself, so that storing one more batch rewrites a short listing, however many there are.

Promise: a listing is only ever replaced by one that holds more, or lacks what a person removed,
and both copies have it before a hint names it; what is lost (a hint, a listing) is recreated from
the files as they stand. Nothing else in the root is looked at.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.files import PART_SUFFIX, write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SHARD_CHARS = 2
_OUT = re.compile(r"- md5: (\S+)\n  nfiles: (\d+)\n  hash: md5\n  path: (\S+)\n")


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracked folder: its name relative to the hint, and the MD5 (`….dir`) of its listing."""

    name: str
    md5: str
    files: int


def track(hint: Path, file: Path, md5: str, copies: tuple[Any, Any]) -> str:
    """Enter one stored file in the listing of its folder; return the MD5 of that listing.

    Args:
        hint: `<folder>.dvc`, beside the tracked folder.
        file: below that folder, as its bytes are in both of `copies` already.
        md5: of its bytes.
        copies: DVC's object stores, the cache first.
    """
    known = _read(hint)
    if known is None:
        known = {folder: None for folder in _standing(hint)}
    name = _folder_of(hint, file, known)
    if "/" not in name:
        known = {name: known.get(name)}
    tracked = {each: found or _anew(hint, each, copies) for each, found in known.items()}
    found = _listed(hint, file, md5, tracked.get(name) or _anew(hint, name, copies), copies)
    if known.get(name) != found or len(tracked) != len(known):
        _write(hint, {**tracked, name: found})
    return found.md5


def untrack(hint: Path, file: Path, copies: tuple[Any, Any]) -> None:
    """Take a file that is no longer there out of the listing of its folder; idempotent."""
    known = _read(hint)
    if known is None:
        return  # it is recreated from the files as they stand
    name = _folder_of(hint, file, known)
    tracked = known.pop(name, None)
    tree = _load(tracked.md5, copies) if tracked is not None else None
    if tree is not None:
        entries = {key: info.value for key, _, info in tree}
        if entries.pop(file.relative_to(hint.parent / name).parts, None) is None:
            return
        if entries:
            known[name] = _relisted(name, entries, copies)
    left = {each: found or _anew(hint, each, copies) for each, found in known.items()}
    if left:
        _write(hint, left)
    else:
        hint.unlink(missing_ok=True)


def tracked_folders(hint: Path) -> list[Tracked] | None:
    """Return the folders that a hint names; None where it is absent or damaged."""
    known = _read(hint)
    return None if known is None else [each for each in known.values() if each is not None]


def holds(copies: Any, md5: str) -> bool:
    """Return whether an object store of DVC holds the bytes with this MD5, by reading them."""
    path = copies.oid_to_path(md5)
    if not copies.fs.exists(path):
        return False
    with copies.fs.open(path, "rb") as file:
        digest = hashlib.file_digest(file, new_md5).hexdigest()
    return bool(digest == md5.removesuffix(".dir"))


def put(copies: Any, path: Path | str, fs: Any, md5: str) -> None:
    """Copy bytes to an object store, in place of damaged ones; idempotent."""
    if copies.exists(md5) and not holds(copies, md5):
        copies.delete(md5)
    copies.add(str(path), fs, md5)


def file_md5(path: Path) -> str:
    """Return the MD5 of a file's bytes, DVC's own key."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, new_md5).hexdigest()


def new_md5() -> Any:
    """Return a fresh MD5, which names bytes here and protects nothing."""
    return hashlib.md5(usedforsecurity=False)


def _folder_of(hint: Path, file: Path, known: dict[str, Any]) -> str:
    """Return the tracked folder of a file: a short first name is a folder of its own."""
    whole = hint.stem
    parts = file.relative_to(hint.with_suffix("")).parts
    sharded = len(parts) > 1 and len(parts[0]) == SHARD_CHARS and whole not in known
    return f"{whole}/{parts[0]}" if sharded else whole


def _standing(hint: Path) -> list[str]:
    """Return the tracked folders as the files lie on the disk."""
    names = {_folder_of(hint, file, {}) for file in _files(hint.with_suffix(""))}
    return [hint.stem] if hint.stem in names else sorted(names)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(PART_SUFFIX):
            yield path


def _listed(hint: Path, file: Path, md5: str, folder: Tracked, copies: tuple[Any, Any]) -> Tracked:
    """Return the folder with `file` in its listing."""
    tree = _load(folder.md5, copies)
    if tree is None:
        folder = _anew(hint, folder.name, copies)
        tree = _load(folder.md5, copies)
    key = file.relative_to(hint.parent / folder.name).parts
    return _stored(folder.name, tree, {key: md5}, copies)


def _anew(hint: Path, name: str, copies: tuple[Any, Any]) -> Tracked:
    """Store every file of a folder as it stands, and a listing of them."""
    from dvc.fs import LocalFileSystem

    folder, entries = hint.parent / name, {}
    for file in _files(folder):
        md5 = file_md5(file)
        for each in copies:
            put(each, file, LocalFileSystem(), md5)
        entries[file.relative_to(folder).parts] = md5
    return _relisted(name, entries, copies)


def _relisted(name: str, entries: dict[tuple[str, ...], str], copies: tuple[Any, Any]) -> Tracked:
    """Store a listing of these files and no other."""
    from dvc_data.hashfile.tree import Tree

    return _stored(name, Tree(), entries, copies)  # type: ignore[no-untyped-call]


def _load(md5: str, copies: tuple[Any, Any]) -> Any:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    for each in copies:
        if holds(each, md5):
            return Tree.load(each, HashInfo("md5", md5))
    return None


def _stored(name: str, tree: Any, entries: dict[tuple[str, ...], str], copies: Any) -> Tracked:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta

    for key, md5 in entries.items():
        tree.add(key, Meta(), HashInfo("md5", md5))
    tree.digest()
    cache, remote = copies
    put(cache, tree.path, tree.fs, tree.oid)
    put(remote, cache.oid_to_path(tree.oid), cache.fs, tree.oid)  # some servers take files alone
    return Tracked(name, str(tree.oid), len(tree))


def _read(hint: Path) -> dict[str, Tracked | None] | None:
    """Return the folders that a hint names; None where it is absent or damaged."""
    try:
        text = hint.read_text(encoding="utf-8")
    except (FileNotFoundError, ValueError):
        return None
    found = [Tracked(name, md5, int(files)) for md5, files, name in _OUT.findall(text)]
    if not found or _text(found) != text:  # DVC itself, or a person, wrote it
        return _parsed(text)
    return {each.name: each for each in found}


def _parsed(text: str) -> dict[str, Tracked | None] | None:
    import yaml

    try:
        return {
            str(out["path"]): Tracked(str(out["path"]), str(out["md5"]), int(out.get("nfiles", 0)))
            for out in yaml.safe_load(text)["outs"]
        }
    except (yaml.YAMLError, LookupError, TypeError, ValueError):
        return None


def _write(hint: Path, folders: dict[str, Tracked]) -> None:
    write_bytes(hint, _text([each for _, each in sorted(folders.items())]).encode())


def _text(folders: Iterable[Tracked]) -> str:
    """Return a hint as DVC reads it; `_OUT` reads it back, sooner than a parser of YAML."""
    outs = [
        f"- md5: {each.md5}\n  nfiles: {each.files}\n  hash: md5\n  path: {each.name}\n"
        for each in folders
    ]
    return "outs:\n" + "".join(outs)
