"""What every section of the settings has in common, and the kinds of numbers in them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from components.digest import task_name

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Probability = Annotated[float, Field(gt=0.0, lt=1.0)]
LARGEST = 2**31 - 1
"""Of any whole number: every library behind the settings takes it, and no count comes near."""

Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Name = Annotated[str, Field(min_length=1)]
TaskName = Annotated[Name, AfterValidator(task_name)]
Points = Annotated[float, Field(gt=0.0, le=100.0)]
Policy = Literal["ignore", "note", "hold", "reject"]


class Section(BaseModel):
    """A part of the settings: frozen, and closed against unknown keys.

    Numbers may be written as text, because YAML reads `1e-4` as text; `yes` is no number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_values(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("no setting is true or false (YAML reads yes, no, on, off so)")
        if isinstance(value, str) and "\0" in value:
            raise ValueError("no setting may hold a NUL character")
        return value

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, values: Any) -> Any:
        """Let a section whose every line is a comment be one of defaults."""
        if not isinstance(values, dict):
            return values
        empty = {key for key, value in values.items() if value is None}
        inner = {key for key in empty if section_of(cls, key) is not None}
        return {key: value for key, value in values.items() if key not in inner}

    def _ordered(self, lower: str, upper: str) -> None:
        low, high = getattr(self, lower), getattr(self, upper)
        if low > high:
            raise ValueError(f"{lower} ({low}) is above {upper} ({high})")


def section_of(owner: type[BaseModel], name: Any) -> type[Section] | None:
    """Return the section that stands under `name` in another one, if one does."""
    field = owner.model_fields.get(str(name))
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None
