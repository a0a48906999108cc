"""Bundles: everything to serve a version and to train on from it, in one named folder.

Concept: a bundle folder is called by its digest, the SHA-256 of `manifest.json`, which lists
the SHA-256 of every other file. So one 64-digit word pins every byte.

    adapter/            what the adapter method saved
    head.safetensors    the classifier's tensors
    labels.json         the label of each row of the head
    strategy.json       the strategy's values   (strategy.safetensors: its tensors, if any)
    memory.json         references to remembered rows
    state.json          parent, batch, anchors, base, settings, seed, libraries
    manifest.json       {file: SHA-256}

Promise: no times, version numbers or machine paths inside; every file is verified before
anything is loaded, and an unlisted or missing one is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.digest import bytes_digest, canonical_json, file_digest
from components.errors import Corrupted
from components.files import PART_SUFFIX, publish_folder
from components.training.memory import MemoryRef
from components.training.strategies.strategy import State
from components.training.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = 2
"""Raised whenever the same lesson would give other bytes: part of every lesson's key."""

READABLE = (1, 2)

MANIFEST = "manifest.json"
_REMEDY = "Run `ratchet reconcile`: it restores the folder from the copy in MLflow."


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. `state` is `state.json`; tensors are read when asked for.

    `files`: the SHA-256 of each file but the manifest.
    """

    digest: str
    folder: Path
    labels: tuple[str, ...]
    memory: tuple[MemoryRef, ...]
    state: dict[str, Any]
    files: dict[str, str]

    @property
    def adapter(self) -> Path:
        """Return the adapter's folder."""
        return self.folder / "adapter"

    @property
    def max_tokens(self) -> int:
        """Return how many tokens of a text this version reads."""
        return int(self.state["serving"]["max_tokens"])

    def head_tensors(self) -> dict[str, Tensor]:
        """Return the head's tensors by name."""
        return read_tensors(self.folder / "head.safetensors")

    def strategy_state(self) -> State:
        """Return what the strategy left for the next batch."""
        tensors = self.folder / "strategy.safetensors"
        values = _read_json(self.folder / "strategy.json")["values"]
        return State(values, read_tensors(tensors) if tensors.exists() else {})


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a bundle. `save_adapter` writes into the folder that it is given."""

    save_adapter: Callable[[Path], None]
    head: nn.Module
    labels: tuple[str, ...]
    strategy: State
    memory: tuple[MemoryRef, ...]
    state: dict[str, Any]


def write_bundle(bundles: Path, contents: Contents) -> Bundle:
    """Write the bundle under its digest and return it, opened and verified.

    Law 7: equal contents give equal bytes, so writing twice leaves one folder.
    """
    part = bundles / f"{contents.state['key']}.{os.getpid()}{PART_SUFFIX}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _fill(part, contents)
        digest = _seal(part)
        publish_folder(part, bundles / digest)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return open_bundle(bundles, digest)


def open_bundle(bundles: Path, digest: str) -> Bundle:
    """Verify the bundle called `digest` and return it.

    Raises:
        Corrupted: it is missing, or a file in it is changed, missing or not listed.
    """
    folder = bundles / digest
    files = _verified_files(folder, digest)
    state = _read_json(folder / "state.json")
    if state["format"] not in READABLE:
        raise Corrupted(
            f"Bundle {folder} has format {state['format']}; this Ratchet reads {READABLE}.",
            "Use the Ratchet that wrote it, or run its batch again.",
        )
    return Bundle(
        digest=digest,
        folder=folder,
        labels=tuple(_read_json(folder / "labels.json")),
        memory=tuple(MemoryRef(**ref) for ref in _read_json(folder / "memory.json")),
        state=state,
        files=files,
    )


def _fill(folder: Path, contents: Contents) -> None:
    contents.save_adapter(folder / "adapter")
    write_tensors(folder / "head.safetensors", contents.head.state_dict())
    if contents.strategy.tensors:
        write_tensors(folder / "strategy.safetensors", contents.strategy.tensors)
    _write_json(folder / "labels.json", list(contents.labels))
    _write_json(folder / "strategy.json", {"values": contents.strategy.values})
    _write_json(folder / "memory.json", [ref.to_json() for ref in contents.memory])
    _write_json(folder / "state.json", contents.state | {"format": FORMAT})


def _seal(folder: Path) -> str:
    files = {name: file_digest(folder / name) for name in listing(folder)}
    _write_json(folder / MANIFEST, files)
    return file_digest(folder / MANIFEST)


def _verified_files(folder: Path, digest: str) -> dict[str, str]:
    """Return the files of the manifest, each as its digest says."""
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError:
        raise Corrupted(f"Bundle {folder} has no readable {MANIFEST}.", _REMEDY) from None
    if bytes_digest(manifest) != digest:
        raise Corrupted(f"Bundle {folder}: {MANIFEST} is not what the digest names.", _REMEDY)
    listed: dict[str, str] = json.loads(manifest)
    present = set(listing(folder)) - {MANIFEST}
    for name in sorted(present.symmetric_difference(listed)):
        problem = "is not listed" if name in present else "is missing"
        raise Corrupted(f"Bundle {folder}: {name} {problem} in {MANIFEST}.", _REMEDY)
    for name, wanted in listed.items():
        if file_digest(folder / name) != wanted:
            raise Corrupted(f"Bundle {folder}: {name} was changed.", _REMEDY)
    return listed


def listing(folder: Path) -> list[str]:
    """Return every file below, sorted. A link is a file: one to a folder is found unlisted."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(canonical_json(value) + "\n", encoding="utf-8")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
