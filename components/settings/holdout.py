"""`holdout`: items that are never trained on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.settings.section import Positive, Section


class HoldoutSettings(Section):
    """Items that are never trained on: `fraction` of each batch, bounded per exam."""

    fraction: Annotated[float, Field(ge=0.0, le=0.9)] = 0.2
    max_items: Positive = 2000
    min_items: Positive = 100
