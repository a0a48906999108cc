"""`registry`: where versions are registered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from components.places import folder, require_length, scheme
from components.settings.section import RECORDED, Section, Stripped, require_no_secret

_ON_A_SERVER = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
    "in the environment"
)
SECRETS = {
    "http": _ON_A_SERVER,
    "https": _ON_A_SERVER,
    "postgresql": "set PGPASSWORD in the environment, or use ~/.pgpass",
    "mysql": "put it in an option file, and end the address with ?read_default_file=/path/to/it",
    "mssql": "use a login that needs none, for example with Trusted_Connection=yes",
}
"""The schemes of servers that MLflow can use: where each finds its password."""


class RegistrySettings(Section):
    """Where versions are registered; empty means `mlruns/mlflow.db` in the root.

    `experiment`: MLflow's column is 256 characters wide, and so is the one of `model.name`.
    """

    tracking_uri: Stripped | None = None
    experiment: Annotated[str, Field(min_length=1, max_length=256)] = "ratchet"

    @field_validator("tracking_uri")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not value or info.context == RECORDED:
            return value
        kind = (scheme(value) or "").partition("+")[0]
        require_no_secret(value, SECRETS.get(kind, SECRETS["http"]))
        path = value.removeprefix("sqlite:///")
        if kind not in SECRETS and path in ("", value):
            raise ValueError(
                "should be sqlite:/// and a file, or an address that begins with http://, "
                "https://, postgresql://, mysql:// or mssql://; empty means mlruns/mlflow.db"
            )
        if kind == "sqlite":
            require_length(folder(Path(), path))
        return value
