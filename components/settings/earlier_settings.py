"""Settings as earlier versions wrote them: former names, and what a record held besides.

Promise: whatever a version of Ratchet recorded is read by every later one, and an upgrade alone
changes no value but those of `FORMER_DEFAULTS` and `FORMER_SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.errors import ConfigError
from components.settings.section import RECORDED, Section, member, sections_of
from components.settings.settings import Settings
from components.settings.strategy import ReplaySettings

FORMER_NAMES = {("strategy", "parent_mix"): "update_share", ("strategy", "name"): "method"}
"""(section, former name) -> the name it has now."""

FORMER_METHODS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("strategy", "none"): {"method": "sequential", "update_share": 0.6},
}
"""(section, former method) -> what it is now, with the defaults that it had."""

FORMER_DEFAULTS: Mapping[str, Any] = {
    "gate.checks.classes.policy": "note",
    "strategy.replay_ratio": 1.0,
}
"""Full name -> the default before the one of now, which a record of then holds."""

FORMER_SECTIONS: Mapping[str, Section] = {"strategy": ReplaySettings()}
"""Section -> what stood there by default before the method of now."""


def renamed(values: Mapping[Any, Any], place: str) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """Return the values under the names of now, and a sentence for each former one.

    Raises:
        ConfigError: a setting stands under both of its names.
    """
    found, notices = dict(values), []
    for (section, former), name in FORMER_NAMES.items():
        inner = found.get(section)
        if not isinstance(inner, dict) or former not in inner:
            continue
        if name in inner:
            raise ConfigError(
                f"{place}: `{section}.{former}` is the former name of `{section}.{name}`, "
                "and both are set.",
                f"Remove `{section}.{former}`.",
            )
        found[section] = {name if key == former else key: each for key, each in inner.items()}
        notices.append(
            f"`{section}.{former}` is now called `{section}.{name}`; the old name still works, but"
            " please rename it."
        )
    for (section, former), now in FORMER_METHODS.items():
        inner = found.get(section)
        if isinstance(inner, dict) and inner.get("method") == former:
            found[section] = {**now, **inner, "method": now["method"]}
            notices.append(
                f"`{section}.method: {former}` is now called `{now['method']}`; the old name still"
                " works, but please rename it."
            )
    return found, tuple(notices)


def without_idle(values: Mapping[Any, Any]) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """Return the values without settings of methods not in use, and a sentence for each.

    So another method is tried, and taken back, by changing one line.
    """
    found, notices = dict(values), []
    for name in Settings.model_fields:
        kinds, inner = sections_of(Settings, name), found.get(name)
        if len(kinds) < 2 or not isinstance(inner, dict):
            continue
        own = member(kinds, inner.get("method"))
        others = {each for kind in kinds for each in kind.model_fields} - own.model_fields.keys()
        found[name] = {key: each for key, each in inner.items() if key not in others}
        notices += [
            f"`{name}.{key}` has no effect while `{name}.method` is {own.default_of('method')}."
            for key in inner
            if key in others
        ]
    return found, tuple(notices)


def recorded(document: Any) -> Settings:
    """Return the settings that some version of Ratchet recorded.

    What was not there yet is as it is by default.

    Raises:
        ValueError: this version knows some of them no more, or it is no record of settings.
    """
    if not isinstance(document, dict):
        raise ValueError(f"should be a record of settings, not {document!r}")
    values, _ = renamed(document, "a recorded document")
    for section, former in FORMER_SECTIONS.items():
        own = values.get(section, {})
        if isinstance(own, dict):
            values[section] = {"method": former.default_of("method"), **own}
    return Settings.model_validate(without_idle(values)[0], context=RECORDED)
