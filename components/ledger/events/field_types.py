"""Whether what an event says has the types that its class names.

Concept: an annotation becomes one function that looks at many values at once, so that the
thousands of rows of a split cost little. What an annotation leaves open (`Any`) is not looked at.

Promise: an integer that passes fits into a column of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from itertools import chain
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from components.ledger.schema import INTEGERS

Check = Callable[[list[Any]], bool]


def require_types(kind: Any, said: Mapping[str, Any]) -> None:
    """Compare the fields of a payload, as they stand in the ledger, with the class `kind`.

    Fields that `kind` does not name, or that are missing, are not looked at.

    Raises:
        TypeError: names the first field of another type.
    """
    for name, check in _checks(kind).items():
        if name in said and not check([said[name]]):
            raise TypeError(f"its `{name}` has a value of the wrong type")


@cache
def _checks(kind: Any) -> dict[str, Check]:
    """Return {field as it stands in the ledger: check}."""
    hints, names = get_type_hints(kind), {each.name for each in fields(kind)} - {"more"}
    return {name.removesuffix("_"): _check(hints[name]) for name in sorted(names)}


def _check(annotation: Any) -> Check:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return lambda values: True
    if origin in (Union, UnionType):
        [other] = {*inner} - {NoneType}
        check = _check(other)
        return lambda values: check([each for each in values if each is not None])
    if origin is Mapping:
        return _all_of(dict, dict.values, _check(inner[1]))
    if origin is Sequence:
        return _all_of(list, iter, _check(inner[0]))
    if origin is Literal:  # more of them may come without a new schema
        return _check(type(inner[0]))
    legal = {int, float} if annotation is float else {annotation}
    if annotation is int:
        return lambda values: _types(values) <= legal and all(each in INTEGERS for each in values)
    return lambda values: _types(values) <= legal


def _all_of(outer: type, items: Callable[[Any], Any], check: Check) -> Check:
    return lambda values: (
        _types(values) <= {outer} and check([*chain.from_iterable(map(items, values))])
    )


def _types(values: list[Any]) -> set[type]:
    return {*map(type, values)}
