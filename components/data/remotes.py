"""Addresses that second copies can go to: those that DVC reaches with what is installed."""

from __future__ import annotations

from importlib.util import find_spec

from components.errors import ConfigError
from components.places import scheme


def require_reachable(address: str) -> None:
    """Raise unless DVC's code for the scheme of `data.remote` is installed; reach for nothing.

    Raises:
        ConfigError: DVC knows no such scheme, or the package for it is missing.
    """
    from dvc.config_schema import REMOTE_SCHEMAS
    from dvc_objects.fs import known_implementations

    kind, said = scheme(address), f"`data.remote` is {address!r}"
    known = sorted(known_implementations.keys() & REMOTE_SCHEMAS.keys())
    if kind is None or kind not in known:
        raise ConfigError(
            f"{said}: DVC knows no {kind}://.",
            f"Use a folder, or an address that begins with one of {', '.join(known)}.",
        )
    module = known_implementations[kind]["class"].partition(".")[0]
    if find_spec(module) is None:
        package = module.replace("_", "-")
        raise ConfigError(
            f"{said}: DVC needs {package} for {kind}://, and it is not installed.",
            f"Run `pip install {package}`, or use a folder.",
        )
