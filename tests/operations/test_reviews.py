"""MLflow's review queues: what is asked there, of whom, and what follows from an answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.ledger import views
from components.operations import approval, labelling, people, reviews
from components.operations.between_batches import Between
from components.operations.registry_server import LedgerBook
from components.registry.review_queues import PEOPLE_A_QUEUE, facts_of
from components.registry.server_rules import (
    ANSWERED,
    CHANGED,
    CHOICES,
    EVIDENCE,
    NOT_BY,
    VERSION,
    Call,
    refusal,
)
from components.workspace.root import Workspace, open_workspace
from flows.steps import leased
from tests.command import ratchet
from tests.operations.test_labelling import status
from tests.pools import asked, truth

ASKED = """
select q.name, i.item_id, i.status, t.request_preview
from review_queues q join review_queue_items i using (queue_id)
join trace_info t on t.request_id = i.item_id
order by q.name, i.creation_time_ms desc, i.item_id
"""


@dataclass(frozen=True)
class Shown:
    """A card as MLflow has it."""

    queue: str
    trace: str
    status: str
    text: str
    facts: dict[str, str]


def shown(ws: Workspace, queue: str = "mood, version 2") -> list[Shown]:
    """Return the cards of a queue, in the order in which MLflow lists them."""
    with closing(sqlite3.connect(ws.mlruns / "mlflow.db")) as db:
        rows = [row for row in db.execute(ASKED) if row[0] == queue]
    return [Shown(*row, facts_of(ws.mlruns, row[1]) or {}) for row in rows]


def said(ws: Workspace, user: str, card: Shown, value: str) -> str:
    """Answer a card as MLflow's page does, and return why that is refused, if it is."""
    number = card.facts.get(VERSION)
    call = Call(
        user, ANSWERED, "tiny", int(number) if number else None, card.trace, value, card=card.facts
    )
    book = LedgerBook(ws)
    refused = refusal(call, book.roles(user))
    book.record(call, None, 403 if refused else 200, refused)
    return refused


def enrolled(root: Path, **roles: Sequence[str]) -> Workspace:
    ws = open_workspace(root)
    for name, own in roles.items():
        people.enroll(ws, name, own)
    reviews.show(ws)
    return ws


@pytest.fixture
def asking(waiting: Path) -> Workspace:
    """A root whose version 2 waits for labels, and three people."""
    return enrolled(waiting, ann=["approver"], lea=["labeller"], vera=["viewer"])


def taken(ws: Workspace) -> int:
    count = reviews.take_labels(ws)
    reviews.show(ws)
    return count


def test_questions_are_asked_in_their_order_and_say_nothing_of_versions(asking: Workspace) -> None:
    questions = asked(asking.root)[: reviews.PORTION]
    cards = shown(asking)
    assert [card.text for card in cards] == [question.text for question in questions]
    assert {card.status for card in cards} == {"pending"}
    [choices] = {card.facts[CHOICES] for card in cards}
    assert json.loads(choices) == ["(cannot tell)", "(none of these)", "neg", "pos"]
    assert all(VERSION not in card.facts and NOT_BY not in card.facts for card in cards)
    before = shown(asking)
    reviews.show(asking)
    assert shown(asking) == before, "what is shown is not written again"


def test_labels_given_in_mlflow_are_a_person_s_and_settle_the_version(asking: Workspace) -> None:
    first, second, third = shown(asking)[:3]
    assert said(asking, "vera", first, "pos").startswith("Only a labeller")
    assert said(asking, "lea", first, "table") == "'table' is none of the labels, nor (none) or ?."
    assert said(asking, "lea", first, truth(first.text)) == ""
    assert said(asking, "lea", second, "(cannot tell)") == ""
    assert said(asking, "lea", third, "(none of these)") == ""
    assert reviews.has_labels(asking) and taken(asking) == 3 and not reviews.has_labels(asking)
    own = labelling.recorded(asking)
    assert [(each.by, each.answer) for each in own] == [
        ("lea", "neither"), ("lea", "unclear"), ("lea", "label"),
    ]  # fmt: skip
    done = {card.trace for card in shown(asking) if card.status == "complete"}
    assert done == {first.trace, second.trace, third.trace}
    assert said(asking, "lea", second, truth(second.text)) == "", "she thinks again"
    assert said(asking, "lea", third, truth(third.text)) == ""
    assert taken(asking) == 2
    assert [each.answer for each in labelling.recorded(asking)] == ["label"] * 3
    while cards := [card for card in shown(asking) if card.status == "pending"]:
        for card in cards:
            assert said(asking, "lea", card, truth(card.text)) == ""
        assert taken(asking) == len(cards)
    assert ratchet(asking.root, "intake").code == 0
    champion = views.champion(asking.ledger)
    assert champion is not None and champion.version == 3 and status(asking) == "superseded"
    reviews.show(asking)
    assert shown(asking) == []


