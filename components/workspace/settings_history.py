"""Which settings were in force when: an event for each change of `params.yaml` that was seen.

Concept: Ratchet is not notified when `params.yaml` is edited. So every command that writes first
compares the settings that it read with those recorded last. Each decision also names the document
of its settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.digest import json_digest
from components.ledger import views
from components.ledger.events import SettingsSeen
from components.ledger.ledger import Lease
from components.settings import FORMER_DEFAULTS, FORMER_SECTIONS, Settings, recorded
from components.workspace.root import Workspace

Changes = dict[str, tuple[Any, Any]]
"""Full name of a field -> (before, now)."""

_RECORDED: dict[Path, str] = {}
"""The digest that this process recorded last, by root: the ledger is asked once."""


def record_settings(ws: Workspace, lease: Lease) -> None:
    """Append `settings.seen` where the settings are not those that were recorded last.

    A record of an earlier version that means the same is no other one.
    """
    now = ws.settings.model_dump(mode="json")
    if _RECORDED.get(ws.root) == json_digest(now):
        return
    last = views.newest_event(ws.ledger, SettingsSeen)
    before = last.settings if last else None
    if before != json_digest(now):
        old = recorded_settings(ws, before) if before else None
        if old != ws.settings:
            changed = changed_fields(old, ws.settings)
            seen = SettingsSeen(settings=ws.write_document(now), changed=changed)
            ws.ledger.append(seen, lease)
    _RECORDED[ws.root] = json_digest(now)


def recorded_settings(ws: Workspace, digest: str) -> Settings | None:
    """Return recorded settings; fields that Ratchet did not have then are as they are by default.

    None where this Ratchet knows some of their fields no more.

    Raises:
        Corrupted: the document is missing or was changed.
    """
    try:
        return recorded(ws.read_document(digest))
    except ValueError:
        return None


def changed_fields(before: Settings | None, now: Settings) -> Changes:
    """Return the fields that differ, by full name; none where it is not known what was before."""
    if before is None:
        return {}
    old, new = (_flat(each.model_dump(mode="json")) for each in (before, now))
    names = sorted(old.keys() | new.keys())
    return {
        name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    }


def by_upgrade(changed: Changes) -> Changes:
    """Return the changes that are only a former default against the one of now.

    Nobody edited those: the settings were recorded by a Ratchet that had the former default.
    """
    now = Settings()
    values = _flat(now.model_dump(mode="json"))
    pairs = {name: (former, values[name]) for name, former in FORMER_DEFAULTS.items()}
    for section, former in FORMER_SECTIONS.items():
        turned = changed_fields(now.model_copy(update={section: former}), now)
        if changed.get(f"{section}.method") == turned[f"{section}.method"]:
            pairs = turned | pairs
    return {name: pair for name, pair in changed.items() if pairs.get(name) == pair}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return the fields of nested sections under their full names."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    found: dict[str, Any] = {}
    for key, each in value.items():
        found |= _flat(each, f"{name}.{key}" if name else str(key))
    return found
