"""Who may change what of a model through MLflow's server.

Concept: MLflow's own permissions can't tell one tag, or one alias, from another. So each call that
would change a model of ours is looked at once more, with the roles of who asks. What the ledger
decides (aliases, Ratchet's own tags, which versions there are) only the pipeline may change; the
word on a held version, the tag `approval`, only an approver may give; all else MLflow decides.

Promise: an administrator of MLflow is nobody special in here. Nor is who has the role `pipeline`,
for a model whose root is served here: its own pipeline writes to the database itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

APPROVER, LABELLER, PIPELINE, VIEWER = "approver", "labeller", "pipeline", "viewer"
ROLES = {
    APPROVER: "may approve and reject held versions",
    LABELLER: "may say what inputs of pools are",
    PIPELINE: "registers versions of models whose roots are on other machines; may not approve",
    VIEWER: "may look at everything",
}
"""What somebody with an account may be, and what that means."""

APPROVAL = "approval"
"""The tag by which a person says a word on a version."""

OURS = ("champion", "candidate")
"""The aliases that mirror the ledger."""

OURS_TO_ASK = ("approvals", "labels")
"""The last words of the experiments where people are asked."""

QUEUES = (
    (
        "POST",
        re.compile(
            r"traces|traces/delete-traces|review-queues/(?!items/set-status).*|review-queues"
        ),
    ),
    ("POST", re.compile(r"label-schemas.*")),
    ("PATCH", re.compile(r"traces/[^/]+(/tags)?|review-queues.*|label-schemas.*")),
    ("DELETE", re.compile(r"traces/[^/]+(/tags)?|review-queues.*|label-schemas.*")),
)
"""Method and path, below `mlflow/`, of what is done to review queues and to what they ask about."""

CALLS = {
    ("POST", "registered-models/rename"): "model renamed",
    ("PATCH", "registered-models/update"): "model described",
    ("DELETE", "registered-models/delete"): "model deleted",
    ("POST", "registered-models/set-tag"): "model tag set",
    ("DELETE", "registered-models/delete-tag"): "model tag deleted",
    ("POST", "registered-models/alias"): "alias set",
    ("DELETE", "registered-models/alias"): "alias deleted",
    ("POST", "model-versions/create"): "version created",
    ("PATCH", "model-versions/update"): "version described",
    ("POST", "model-versions/transition-stage"): "stage set",
    ("DELETE", "model-versions/delete"): "version deleted",
    ("POST", "model-versions/set-tag"): "tag set",
    ("DELETE", "model-versions/delete-tag"): "tag deleted",
}
"""Method and path of MLflow's server, below `mlflow/` -> what was done."""

VERSION, EVIDENCE, NOT_BY, CHOICES = (
    "ratchet.version",
    "ratchet.evidence",
    "ratchet.not_by",
    "ratchet.choices",
)
"""Facts of a card: the version and the evidence that it is about, who may not answer, and what may
be answered, as JSON."""

ANSWERED, CHANGED = "card answered", "card's answer changed"
"""What is done to a card of a review queue."""

_OWN = {
    "model renamed", "model deleted", "version created", "version deleted",
    "version described", "stage set",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """What somebody asks the server to change of one model.

    `key`: of the tag, or the alias, or what MLflow calls a card; `value`: what it is to be, or the
    answer. `assisted`: whether an assistant asks in that person's name. `card`: its facts.
    """

    user: str
    action: str
    model: str
    version: int | None = None
    key: str | None = None
    value: str | None = None
    assisted: bool = False
    card: Mapping[str, str] = field(default_factory=dict)


def refusal(call: Call, roles: Collection[str]) -> str:
    """Say why somebody with these roles may not do this; nothing where MLflow is to decide."""
    tagged = call.action in ("tag set", "tag deleted") and call.key == APPROVAL
    if tagged or (call.action == ANSWERED and call.version is not None):
        return _no_word(call, roles)
    if call.action == ANSWERED:
        return _no_answer(call, roles)
    if call.action == CHANGED:
        return "What was said stays said: save another answer instead."
    if call.action in _OWN:
        return f"Only this model's own pipeline may do this ({call.action}): it is written there."
    if call.action in ("alias set", "alias deleted") and call.key in OURS:
        return (
            f"The alias {call.key} follows the ledger. Use `ratchet approve` for a held version, "
            "`ratchet rollback` to go back."
        )
    if call.action in ("tag set", "tag deleted") and (call.key or "").startswith("ratchet."):
        return "Tags that begin with `ratchet.` are written by the pipeline alone."
    return ""


def _no_word(call: Call, roles: Collection[str]) -> str:
    """Say why this is no word on a version; nothing where it is one."""
    word = word_of(call.value or "")
    if APPROVER not in roles:
        return (
            "Only an approver may decide on a version (`ratchet person add NAME --role approver`)."
        )
    if call.assisted:
        return "A word on a version is a person's own: an assistant can't give it."
    if call.action == "tag deleted":
        return "What was said stays said: set the tag to another value instead."
    if word is None:
        return "Set it to `approved` or `rejected`; a reason may follow, as in `approved: read it`."
    return ""


def _no_answer(call: Call, roles: Collection[str]) -> str:
    """Say why this is no answer to a question about an input; nothing where it is one."""
    if LABELLER not in roles:
        return "Only a labeller may answer (`ratchet person add NAME --role labeller`)."
    if call.assisted:
        return "A label is a person's own: an assistant can't give it."
    if call.user == call.card.get(NOT_BY):
        return "You have answered this one: it is asked again, of somebody else."
    if (call.value or "") not in json.loads(call.card.get(CHOICES, "[]")):
        return f"{call.value!r} is none of the labels, nor (none) or ?."
    return ""


def word_of(value: str) -> tuple[str, str] | None:
    """Return (`approve` or `reject`, the reason given) of what `approval` was set to, or None."""
    word, _, reason = value.partition(":")
    said = {"approved": "approve", "rejected": "reject"}.get(word.strip().casefold())
    return (said, reason.strip()) if said else None
