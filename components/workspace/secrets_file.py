"""The secrets of an installation: made once, readable by its owner alone, never logged.

They lie in `mlruns/secrets.json` with mode 0600: the key that MLflow's server signs sessions with,
the password of its administrator, and the key that a proxy before it has to send.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from components.errors import ConfigError, Corrupted

NAME = "secrets.json"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What nobody but the owner of the root may read."""

    session_key: str
    admin_password: str
    proxy_key: str

    def __repr__(self) -> str:
        return "Secrets(...)"


def read_secrets(mlruns: Path) -> Secrets:
    """Return the secrets of a root, made on first use.

    Raises:
        ConfigError: others may read the file.
        Corrupted: it is not what was written.
    """
    path = mlruns / NAME
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: others may read it.", f"Run `chmod 600 {path}`.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Secrets(**{each.name: str(found[each.name]) for each in fields(Secrets)})
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupted(
            f"{path} is damaged.", "Remove it: new secrets are made, and everybody logs in again."
        ) from error


def _make(path: Path) -> None:
    """Write new secrets, whole or not at all; the first process to do so wins."""
    made = Secrets(secrets.token_hex(32), secrets.token_urlsafe(18), secrets.token_urlsafe(24))
    part = path.with_name(f"{NAME}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(made), file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
