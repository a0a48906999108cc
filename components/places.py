"""Where a setting leads: to a folder of this machine, or to an address elsewhere.

Concept: a folder is a `Path`; an address (`s3://bucket/data`) stays the text that it is.

Promise: an address is never joined to a path, where it would become a folder of that name; a
setting that is half an address (`s3:/bucket`) is refused.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, unquote_plus

NAME_BYTES, PATH_BYTES = 255, 3500
"""Linux and macOS allow 255 bytes a name, Linux 4,096 a path; files lie deeper than a setting."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HALF_AN_ADDRESS = re.compile(r"(?![A-Za-z]:[\\/])[^/]*:")
_SECRET = re.compile(
    r"(password|passwd|pwd|token|secret|signature|credential|(api|access|account)[_-]?key)"
    r"[\w-]*\s*=|\bsig\s*=",
    re.IGNORECASE,
)


def scheme(text: str) -> str | None:
    """Return the scheme of an address in lower case; None for anything else."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else None


def place(root: Path, text: str) -> Path | str:
    """Return the folder that a setting names, or the address as it stands.

    Args:
        root: where relative folders start.
        text: a folder (`~` is the user's home), `file:///` and an absolute one, or an address.

    Raises:
        ValueError: a `file:` address names another machine, or no absolute folder; or there is
            no such home.
    """
    if scheme(text) != "file":
        return folder(root, text) if scheme(text) is None else text
    host, slash, rest = text[len("file://") :].partition("/")
    if host not in ("", "localhost") or not slash:
        raise ValueError("should be file:/// and the full path, or just the path")
    return Path(slash + unquote(rest))


def folder(root: Path, text: str) -> Path:
    """Return the path that a text names: relative ones start at `root`, `~` is the user's home.

    Raises:
        ValueError: there is no such home.
    """
    try:
        return root / Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home of that name; ./{text} is a folder here") from None


def require_place(text: str) -> None:
    """Raise ValueError where a setting is neither clearly a folder nor clearly an address."""
    place(Path(), text)
    if scheme(text) is None and _HALF_AN_ADDRESS.match(text):
        raise ValueError(f"could be an address or a folder: write scheme://... or ./{text}")


def require_length(where: Path | str) -> None:
    """Raise ValueError where a folder or file is named longer than file systems allow."""
    if isinstance(where, str):
        return
    lengths = [len(os.fsencode(part)) for part in where.parts]
    if max(lengths, default=0) > NAME_BYTES or sum(lengths) + len(lengths) > PATH_BYTES:
        raise ValueError(
            f"a path must not be longer than {PATH_BYTES} bytes, nor a name in it than {NAME_BYTES}"
        )


def has_secret(address: str) -> bool:
    """Tell whether an address names a password or a token, so far as its form shows.

    A user alone (`ssh://me@host`) is none, except for HTTP, where tokens are written like that.
    """
    authority = address.partition("://")[2].partition("/")[0]
    user, at, _ = authority.rpartition("@")
    if at and (":" in unquote(user) or scheme(address) in ("http", "https")):
        return True
    return scheme(address) is not None and any(
        map(_SECRET.search, map(unquote_plus, re.split("[?#]", address)[1:]))
    )
