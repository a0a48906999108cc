"""A person's word on a held version: approve it, or reject it.

Concept: whoever asks (a command, a page of MLflow's, a queue) ends in `say`. The word is recorded
before anything follows from it, also where it does not count, with who said it, what this person
may do, and why. What follows is read from the words that count, so that a process that was killed
in between changes nothing: the next one goes on.

Promise: law 6, a person may veto, never waive: what a blocking check found to FAIL or to be MISSING
can't be approved, whether its examination found it or labels that came since. An approval is of the
evidence that was seen, and of a version whose parent is still champion; it counts once. Once people
are enrolled (`ratchet person`), only who has logged in as an approver says a word that counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import (
    ApprovalGiven,
    LabelWithdrawn,
    Payload,
    Recorded,
    RegistryCalled,
    RelabelDone,
)
from components.ledger.ledger import Lease
from components.pipeline import settlement
from components.pipeline.decision_now import decide_now
from components.pipeline.held import beyond_a_person
from components.pipeline.pages import BY_A_PERSON
from components.pipeline.promotion import promote
from components.pipeline.publication import show_words
from components.pipeline.words import counting
from components.registry.server_rules import ANSWERED, APPROVAL, APPROVER, word_of
from components.workspace.root import Workspace

Verb = Literal["approve", "reject"]
Action = Literal["promoted", "superseded", "rejected", "held"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says a word.

    `name`: who has logged in; None where nobody did. `seen`: the beginning of the digest of the
    evidence that the word is about. `call`: the event by which MLflow's server recorded the word.
    `against`: another approver who rejects it in the same moment.
    """

    name: str | None = None
    roles: frozenset[str] = frozenset()
    seen: str | None = None
    call: int | None = None
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a word that was said in MLflow; `refused`: why it did not count."""

    version: int
    word: Verb
    by: str
    action: Action
    refused: str = ""


def say(
    ws: Workspace, lease: Lease, number: int, word: Verb, reason: str, speaker: Speaker
) -> Action:
    """Take a person's word on a held version, and do what follows from all words on it.

    `promoted`, outside of what the gate promises; `superseded`: another version became champion
    meanwhile, so the batch is queued again, to be trained from it; `rejected`: its batch goes to
    quarantine; `held`: it takes more people.

    Raises:
        ConfigError: there is no such version, or the word does not count, which is recorded.
        Corrupted: its evidence or bundle does not verify; nothing was promoted.
    """
    version = views.version(ws.ledger, number)
    if version is None:
        raise ConfigError(f"There is no version {number}.", "`ratchet version list` shows all.")
    refused = _refusal(ws, version, word, speaker)
    said = ApprovalGiven(
        version=number,
        batch=version.batch,
        evidence=version.evidence,
        word=word,
        reason=reason,
        refused=refused or None,
        by=speaker.name,
        rights=sorted(speaker.roles) if speaker.name else None,
        call=speaker.call,
    )
    ws.ledger.append(said, lease)
    if refused:
        raise ConfigError(
            f"You can't {word} version {number}: {refused}",
            f"See `ratchet version explain {number}`.",
        )
    return settle(ws, lease, version)


def settle(ws: Workspace, lease: Lease, version: views.Version) -> Action:
    """Do what follows from the words that count on a held version."""
    said = counting(ws, version)
    against = [each for each in said if each.word == "reject"]
    if against:
        assert version.batch is not None  # only batches are held
        why = f"{BY_A_PERSON}: {against[0].reason}"
        return settlement.reject(ws, lease, version, version.batch, why)
    if len(said) < ws.settings.gate.approvals:
        show_words(ws, [version])
        return "held"
    reasons = "; ".join(f"{each.speaker}: {each.reason}" for each in said)
    return promote(ws, lease, version.version, f"approved by {reasons}")


def has_open(ws: Workspace) -> bool:
    """Tell whether a word waits that was said in MLflow, or that nothing has followed from yet."""
    return any(True for _ in _calls(ws)) or any(True for _ in _unsettled(ws))


def take_calls(ws: Workspace, lease: Lease) -> list[Heard]:
    """Take every word that was said in MLflow, oldest first, and do what follows from them."""
    heard = []
    calls = list(_calls(ws))
    rejecting = {
        event.payload.version: event.payload.user
        for event, word, _ in calls
        if word == "reject" and APPROVER in event.payload.roles
    }
    for event, word, reason in calls:
        said = event.payload
        assert said.version is not None  # `_calls` leaves out what is about no version
        against = rejecting.get(said.version) if word == "approve" else None
        speaker = Speaker(said.user, frozenset(said.roles), said.evidence or "", event.seq, against)
        refused = ""
        action: Action = "held"
        try:
            action = say(ws, lease, said.version, word, reason, speaker)
        except ConfigError as error:
            refused = error.message
            version = views.version(ws.ledger, said.version)
            show_words(ws, [version] if version else [])
        heard.append(Heard(said.version, word, said.user, action, refused))
    for version in list(_unsettled(ws)):
        settle(ws, lease, version)
    return heard


def _calls(ws: Workspace) -> Iterator[tuple[Recorded[RegistryCalled], Verb, str]]:
    """Yield the calls to MLflow's server that are words on a version, and what each says."""
    for event in views.open_calls(ws.ledger, ApprovalGiven):
        said = event.payload
        tagged = said.action == "tag set" and said.key == APPROVAL
        about = (tagged or said.action == ANSWERED) and said.version is not None
        word = word_of(said.value or "") if about and said.status == 200 else None
        known = word and views.version(ws.ledger, said.version or 0)
        if word and known:
            verb: Verb = "approve" if word[0] == "approve" else "reject"
            yield event, verb, word[1] or f"said in MLflow by {said.user}"