def test_who_comes_second_changes_nothing(asking: Workspace) -> None:
    people.enroll(asking, "leo", ["labeller"])
    card = shown(asking)[0]
    assert said(asking, "lea", card, "pos") == "" and taken(asking) == 1
    assert said(asking, "leo", card, "neg") == "" and taken(asking) == 0
    assert [(each.by, each.label) for each in labelling.recorded(asking)] == [("lea", "pos")]


def test_the_second_question_about_an_input_is_for_somebody_else(
    asking: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "ASKED_TWICE", 1.0)
    people.enroll(asking, "leo", ["labeller"])
    for card in shown(asking)[: labelling.APART + 1]:
        said(asking, "lea", card, truth(card.text))
    assert taken(asking)
    again = next(card for card in shown(asking) if NOT_BY in card.facts)
    assert said(asking, "lea", again, "pos").startswith("You have answered this one")
    assert said(asking, "leo", again, "pos") == "" and taken(asking) >= 1
    assert "leo" in {each.by for each in labelling.recorded(asking)}


def test_what_one_person_can_not_tell_is_asked_of_another_once(asking: Workspace) -> None:
    people.enroll(asking, "leo", ["labeller"])
    first, other = shown(asking)[:2]
    for card in (first, other):
        assert said(asking, "lea", card, "(cannot tell)") == ""
    assert taken(asking) == 2
    cards = {card.text: card for card in shown(asking) if NOT_BY in card.facts}
    assert {*cards} == {first.text, other.text}
    assert said(asking, "lea", cards[first.text], "pos").startswith("You have answered this one")
    assert said(asking, "leo", cards[first.text], truth(first.text)) == ""
    assert said(asking, "leo", cards[other.text], "(cannot tell)") == ""
    assert taken(asking) == 2
    assert not [card for card in shown(asking) if NOT_BY in card.facts and card.text == other.text]
    given = {each.text: (each.by, each.answer) for each in labelling.recorded(asking)}
    assert given == {first.text: ("leo", "label"), other.text: ("leo", "unclear")}


def test_of_what_is_asked_no_more_nothing_stays_in_mlflow(asking: Workspace) -> None:
    texts = {card.text for card in shown(asking)}
    assert ratchet(asking.root, "pool", "remove", "--task", "mood", "--reason", "erased").code == 0
    assert shown(asking) == []
    stored = (asking.mlruns / "mlflow.db").read_bytes()
    assert not [text for text in texts if text.encode() in stored]


def test_a_version_is_approved_from_its_card(asking: Workspace) -> None:
    [card] = shown(asking, "approvals")
    assert card.text == "Is version 2 of tiny to come into force?" and card.facts[VERSION] == "2"
    assert said(asking, "lea", card, "approved: yes").startswith("Only an approver")
    assert said(asking, "ann", card, "perhaps").startswith("Set it to")
    assert said(asking, "ann", card, "approved: read forty of them") == ""
    with leased(asking) as lease:
        [heard] = approval.take_calls(asking, lease)
    assert (heard.by, heard.action) == ("ann", "promoted")
    [word] = views.words(asking.ledger, 2)
    assert (word.speaker, word.reason) == ("ann", "read forty of them")
    reviews.show(asking)
    assert shown(asking, "approvals") == []


