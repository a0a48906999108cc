"""What all pages share: templates, and how numbers are written."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.exam_names import spoken
from components.shown_text import in_order

if TYPE_CHECKING:
    from jinja2 import Environment

DASH = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def rendered(template: str, **values: Any) -> str:
    """Return a page of one of this room's templates; no value turns the order of its text round."""
    return in_order(_environment().get_template(template).render(**values))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "points": points, "percent": percent, "day": day}
    environment.filters["exam"] = spoken
    return environment


def number(value: object) -> str:
    """Return a number for reading: thousands apart, one decimal, a dash for a missing one."""
    if value is None:
        return DASH
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return text.replace("-", _MINUS)


def points(value: float | None) -> str:
    """Return a change in points with its sign, one decimal."""
    if value is None:
        return DASH
    text = f"{value:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else text.replace("-", _MINUS)


def percent(share: float | None) -> str:
    """Return a share in [0, 1] as a percentage, one decimal."""
    return DASH if share is None else f"{100 * share:.1f} %"


def day(time: str) -> str:
    """Return a time in ISO 8601 as day and minute, in UTC."""
    return f"{time[:10]} {time[11:16]}".strip()
