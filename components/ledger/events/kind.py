"""What every kind of event has: a name, a schema, who reads it, and how it lies in the ledger.

Concept: a kind is one frozen class, made by `@event(...)`; its fields are the payload. A name
that Python keeps for itself, or that would hide another, ends in `_` in the class and not in
the ledger. A field that is None by default is left out of the payload where it is None. A field
that is added with a default reads from older events; any other change of a kind is a new
`schema`, and `upgraded` turns older payloads into it.

Promise: what was ever written can be read. A kind that this Ratchet does not know is an
`UnknownEvent`, which changes nothing; a field that it does not know stays in `more`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, Literal, TypeVar, dataclass_transform

from components.errors import ConfigError, Corrupted
from components.ledger.chain import REMEDY, Event
from components.ledger.events.field_types import require_types

ACTOR, SCHEMA = "actor", "schema"
"""Beside the fields in the payload, so that the chain covers them. Absent: "" and 1."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known about a kind apart from its fields.

    `read_by`: the projections and modules (from `components`) that read it. `leased`: whether
    only the holder of the lease may append it. `intent`: whether it opens or closes what its
    `key` names.
    """

    name: str
    read_by: tuple[str, ...] = ()
    schema: int = 1
    leased: bool = True
    intent: Literal["opens", "closes"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What an event says. `more`: fields of an event that its class does not name."""

    about: ClassVar[Kind]
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def upgraded(cls, schema: int, said: dict[str, Any]) -> dict[str, Any]:
        """Return what an event of an older `schema` says, in the fields of this one."""
        return said

    def said(self) -> dict[str, Any]:
        """Return the fields as they stand in the payload."""
        found = {
            each.name.removesuffix("_"): getattr(self, each.name)
            for each in fields(self)
            if each.name != "more" and not (each.default is getattr(self, each.name) is None)
        }
        return {**self.more, **found}


T = TypeVar("T")
P = TypeVar("P", bound=Payload)
P_co = TypeVar("P_co", bound=Payload, covariant=True)

KINDS: dict[str, type[Payload]] = {}
"""Every kind by its name."""


@dataclass(frozen=True, slots=True)
class Recorded(Generic[P_co]):
    """An event as it stands in the ledger, read. `actor`: who caused it; "" in old events."""

    seq: int
    time: str
    actor: str
    payload: P_co


class NewerEvent(ConfigError):
    """A newer Ratchet wrote this event."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def event(
    name: str,
    *,
    read_by: tuple[str, ...] = (),
    schema: int = 1,
    leased: bool = True,
    intent: Literal["opens", "closes"] | None = None,
) -> Callable[[type[P]], type[P]]:
    """Make a class the kind `name`: frozen, slotted, with keywords only."""

    def made(cls: type[P]) -> type[P]:
        kind = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        kind.about = Kind(name, read_by, schema, leased, intent)
        KINDS[name] = kind
        return kind

    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Payload):
    """An event of a kind that this Ratchet does not know: it is kept, and changes nothing."""

    about = Kind("unknown")
    name: str


def encode(payload: Payload, actor: str) -> dict[str, Any]:
    """Return what the ledger stores about an event apart from its kind."""
    found = payload.said()
    if payload.about.schema > 1:
        found[SCHEMA] = payload.about.schema
    return found | ({ACTOR: actor} if actor else {})


def decode(kind: str, payload: str) -> Payload:
    """Return what an event says, whichever Ratchet wrote it.

    Raises:
        NewerEvent: the kind has a newer schema than this Ratchet knows.
        TypeError: a field is missing or has a value of another type, or this is not a JSON
            object.
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    return _decode(kind, payload)[0]


def read(event: Event) -> Recorded[Payload]:
    """Return a stored event, read.

    Raises:
        NewerEvent: its kind has a newer schema than this Ratchet knows.
        Corrupted: it does not say what its kind says.
    """
    payload, actor = _named(event, _decode)
    return Recorded(event.seq, event.time, actor, payload)


def payload_of(event: Event) -> dict[str, Any]:
    """Return a stored event's payload as it stands, for who needs no class.

    Raises:
        NewerEvent: its kind has a newer schema than this Ratchet knows.
        Corrupted: it is no JSON object, or a field has a value of another type.
    """
    return _named(event, _parsed)


def _named(event: Event, reading: Callable[[str, str], T]) -> T:
    """Read an event's payload; an error names the event."""
    try:
        return reading(event.kind, event.payload)
    except (TypeError, ValueError, RecursionError) as error:
        what = f"Event {event.seq} ({event.kind}) of the ledger can't be read: {error}."
        raise Corrupted(what, REMEDY) from error


def _parsed(kind: str, text: str) -> dict[str, Any]:
    """Return a payload as it stands: the one place where its text is read."""
    said = json.loads(text)
    if not isinstance(said, dict):
        raise TypeError("its payload is not a JSON object")
    schema, known = said.get(SCHEMA, 1), KINDS.get(kind)
    if type(said.get(ACTOR, "")) is not str:
        raise TypeError(f"its `{ACTOR}` has a value of the wrong type")
    if known is None:
        return said
    if schema > known.about.schema:
        raise NewerEvent(
            f"An event {kind} of the ledger was written by a newer Ratchet: it has schema "
            f"{schema}, but this version of Ratchet reads schemas up to {known.about.schema}.",
            "Update Ratchet to the version that wrote it, or a newer one.",
        )
    require_types(known, _current(known, schema, said))
    return said


def _decode(kind: str, text: str) -> tuple[Payload, str]:
    """Return what an event says, and its actor."""
    said = _parsed(kind, text)
    actor, schema = said.pop(ACTOR, ""), said.pop(SCHEMA, 1)
    known = KINDS.get(kind)
    if known is None:
        return UnknownEvent(name=kind, more=said), actor
    return from_said(known, _current(known, schema, said)), actor


def _current(known: type[P], schema: int, said: dict[str, Any]) -> dict[str, Any]:
    return known.upgraded(schema, said) if schema < known.about.schema else said


def from_said(kind: type[P], said: Mapping[str, Any]) -> P:
    """Return a payload from its fields as they stand in the ledger."""
    names = {each.name.removesuffix("_"): each.name for each in fields(kind)}
    del names["more"]
    found = {names[name]: value for name, value in said.items() if name in names}
    return kind(more={name: said[name] for name in said.keys() - names}, **found)
