"""What is wrong with settings, one sentence a field, with all that would be legal there."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import ValidationError

from components.settings.section import Secret, Section, member, sections_of
from components.settings.settings import Settings

NAME_CHARS = 60

_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict, _short.maxset = 4, 10, 10, 10
_short.maxstring = _short.maxother = _short.maxlong = 100


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a problem is: a field's full name, and the items or keys within its value.

    `section` is what the field belongs to, or what stands there itself; `kinds` are all that
    could stand in that section's place.
    """

    section: type[Section]
    kinds: tuple[type[Section], ...]
    name: str
    within: tuple[int | str, ...] = ()

    @property
    def field(self) -> str:
        """The field's own name."""
        return self.name.rpartition(".")[2]

    @property
    def legal(self) -> str:
        """The settings that may stand in the section."""
        return f"allowed here: {', '.join(self.section.model_fields)}"


def problems(error: ValidationError) -> list[str]:
    """Return one sentence a field."""
    found: dict[str, list[str]] = {}
    for detail in error.errors():
        shown, said = _problem(_place(detail["loc"]), detail)
        found.setdefault(shown, []).append(said)
    return [f"{shown}: {', or '.join(dict.fromkeys(said))}" for shown, said in found.items()]


def _problem(at: _Place, detail: Any) -> tuple[str, str]:
    """Return what is there, and why it is wrong or what would be legal."""
    value, message = detail["input"], detail["msg"]
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown setting `{at.name}` ({_show(value)})", at.legal
        case "model_type" | "model_attributes_type":
            return f"`{at.name}` is {_show(value)}", at.legal
        case "union_tag_invalid" | "union_tag_not_found":
            methods = [repr(each.default_of("method")) for each in at.kinds]
            legal = f"should be {', '.join(methods[:-1])} or {methods[-1]}"
            return f"`{at.name}.method` is {_show(value['method'])}", legal
    item = _item(at, value)
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    if isinstance(detail.get("ctx", {}).get("error"), Secret):
        return f"`{at.name}`", message
    quoted = " (put it in quotes)" if detail["type"] == "string_type" else ""
    shown = f"`{at.name}`" if item or isinstance(value, dict) else f"`{at.name}` is {_show(value)}"
    return shown, f"{item}{message[0].lower()}{message[1:]}{quoted}"


def _item(at: _Place, value: Any) -> str:
    """Return which item of a list, or which key of a mapping, is meant; empty for the whole."""
    if at.within and isinstance(at.within[-1], int):
        return f"item {at.within[-1] + 1}, {_show(value)}, "
    kind = at.section.model_fields.get(at.field)
    if at.within and kind is not None and get_origin(kind.annotation) is dict:
        return f"{_show(at.within[0])}, {_show(value)}, "
    return ""


def _show(value: Any) -> str:
    """Return the value as it would be written in Python, cut where it is long."""
    return _short.repr(value)


def _place(parts: tuple[int | str, ...]) -> _Place:
    """Take apart pydantic's place, which names the method behind a section that it chose."""
    section: type[Section] = Settings
    kinds: tuple[type[Section], ...] = (section,)
    names: list[str] = []
    rest = list(parts)
    while rest:
        inner = sections_of(section, rest[0])
        names.append(str(rest.pop(0))[:NAME_CHARS])
        if not inner:
            break
        kinds, section = inner, inner[0]
        if len(kinds) > 1 and rest:
            section = member(kinds, rest.pop(0))
    return _Place(section, kinds, ".".join(names), tuple(rest))
