"""`registry`: where versions are registered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.settings.section import Section


class RegistrySettings(Section):
    """Where versions are registered; empty means `mlruns/mlflow.db` in the root.

    `experiment`: MLflow's column is 256 characters wide, and so is the one of `model.name`.
    """

    tracking_uri: str | None = None
    experiment: Annotated[str, Field(min_length=1, max_length=256)] = "ratchet"
