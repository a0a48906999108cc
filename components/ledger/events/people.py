"""Events about people with an account, and about what anybody asked MLflow's server to change."""

from __future__ import annotations

from collections.abc import Sequence

from components.ledger.events.kind import Payload, event


@event(
    "person.enrolled",
    read_by=(
        "ledger.views.about_people",
        "operations.between_batches",
        "operations.reviews",
    ),
    leased=False,
)
class PersonEnrolled(Payload):
    """A person has an account on the servers, and from now on these roles and no others."""

    name: str
    roles: Sequence[str]


@event("person.removed", read_by=("ledger.views.about_people",), leased=False)
class PersonRemoved(Payload):
    """A person has no account any more."""

    name: str


@event("registry.called", read_by=("ledger.views.about_people",), leased=False)
class RegistryCalled(Payload):
    """Somebody asked MLflow's server to change something of this model.

    `user`: who had logged in; `roles`: what this person was then. `action`: for instance `tag set`
    or `alias deleted`; `key`: of the tag, or the alias. `before`, `value`: what it was, and what it
    was to be. `status`: the server's answer, as HTTP has it; `refused`: why Ratchet did not let it
    happen. `evidence`: of the version, as it was then.
    """

    user: str
    roles: Sequence[str]
    action: str
    version: int | None
    key: str | None
    before: str | None
    value: str | None
    status: int
    refused: str | None = None
    evidence: str | None = None


@event("notices.told", read_by=("operations.notices",), leased=False)
class NoticesTold(Payload):
    """People were told of everything up to the event number `through`."""

    through: int
