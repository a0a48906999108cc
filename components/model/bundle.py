"""Bundles: everything to serve a version and to train on from it, in one named folder.

Concept: a bundle folder is called by its digest, the SHA-256 of `manifest.json`, which lists
the SHA-256 of every other file. So one 64-digit word pins every byte. The files form parts: a
part is all that begins with its name (`adapter/...`, `strategy.json`, `strategy.safetensors`).

    adapter/            what the adapter method saved
    head.safetensors    the classifier's tensors
    labels.json         the label of each row of the head
    strategy.json       the strategy's values   (strategy.safetensors: its tensors, if any)
    memory.json         references to remembered rows
    state.json          kind, parts that only learn, parent, batch, anchors, base, settings, seed
    manifest.json       {file: SHA-256}

Promise: no times, version numbers or machine paths inside; every file is verified before
anything is loaded, and an unlisted or missing one is refused. A part decides answers unless
`state.json` names it among those for learning only.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..digest import bytes_digest, canonical_json, file_digest
from ..errors import Corrupted, NeedsHuman
from ..files import PART_SUFFIX, publish_folder
from .bundle_state import DEFAULTS, HISTORY, LEARNING_PARTS, are_texts, fault_of
from .tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 7
"""Raised whenever the same lesson would give other bytes: part of every lesson's key."""

READABLE = (1, 2, 3, 4, 5, 6, 7)

MANIFEST, STATE = "manifest.json", "state.json"
_REMEDY = "Run `ratchet reconcile`: it restores the folder from the copy in MLflow."
_WRITTEN_SO = "Use the version of Ratchet that wrote it, or run its batch again."

Role = Literal["answers", "learns"]


class ChangedBundle(Corrupted):
    """A bundle's files are not those that its digest names; `fault` says which, and how."""

    def __init__(self, folder: Path, fault: str) -> None:
        super().__init__(f"Bundle {folder}: {fault}.", _REMEDY)
        self.fault = fault


class NotFinite(NeedsHuman):
    """A part was to be written with a value that is no finite number; `fault` says which."""

    def __init__(self, part: str, where: str) -> None:
        self.fault = f"the {part} contains a value that is not a finite number ({where})"
        super().__init__(f"No bundle was written: {self.fault}.", "Check what computed the value.")


@dataclass(frozen=True, slots=True)
class Part:
    """A named part to write into a bundle.

    `write` gets the bundle's folder and makes files there that begin with `name`; what is for
    learning only never decides an answer. `tensors`: by name; those of an opened part that require
    gradients are trained.
    """

    name: str
    role: Role
    write: Callable[[Path], None]
    tensors: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """What a strategy hands to the next batch: JSON values and named tensors."""

    values: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle; tensors are read when asked for.

    `state`: what `state.json` says, with its defaults. `files`: the SHA-256 of each file but the
    manifest.
    """

    digest: str
    folder: Path
    labels: tuple[str, ...]
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

    def role(self, file: str) -> Role:
        """Return what a file is for."""
        learning = self.state.get("learning", LEARNING_PARTS)
        return "learns" if part_of(file) in learning else "answers"

    def answering(self) -> dict[str, Any]:
        """Return all that decides answers: {"files": {name: SHA-256}, "state": {...}}.

        Law: versions that differ in memory, strategy, history or format alone have one such value.
        """
        files = {
            name: digest
            for name, digest in self.files.items()
            if name != STATE and self.role(name) == "answers"
        }
        state = {name: value for name, value in self.state.items() if name not in HISTORY}
        return {"files": files, "state": state}

    def answering_bytes(self) -> int:
        """Return how many bytes it takes to serve this version, its base left out."""
        return sum((self.folder / name).stat().st_size for name in self.answering()["files"])

    def read_json(self, name: str) -> Any:
        """Return the value of a JSON file of the bundle."""
        return _read_json(self.folder / name)

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Return a part's tensors by name; none where it has no file of them."""
        file = f"{part}.safetensors"
        return read_tensors(self.folder / file) if file in self.files else {}

    def head_tensors(self) -> dict[str, Tensor]:
        """Return the head's tensors by name."""
        return self.tensors("head")

    def strategy_state(self) -> State:
        """Return what the strategy left for the next batch."""
        return State(self.read_json("strategy.json")["values"], self.tensors("strategy"))


def part_of(file: str) -> str:
    """Return the part that a file belongs to: "adapter" for "adapter/adapter_config.json"."""
    return file.partition("/")[0].partition(".")[0]


def json_part(name: str, role: Role, value: Any) -> Part:
    """Return a part that is one JSON file."""
    return Part(name, role, lambda folder: _write_json(folder / f"{name}.json", value))


def tensors_part(name: str, role: Role, tensors: dict[str, Tensor]) -> Part:
    """Return a part that is one safetensors file."""
    return Part(
        name, role, lambda folder: write_tensors(folder / f"{name}.safetensors", tensors), tensors
    )


