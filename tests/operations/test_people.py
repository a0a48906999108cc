"""Once people are enrolled, only an approver who has logged in says a word that counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from components.clock import system_clock
from components.errors import ConfigError
from components.ledger import views
from components.ledger.events import ApprovalGiven
from components.operations import approval, people
from components.operations.registry_server import LedgerBook
from components.registry import accounts
from components.registry.server_rules import Call
from components.workspace.root import Workspace, open_workspace
from flows.steps import leased
from tests.command import ratchet
from tests.operations.test_approval import always
from tests.stream import PARAMS, batch, settle


@pytest.fixture
def held(grown: Path) -> Path:
    """A root whose version 3 waits for a person, with two approvers and a viewer."""
    settle(always(grown), batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    for name, role in (("ann", "approver"), ("ben", "approver"), ("vera", "viewer")):
        people.enroll(ws, name, [role])
    return grown


def clicked(ws: Workspace, user: str, value: str, status: int = 200, refused: str = "") -> None:
    """Let MLflow's server record that somebody set the tag `approval` of version 3."""
    call = Call(user, "tag set", "tiny", 3, "approval", value)
    LedgerBook(ws).record(call, "pending", status, refused)


def taken(ws: Workspace) -> list[tuple[str, str, str]]:
    with leased(ws) as lease:
        heard = approval.take_calls(ws, lease)
    return [(each.by, each.action, each.refused.partition(": ")[2]) for each in heard]


def tag(ws: Workspace) -> str | None:
    version = ws.registry.version(3)
    assert version is not None
    return version.tags.get("approval")


def set_gate(root: Path, **settings: object) -> Workspace:
    text = ", ".join(f"{name}: {value}" for name, value in settings.items())
    params = f"{PARAMS}\ngate: {{approval: always, {text}}}\n"
    (root / "params.yaml").write_text(params, encoding="utf-8")
    return open_workspace(root)


def test_an_approver_s_click_in_mlflow_promotes_and_everybody_else_s_is_recorded(
    held: Path,
) -> None:
    ws = open_workspace(held)
    assert not approval.has_open(ws)
    clicked(ws, "vera", "approved", 403, "Only an approver may decide")
    clicked(ws, "ann", "approved: read forty of them")
    assert approval.has_open(ws)
    assert taken(ws) == [("ann", "promoted", "")]
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 3
    assert tag(ws) == "champion: approve by ann"
    assert not approval.has_open(ws) and taken(ws) == []
    [word] = views.words(ws.ledger, 3)
    assert (word.speaker, word.reason) == ("ann", "read forty of them")


def test_of_two_who_click_at_once_the_first_counts(held: Path) -> None:
    ws = open_workspace(held)
    clicked(ws, "ann", "rejected: wrong source")
    clicked(ws, "ben", "approved")
    said = "it is rejected: nobody is asked about it."
    assert taken(ws) == [("ann", "rejected", ""), ("ben", "held", said)]
    assert tag(ws) == f"rejected: reject by ann (not counted: approve by ben: {said})"


def test_of_two_who_click_at_once_a_rejection_counts_whoever_was_first(held: Path) -> None:
    ws = open_workspace(held)
    clicked(ws, "ben", "approved")
    clicked(ws, "ann", "rejected: wrong source")
    said = "ann rejects it in the same moment."
    assert taken(ws) == [("ben", "held", said), ("ann", "rejected", "")]


def test_a_person_who_is_enrolled_keeps_the_roles_until_others_are_named(held: Path) -> None:
    done = ratchet(held, "person", "add", "ann")
    assert done.code == 2 and "is enrolled already, as approver" in done.err
    for name in ("x:y", "a b", "*", "x" * 200):
        assert "can't be the name" in ratchet(held, "person", "add", name).err


