"""What every section of the settings has in common, and the kinds of numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from components.digest import task_name
from components.places import has_secret

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Probability = Annotated[float, Field(gt=0.0, lt=1.0)]
LARGEST = 2**31 - 1
"""Of any whole number: every library behind the settings takes it, and no count comes near."""

RECORDED = "recorded"
"""The validation context of what some version recorded: its places were accepted then."""

Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Name = Annotated[str, Field(min_length=1)]
Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]
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
            raise ValueError(
                "no setting is true or false (YAML also reads yes, no, on and off this way)"
            )
        if isinstance(value, str) and "\0" in value:
            raise ValueError("no setting may contain a NUL character")
        return value

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, values: Any) -> Any:
        """Let a section whose every line is a comment be one of defaults."""
        if not isinstance(values, dict):
            return values
        empty = {key for key, value in values.items() if value is None}
        inner = {key for key in empty if sections_of(cls, key)}
        return {key: value for key, value in values.items() if key not in inner}

    @classmethod
    def default_of(cls, name: str) -> Any:
        """Return what the setting `name` is where nobody says anything."""
        return cls.model_fields[name].get_default(call_default_factory=True)

    def differing(self, within: str = "") -> dict[str, Any]:
        """Return the settings that are not as they are by default: full name -> value.

        Law: a setting that a later version adds changes nothing here while it has its default.
        """
        found: dict[str, Any] = {}
        for name in type(self).model_fields:
            value, full = getattr(self, name), f"{within}{name}"
            if isinstance(value, Section):
                found |= value.differing(f"{full}.")
            elif value != self.default_of(name):
                found[full] = value
        return found

    def _ordered(self, lower: str, upper: str) -> None:
        low, high = getattr(self, lower), getattr(self, upper)
        if low > high:
            raise ValueError(f"{lower} ({low}) is above {upper} ({high})")


class Member(Section):
    """One of several sections that may stand in one place; `method` says which.

    `null` stands for the method's own default, so a line that names a setting need not be changed
    with the method.
    """

    method: str

    @model_validator(mode="before")
    @classmethod
    def _own_defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: each for key, each in values.items() if each is not None or key == "method"}

    def differing(self, within: str = "") -> dict[str, Any]:
        """Return the same, and always the method: each has defaults of its own."""
        return super().differing(within) | {f"{within}method": self.method}


class ByMethod:
    """Chooses between members by `method`; the first one where it is left out.

    So `Annotated[OneSettings | OtherSettings, ByMethod()]` is a discriminated union that also
    takes a section without a method, and may have one member.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Return pydantic's own discriminated union of the members."""
        kinds = get_args(source)
        if not kinds:
            return handler(source)
        first = kinds[0].default_of("method")

        def method(value: Any) -> Any:
            if isinstance(value, Member):
                return value.method
            return value.get("method", first) if isinstance(value, dict) else first

        tagged: list[Any] = [Annotated[each, Tag(each.default_of("method"))] for each in kinds]
        return handler.generate_schema(Annotated[reduce(or_, tagged), Discriminator(method)])


class Secret(ValueError):
    """A value that must not be shown."""


def require_no_secret(address: str, instead: str) -> None:
    """Refuse an address with a password or a token, and do not repeat it.

    Args:
        address: a setting that names an address.
        instead: where else to put it, as a request.

    Raises:
        Secret: there is one.
    """
    if has_secret(address):
        raise Secret(
            f"must not contain a password or token, because settings are recorded: {instead}"
        )


def sections_of(owner: type[BaseModel], name: Any) -> tuple[type[Section], ...]:
    """Return the sections that may stand under `name` in another one; none under a value."""
    field = owner.model_fields.get(str(name))
    kind = field.annotation if field else None
    kinds = get_args(kind) or (kind,)
    return tuple(each for each in kinds if isinstance(each, type) and issubclass(each, Section))


def member(kinds: Sequence[type[Section]], method: Any) -> type[Section]:
    """Return which of several members is meant by `method`; the first where none is."""
    return next((each for each in kinds if each.default_of("method") == method), kinds[0])
