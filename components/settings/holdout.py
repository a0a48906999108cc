"""`holdout`: items that are never trained on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.settings.section import Positive, Section


class HoldoutSettings(Section):
    """Items that are never trained on: `fraction` of each batch, bounded per exam.

    While a task has fewer than `enough_items` held out, its share is `first_fraction`, if that
    is larger, but no more than is missing: exams grow before they must decide. With a
    `fraction` of 0, nothing is held out at all.
    """

    fraction: Annotated[float, Field(ge=0.0, le=0.9)] = 0.2
    first_fraction: Annotated[float, Field(ge=0.0, le=0.5)] = 0.5
    enough_items: Positive = 400
    max_items: Positive = 2000
    min_items: Positive = 100
