"""Where a setting leads: to a folder of this machine, or to an address elsewhere.

Concept: a folder is a `Path`; an address (`s3://bucket/data`) stays the text that it is.

Promise: an address is never joined to a path, where it would become a folder of that name.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme(text: str) -> str | None:
    """Return the scheme of an address in lower case; None for anything else."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else None


def place(root: Path, text: str) -> Path | str:
    """Return the folder that a setting names, or the address as it stands.

    Args:
        root: where relative folders start.
        text: a folder, `file:///` and an absolute one, or an address.

    Raises:
        ValueError: a `file:` address names another machine, or no absolute folder.
    """
    if scheme(text) != "file":
        return root / text if scheme(text) is None else text
    host, slash, folder = text[len("file://") :].partition("/")
    if host not in ("", "localhost") or not slash:
        raise ValueError("should be file:/// and the full path, or just the path")
    return Path(slash + unquote(folder))