def strategy_part(state: State) -> Part:
    """Return what a strategy hands on as a part; without tensors there is not a file of them."""

    def write(folder: Path) -> None:
        _write_json(folder / "strategy.json", {"values": state.values})
        if state.tensors:
            write_tensors(folder / "strategy.safetensors", state.tensors)

    return Part("strategy", "learns", write)


def write_bundle(bundles: Path, state: dict[str, Any], parts: Iterable[Part]) -> Bundle:
    """Write the bundle under its digest and return it, opened and verified.

    Law 7: equal contents give equal bytes, so writing twice leaves one folder.

    Raises:
        NotFinite: a tensor or a JSON value is no finite number; nothing is left behind.
    """
    work = bundles / f"{state['key']}.{os.getpid()}{PART_SUFFIX}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        learning = []
        for part in parts:
            part.write(work)
            learning += [part.name] if part.role == "learns" else []
        own = {"format": FORMAT, "learning": sorted(learning)}
        _write_json(work / STATE, state | own)
        _check_finite(work)
        digest = _seal(work)
        publish_folder(work, bundles / digest)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return open_bundle(bundles, digest)


def open_bundle(bundles: Path, digest: str) -> Bundle:
    """Verify the bundle called `digest` and return it.

    Raises:
        ChangedBundle: it is missing, or a file in it is changed, missing or not listed.
        Corrupted: it has a format that is not known here, or does not say what a bundle must.
    """
    folder = bundles / digest
    files = _verified_files(folder, digest)
    state, labels = _read_json(folder / STATE), _read_json(folder / "labels.json")
    if not isinstance(state, dict):
        raise _malformed(folder, f"{STATE} is not an object")
    if state.get("format") not in READABLE:
        raise Corrupted(
            f"Bundle {folder} has format {state.get('format')}; this Ratchet reads {READABLE}.",
            _WRITTEN_SO,
        )
    state = DEFAULTS | state
    if (fault := fault_of(state)) is not None:
        raise _malformed(folder, f"{STATE}: {fault}")
    if not are_texts(labels):
        raise _malformed(folder, "labels.json is not a list of labels")
    return Bundle(digest=digest, folder=folder, labels=tuple(labels), state=state, files=files)


def _malformed(folder: Path, fault: str) -> Corrupted:
    return Corrupted(f"Bundle {folder} is malformed: {fault}.", _WRITTEN_SO)


def _check_finite(folder: Path) -> None:
    """Look at tensors and JSON values as they were written, whoever wrote them."""
    for file in listing(folder):
        if file.endswith(".safetensors"):
            for name, tensor in read_tensors(folder / file).items():
                if not (tensor if tensor.is_complex() else tensor.double()).isfinite().all():
                    raise NotFinite(part_of(file), name)
        elif file.endswith(".json"):
            constants = list[str]()  # NaN, Infinity, -Infinity
            json.loads((folder / file).read_bytes(), parse_constant=constants.append)
            if constants:
                raise NotFinite(part_of(file), file)


def _seal(folder: Path) -> str:
    files = {name: file_digest(folder / name) for name in listing(folder)}
    _write_json(folder / MANIFEST, files)
    return file_digest(folder / MANIFEST)


def _verified_files(folder: Path, digest: str) -> dict[str, str]:
    """Return the files of the manifest, each as its digest says."""
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError:
        raise ChangedBundle(folder, f"{MANIFEST} is missing or unreadable") from None
    if bytes_digest(manifest) != digest:
        raise ChangedBundle(folder, f"{MANIFEST} does not match the digest")
    listed = _json_of(manifest, folder, MANIFEST)
    if not isinstance(listed, dict) or not are_texts(list(listed.values())):
        raise _malformed(folder, f"{MANIFEST} does not list files")
    present = set(listing(folder)) - {MANIFEST}
    for name in sorted(present.symmetric_difference(listed)):
        problem = "is not listed" if name in present else "is missing"
        raise ChangedBundle(folder, f"{name} {problem} in {MANIFEST}")
    for name, wanted in listed.items():
        if file_digest(folder / name) != wanted:
            raise ChangedBundle(folder, f"{name} was changed")
    return listed


def listing(folder: Path) -> list[str]:
    """Return every file below, sorted. A link is a file: one to a folder is found unlisted."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _write_json(path: Path, value: Any) -> None:
    try:
        text = canonical_json(value)
    except ValueError as error:
        raise NotFinite(part_of(path.name), path.name) from error
    path.write_text(text + "\n", encoding="utf-8")


def _read_json(path: Path) -> Any:
    try:
        return _json_of(path.read_bytes(), path.parent, path.name)
    except FileNotFoundError:
        raise _malformed(path.parent, f"{path.name} is missing") from None


def _json_of(content: bytes, folder: Path, name: str) -> Any:
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _malformed(folder, f"{name} is not valid JSON") from None
