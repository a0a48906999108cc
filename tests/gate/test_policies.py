"""The rules of the further checks are declared for people and for the gate: both say the same."""

from __future__ import annotations

from dataclasses import fields
from math import inf, nan
from typing import Any, get_type_hints

import pytest
from pydantic import ValidationError

from components.gate.policies import CheckRules
from components.settings.checks import CheckSettings

RULES = {each.name: type(each.default) for each in fields(CheckRules)}
SECTIONS = {name: type(section) for name, section in CheckSettings()}
BESIDE = {"behaviour": {"file"}}
"""Settings that say where to look, which the gate never does."""

SINGLE = [
    (check, each.name)
    for check, rule in RULES.items()
    for each in fields(rule)
    if each.name != "policy"
]
VALUES = [-1, 0, 1e-9, 0.5, 1, 30, 100, 100.5, 101, 1_000_000, 1_000_001, 2**31 - 1, nan, inf, -inf]


def accepted(kind: Any, name: str, value: Any) -> bool:
    try:
        kind(**{name: value})
    except (ValueError, ValidationError):
        return False
    return True


def test_the_same_checks_stand_in_the_same_order() -> None:
    assert list(SECTIONS) == list(RULES)


@pytest.mark.parametrize("check", RULES)
def test_a_check_has_the_same_settings_and_policies_in_both(check: str) -> None:
    named = {each.name for each in fields(RULES[check])}
    assert SECTIONS[check].model_fields.keys() - BESIDE.get(check, set()) == named
    assert (
        get_type_hints(RULES[check])["policy"] == SECTIONS[check].model_fields["policy"].annotation
    )


@pytest.mark.parametrize(("check", "name"), SINGLE)
def test_a_setting_has_the_same_default_and_the_same_bounds_in_both(check: str, name: str) -> None:
    rule, section = RULES[check], SECTIONS[check]
    assert getattr(section(), name) == getattr(rule(), name)
    whole = isinstance(getattr(rule(), name), int)
    for value in filter(lambda each: isinstance(each, int), VALUES) if whole else VALUES:
        given = {"mail": value} if name == "percent" else value
        assert accepted(section, name, given) == accepted(rule, name, given), value


def test_what_the_settings_say_by_default_is_a_rule_of_the_gate() -> None:
    values = CheckSettings().model_dump(exclude={"behaviour": {"file"}})
    checks = CheckRules.from_json(values)
    assert {name: getattr(checks, name).policy for name in RULES} == {
        name: section["policy"] for name, section in values.items()
    }