def test_a_word_on_evidence_that_is_not_the_evidence_any_more_is_refused(asking: Workspace) -> None:
    [card] = shown(asking, "approvals")
    old = Shown(
        *(card.queue, card.trace, card.status, card.text), {**card.facts, EVIDENCE: "0" * 64}
    )
    assert said(asking, "ann", old, "approved") == ""
    with leased(asking) as lease:
        [heard] = approval.take_calls(asking, lease)
    assert heard.action == "held" and "its evidence is" in heard.refused


def test_what_no_person_may_approve_is_not_asked(asking: Workspace) -> None:
    [version] = views.versions(asking.ledger, status="held")
    pools = asking.read_document(version.evidence)["pools"]
    before = {each["item"]: each["champion"] for pool in pools for each in pool["differing"]}
    while questions := asked(asking.root):
        for question in questions:
            labelling.answer(asking, question, "label", before[question.item])
    reviews.show(asking)
    [card] = shown(asking, "approvals")
    assert card.facts[EVIDENCE] == version.evidence, "what was examined says nothing of that yet"
    assert said(asking, "ann", card, "approved") == ""
    with leased(asking) as lease:
        [heard] = approval.take_calls(asking, lease)
    assert heard.action == "held" and "can't be approved" in heard.refused


def test_an_assistant_answers_nothing_and_no_answer_is_deleted(asking: Workspace) -> None:
    card = shown(asking)[0]
    call = Call("lea", ANSWERED, "tiny", None, card.trace, "pos", True, card.facts)
    assert refusal(call, {"labeller"}).startswith("A label is a person's own")
    deleted = Call("lea", CHANGED, "tiny", None, card.trace, card=card.facts)
    assert refusal(deleted, {"labeller"}).startswith("What was said stays said")


def test_more_people_than_mlflow_lets_share_a_queue_share_the_cards(waiting: Path) -> None:
    names = [f"lea{number:02}" for number in range(PEOPLE_A_QUEUE + 1)]
    ws = enrolled(waiting, **{name: ["labeller"] for name in names})
    one, other = shown(ws), shown(ws, "mood, version 2 (2)")
    assert [card.trace for card in one] == [card.trace for card in other] != []
    assert said(ws, names[-1], other[0], "pos") == "" and taken(ws) == 1
    assert {card.status for card in shown(ws) if card.trace == other[0].trace} == {"complete"}


def test_labels_that_can_not_be_chosen_from_are_typed(
    asking: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "OPTIONS", 3)
    people.remove(asking, "lea")
    reviews.show(asking)
    assert shown(asking) == [], "nobody is there to be asked"
    people.enroll(asking, "lea", ["labeller"])
    reviews.show(asking)
    card, other = shown(asking)[:2]
    assert said(asking, "lea", card, "possibly").startswith("'possibly' is none")
    assert said(asking, "lea", card, "pos") == "" and said(asking, "lea", other, "?") == ""
    assert taken(asking) == 2
    assert [each.answer for each in labelling.recorded(asking)] == ["unclear", "label"]


def test_batches_go_on_where_the_queues_can_not_be_shown(
    asking: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(reviews, "show", fails)
    between = Between()
    assert between.do(asking, leased).not_shown == "no space left"
    assert between.do(asking, leased).not_shown == "", "told once"
    assert ratchet(asking.root, "intake").code == 0


def test_what_a_killed_process_or_an_administrator_left_is_put_right(asking: Workspace) -> None:
    cards = shown(asking)
    with closing(sqlite3.connect(asking.mlruns / "mlflow.db")) as db, db:
        db.execute("delete from review_queue_items")
        db.execute("delete from review_queues")  # its question and its traces are still there
        db.execute("update experiments set lifecycle_stage = 'deleted' where name = 'tiny labels'")
    reviews.show(asking)
    assert [card.trace for card in shown(asking)] == [card.trace for card in cards]


def test_the_last_labeller_leaves_no_text_behind(asking: Workspace) -> None:
    texts = {card.text for card in shown(asking)}
    for name in ("lea", "ann", "vera"):
        people.remove(asking, name)
    assert Between().do(asking, leased).not_shown == ""
    stored = (asking.mlruns / "mlflow.db").read_bytes()
    assert not [text for text in texts if text.encode() in stored]
