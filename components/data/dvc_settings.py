"""What DVC's own settings files say of the places that a root's data are copied to.

Concept: Ratchet opens DVC with its own remote over whatever the files say, and people's `dvc
push` and `dvc checkout` go where the files lead. So both must lead to the same place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.places import place

FILES = ("config", "config.local")
_PLAIN = re.compile(r"[\w./:@~+-]+")
_BREAKS = ("Cc", "Cs", "Zl", "Zp")
"""Categories of characters that end a line, or that no file can hold."""


@dataclass(frozen=True, slots=True)
class Differs:
    """One field of a settings file that leads elsewhere."""

    field: str
    found: str
    wanted: str


def quoted(text: str) -> str:
    """Return a value as it is written into DVC's files, so that DVC reads the same text.

    Raises:
        ValueError: their format can't hold it.
    """
    if any(unicodedata.category(char) in _BREAKS for char in text):
        raise ValueError("DVC can't store control characters or line breaks")
    if "%(" in text:
        raise ValueError("DVC takes %( for the name of another setting")
    if "'" in text and '"' in text:
        raise ValueError("DVC can't store both kinds of quotation marks")
    mark = "" if _PLAIN.fullmatch(text) else "'" if '"' in text else '"'
    return f"{mark}{text}{mark}"


def read_settings(path: Path) -> dict[str, Any]:
    """Return what one of DVC's files says, as DVC reads it.

    Raises:
        ConfigError: DVC refuses the file.
    """
    from dvc.config import Config
    from dvc.config import ConfigError as DvcConfigError

    try:
        settings: dict[str, Any] = Config.validate(Config.load_file(str(path)))
    except (DvcConfigError, OSError, SyntaxError, TypeError) as error:  # as in `versioning`
        raise ConfigError(
            f"DVC can't read {path}: {' '.join(str(error).split())}.".replace("..", "."),
            "Correct it, or move it away: Ratchet writes a new one.",
        ) from None
    return settings


def differences(path: Path, name: str, remote: Path | str) -> Iterator[Differs]:
    """Yield what a settings file says of the remote `name`, or of the cache, and should not.

    `remote` is where the second copies go. A field that is absent leads nowhere.

    Raises:
        ConfigError: DVC refuses the file.
    """
    said, folder = read_settings(path), path.parent
    default = said.get("core", {}).get("remote", name)
    if default != name:
        yield Differs("core.remote", default, name)
    places: dict[str, tuple[str | None, Path | str]] = {
        f"remote.{name}.url": (said.get("remote", {}).get(name, {}).get("url"), remote),
        "cache.dir": (said.get("cache", {}).get("dir"), folder / "cache"),
    }
    for field, (found, wanted) in places.items():
        if found is not None and _resolved(place(folder, found)) != _resolved(wanted):
            yield Differs(field, found, str(wanted))


def _resolved(where: Path | str) -> Path | str:
    return where.resolve() if isinstance(where, Path) else where
