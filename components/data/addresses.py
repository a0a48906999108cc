"""Objects that lie under an address, as `s3://bucket/folder`: which there are, and their bytes.

Concept: fsspec reads the address; the package for its protocol (s3fs, gcsfs, adlfs) is installed by
whoever uses one. Credentials are where that package looks for them, never in the address.

Promise: nothing is changed there, and no more than the limit is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from components.errors import ConfigError, Retryable

CHUNK_BYTES = 1 << 20
MARKS = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "updated",
         "mtime", "created")  # fmt: skip
"""What file systems call that which changes with an object, the surest first."""


@dataclass(frozen=True, slots=True)
class Lying:
    """One object.

    `folder`: the first folder below the address that it lies in; `mark`: of its bytes, as far as
    the listing tells.
    """

    address: str
    name: str
    folder: str | None
    mark: str


def listed(address: str) -> list[Lying]:
    """Return the objects below an address, by name.

    Raises:
        ConfigError: its protocol is not known, or needs a package.
        Retryable: it can't be listed now.
    """
    with _translated(address):
        from fsspec.core import url_to_fs

        system, top = url_to_fs(address)
        system.invalidate_cache()
        found = system.find(top, detail=True)
    return [
        _lying(system, top, path, about)
        for path, about in sorted(found.items())
        if about.get("type", "file") == "file"
    ]


def fetch(address: str, folder: Path, most_bytes: int) -> Path:
    """Copy an object into a folder, one byte more than the limit at most; return the copy.

    Raises:
        ConfigError, Retryable: as `listed`.
    """
    path = folder / address.rstrip("/").rpartition("/")[2]
    with _translated(address):
        import fsspec

        left = most_bytes + 1
        with fsspec.open(address, "rb") as stream, path.open("wb") as file:
            while left > 0 and (chunk := stream.read(min(left, CHUNK_BYTES))):
                file.write(chunk)
                left -= len(chunk)
    return path


def _lying(system: Any, top: str, path: str, about: dict[str, Any]) -> Lying:
    below = PurePosixPath(path.removeprefix(top).lstrip("/"))
    kept = next((str(about[name]) for name in MARKS if about.get(name)), "")
    folder = below.parts[0] if len(below.parts) > 1 else None
    return Lying(system.unstrip_protocol(path), below.name, folder, f"{about.get('size')}:{kept}")


@contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"{address} can't be read: {error}.",
            "Check the address; its protocol may need a package (s3fs, gcsfs, adlfs).",
        ) from error
    except Exception as error:  # each file system has errors of its own
        said = " ".join(str(error).split())[:300]
        raise Retryable(
            f"{address} can't be read now: {said or type(error).__name__}.",
            "Check the address and the credentials; it is tried again.",
        ) from error