def test_as_many_people_as_the_settings_want_and_one_rejection_rejects(held: Path) -> None:
    ws = set_gate(held, approvals=2)
    clicked(ws, "ann", "approved")
    clicked(ws, "ann", "approved")
    assert taken(ws) == [("ann", "held", ""), ("ann", "held", "ann has approved it already.")]
    assert tag(ws) is not None and tag(ws).startswith("pending: 1 of 2 approved (not counted")
    clicked(ws, "ben", "approved")
    assert taken(ws) == [("ben", "promoted", "")]


def test_nobody_approves_what_they_sent_unless_the_settings_allow_it(held: Path) -> None:
    ws = open_workspace(held)
    arrival = views.arrivals(ws.ledger)[-1]
    author = views.sender(ws.ledger, arrival).partition("@")[0]
    people.enroll(ws, author, ["approver"])
    clicked(ws, author, "approved")
    assert taken(ws)[0][1:] == (
        "held", f"{author} sent its batch (`gate.own_batches: refuse`)."
    )  # fmt: skip
    ws = set_gate(held, own_batches="allow")
    clicked(ws, author, "approved")
    assert taken(ws) == [(author, "promoted", "")]


def test_an_approval_expires_and_so_does_its_evidence(held: Path) -> None:
    ws = open_workspace(held, clock=lambda: system_clock() + timedelta(days=31))
    clicked(ws, "ann", "approved")
    assert "examined more than 30 days ago" in taken(ws)[0][2]
    ws = open_workspace(held)
    call = Call("ann", "tag set", "tiny", 3, "approval", "approved")
    LedgerBook(ws).record(call, "pending", 200, "")
    [event] = views.open_calls(ws.ledger, ApprovalGiven)
    assert event.payload.evidence == views.versions(ws.ledger, version=3)[0].evidence


def test_who_was_killed_between_word_and_deed_is_followed_up(held: Path) -> None:
    ws = open_workspace(held)
    clicked(ws, "ann", "approved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approval, "settle", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            taken(ws)
    assert views.versions(ws.ledger, status="held") and approval.has_open(ws)
    assert taken(ws) == []
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 3


def test_the_command_wants_a_login_once_people_are_enrolled(
    held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = ratchet(held, "approve", "3", "--reason", "fine")
    assert done.code == 2 and "a word needs a login" in done.err
    ws = open_workspace(held)
    secret = people.new_password(ws, "vera")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "vera")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "guessed")
    done = ratchet(held, "approve", "3", "--reason", "fine")
    assert done.code == 2 and "is not vera's password" in done.err
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", secret)
    done = ratchet(held, "approve", "3", "--reason", "fine")
    assert done.code == 2 and "vera is no approver" in done.err
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", people.new_password(ws, "ann"))
    done = ratchet(held, "approve", "3", "--reason", "fine")
    assert done.code == 0, done.err


def test_accounts_are_made_listed_and_taken_away(grown: Path) -> None:
    assert "Nobody is enrolled" in ratchet(grown, "person", "list").out
    made = ratchet(grown, "person", "add", "ann", "--role", "approver")
    secret = made.out.partition("password: ")[2].split()[0]
    ws = open_workspace(grown)
    path = people.accounts_path(ws)
    assert path.stat().st_mode & 0o077 == 0
    assert accounts.is_known(path, "ann", secret) and not accounts.is_known(path, "ann", "x")
    again = ratchet(grown, "person", "add", "ann", "--role", "labeller")
    assert "password" not in again.out and views.people(ws.ledger) == {"ann": {"labeller"}}
    both = ratchet(grown, "person", "add", "bot", "--role", "pipeline", "--role", "approver")
    assert both.code == 2 and "nobody approves what they register" in both.err
    assert ratchet(grown, "person", "add", "x", "--role", "boss").code == 2
    assert ratchet(grown, "person", "remove", "ann").code == 0
    assert views.people(ws.ledger) == {} and not accounts.is_known(path, "ann", secret)
    assert ratchet(grown, "person", "remove", "ann").code == 2
    with pytest.raises(ConfigError, match="may not approve"):
        people.enroll(ws, "admin", ["approver"])
