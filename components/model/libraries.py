"""The libraries that decide what a version learns and answers, as they are installed."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "safetensors")


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [(name, version(name)) for name in LIBRARIES]
    return (*found, ("python", platform.python_version()))


def library_versions() -> dict[str, str]:
    """Return the versions of what decides the bytes, Python's included."""
    return dict(_versions())