def _unsettled(ws: Workspace) -> Iterator[views.Version]:
    """Yield held versions that people have decided: who was to act on it was killed."""
    for version in views.versions(ws.ledger, status="held"):
        said = counting(ws, version)
        if any(each.word == "reject" for each in said) or len(said) >= ws.settings.gate.approvals:
            yield version


def _refusal(ws: Workspace, version: views.Version, word: Verb, speaker: Speaker) -> str:
    """Say why a word does not count; nothing where it does."""
    if version.status != "held":
        return f"it is {version.status}: nobody is asked about it."
    if no_right := _no_right(ws, version, word, speaker):
        return no_right
    if speaker.seen is not None and not version.evidence.startswith(speaker.seen):
        return f"its evidence is {version.evidence[:12]} now, not {speaker.seen[:12]}."
    if word == "reject":
        return ""
    if speaker.against:
        return f"{speaker.against} rejects it in the same moment."
    days = ws.settings.gate.approval_days
    if (since := _examined(ws, version)) and ws.clock() - since > timedelta(days=days):
        return (
            f"it was examined more than {days:g} days ago (`gate.approval_days`); its batch is "
            "examined again with `ratchet quarantine release`."
        )
    now = decide_now(ws, ws.read_document(version.evidence)).decision
    if beyond := beyond_a_person(now.to_json()) or _failed_elsewhere(ws, version):
        return f"what failed or is missing can't be approved: {beyond}"
    if (on := views.probation(ws.ledger)) is not None:
        return f"version {on.version} is on probation, and no version can follow it yet."
    return ""


def _failed_elsewhere(ws: Workspace, version: views.Version) -> str:
    """Say what an examination of the same model, as another version, found to FAIL.

    One more item makes another look, at less of alpha, and what was shown may not be shown again:
    it was shown all the same. What was found by other rules, or before labels were corrected, does
    not count.
    """
    rules = ws.read_document(version.evidence)["rules"]
    for other in _same_models(ws, version):
        document, examined = ws.read_document(other.evidence), views.examined(ws.ledger, other)
        if document["rules"] != rules or examined is None:
            continue
        kinds: tuple[type[Payload], ...] = (RelabelDone, LabelWithdrawn)
        corrected = any(views.told(ws.ledger, kind, after=examined.seq) for kind in kinds)
        decisions = [decide_now(ws, document).decision.to_json()]
        decisions += [] if corrected else [document["decision"]]
        for each in (verdict for decision in decisions for verdict in decision["verdicts"]):
            if each["outcome"] == "FAIL" and each["consequence"] in ("hold", "reject"):
                return f"version {other.version} is the same model; {each['sentence']}"
    return ""


def _same_models(ws: Workspace, version: views.Version) -> list[views.Version]:
    """Return the other versions of a version's batch that answer as it does."""
    from components.model.bundle import open_bundle

    own = open_bundle(ws.bundles, version.bundle).answering()
    batch = views.versions(ws.ledger, batch=version.batch or "")
    return [
        each
        for each in batch
        if each.version != version.version
        and open_bundle(ws.bundles, each.bundle).answering() == own
    ]


def _no_right(ws: Workspace, version: views.Version, word: Verb, speaker: Speaker) -> str:
    """Say why this person's word does not count, whatever it is about."""
    if not views.people(ws.ledger) and speaker.name is None:
        return ""
    if speaker.name is None:
        return (
            "people are enrolled here, so a word needs a login: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )
    if APPROVER not in speaker.roles:
        return f"{speaker.name} is no approver."
    if word == "reject":
        return ""
    local = speaker.name.partition("@")[0]  # of a mail address, where a proxy logs people in
    if ws.settings.gate.own_batches == "refuse" and local in _senders(ws, version):
        return f"{speaker.name} sent its batch (`gate.own_batches: refuse`)."
    if any(each.speaker == speaker.name for each in counting(ws, version)):
        return f"{speaker.name} has approved it already."
    return ""


def _senders(ws: Workspace, version: views.Version) -> set[str]:
    """Return who brought a version's batch, or those that it was pooled from."""
    batches = views.pooled_from(ws.ledger, version.batch) if version.batch else []
    arrivals = [views.arrival(ws.ledger, batch) for batch in batches]
    return {views.sender(ws.ledger, each).partition("@")[0] for each in arrivals if each}


def _examined(ws: Workspace, version: views.Version) -> datetime | None:
    """Return when a version was last examined."""
    found = views.examined(ws.ledger, version)
    return datetime.fromisoformat(found.time) if found else None
