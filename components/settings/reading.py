"""Reading settings: a file or plain values in, settings or one `ConfigError` out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.errors import ConfigError
from components.settings.bounded_yaml import read_yaml
from components.settings.earlier_settings import renamed, without_idle
from components.settings.problems import problems
from components.settings.settings import Settings

PROBLEMS = 20
PROBLEM_CHARS = 800


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and `notices`: sentences on what people should change although it is legal."""

    settings: Settings
    notices: tuple[str, ...]


def read_settings(path: Path) -> Loaded:
    """Read and check `params.yaml`.

    Raises:
        ConfigError: the file is missing, is not YAML, is larger than `bounded_yaml` reads,
            names a key twice, or a field is unknown or illegal.
    """
    values = read_yaml(path)
    return _checked({} if values is None else values, str(path))


def load_settings(path: Path) -> Settings:
    """Return the settings of `read_settings` without its notices."""
    return read_settings(path).settings


def parse_settings(values: Any, place: str) -> Settings:
    """Check `values` (a mapping of sections) and return the settings.

    Raises:
        ConfigError: names every wrong field with its value and what would be legal.
    """
    return _checked(values, place).settings


def _checked(values: Any, place: str) -> Loaded:
    if not isinstance(values, dict):
        raise ConfigError(
            f"{place} holds {type(values).__name__}, not a mapping.",
            f"Write sections, for example {', '.join(Settings.model_fields)}.",
        )
    values, former = renamed(values, place)
    values, idle = without_idle(values)
    notices = tuple(f"{place}: {each}" for each in (*former, *idle))
    try:
        return Loaded(Settings.model_validate(values), notices)
    except ValidationError as error:
        said = [each[:PROBLEM_CHARS] for each in problems(error)]
        more = len(said) - PROBLEMS
        listed = "; ".join(said[:PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise ConfigError(
            " ".join([f"{place}: {listed}.", *notices]), "Fix these fields and run this again."
        ) from None
