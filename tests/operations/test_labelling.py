"""When a version that waits for labels is examined again."""

from __future__ import annotations

from pathlib import Path

from components.ledger import views
from components.operations import approval, corrections, labelling, pool_removal
from components.operations.between_batches import Between
from components.operations.labelling import Question
from components.workspace.root import Workspace, open_workspace
from flows.steps import leased
from tests.command import ratchet
from tests.pools import asked, mixed, truth
from tests.stream import batch, settle, write_jsonl


def answered(ws: Workspace, questions: list[Question]) -> None:
    """Answer questions by the truth."""
    for question in questions:
        labelling.answer(ws, question, "label", truth(question.text))


def move_champion(root: Path) -> None:
    """Promote a batch that changes next to nothing, so that no label is asked for."""
    params, slow = root / "params.yaml", "learning_rate: 1.0e-7, head_learning_rate: 1.0e-7"
    kept = params.read_text()
    params.write_text(kept.replace("learning_rate: 0.003, head_learning_rate: 0.03", slow))
    assert settle(root, batch(root / "b3.jsonl", 3, 30)).action == "promoted"
    params.write_text(kept)


def status(ws: Workspace) -> str:
    """Return the status of version 2, which waits for labels."""
    version = views.version(ws.ledger, 2)
    assert version is not None
    return version.status


def test_it_waits_on_while_no_answer_comes_even_if_the_champion_moves(waiting: Path) -> None:
    """Else each promotion would cost it a look, and a training, that nothing new is seen in."""
    move_champion(waiting)
    ws = open_workspace(waiting)
    assert not Between().do(ws, leased).released and status(ws) == "held"
    answered(ws, asked(waiting)[:1])
    assert Between().do(ws, leased).released and status(ws) == "superseded"


def test_some_answers_are_not_enough_while_the_champion_stays(waiting: Path) -> None:
    ws = open_workspace(waiting)
    answered(ws, asked(waiting)[:3])
    assert not Between().do(ws, leased).released and status(ws) == "held"


def test_it_is_examined_again_where_what_it_asked_about_was_removed(waiting: Path) -> None:
    ws = open_workspace(waiting)
    assert asked(waiting)
    with leased(ws) as lease:
        pool_removal.remove(ws, lease, "mood", "a person asked for it")
    assert not asked(waiting)
    assert Between().do(ws, leased).released and status(ws) == "superseded"


def test_it_asks_nothing_of_a_task_that_was_retired(waiting: Path) -> None:
    ws = open_workspace(waiting)
    assert asked(waiting)
    with leased(ws) as lease:
        corrections.retire_task(ws, lease, "mood", "no longer used")
    assert not asked(waiting)
    assert Between().do(ws, leased).released


def test_a_rename_is_no_news_and_its_questions_go_on(waiting: Path) -> None:
    """Fault: the old name had no pool, so it was examined again, which cost it a look."""
    ws, before = open_workspace(waiting), len(asked(waiting))
    with leased(ws) as lease:
        corrections.rename_task(ws, lease, "mood", "feeling", "a better word")
    assert len(asked(waiting)) == before
    assert {each.task for each in asked(waiting)} == {"feeling"}
    assert not Between().do(ws, leased).released and status(ws) == "held"
    while questions := asked(waiting):
        answered(ws, questions)
    assert Between().do(ws, leased).released


def test_an_answer_is_taken_back_days_later_and_asked_again(waiting: Path) -> None:
    """Fault: only the sitting that gave it could take it back."""
    ws, [first, *_] = open_workspace(waiting), asked(waiting)
    labelling.answer(ws, first, "label", "neg")
    labelling.answer(ws, asked(waiting)[0], "unclear")
    listed = ratchet(waiting, "label", "answers", "--json").facts
    assert [each["answer"] for each in listed] == ["unclear", "label"]
    assert (listed[1]["text"], listed[1]["label"]) == (first.text, "neg")
    done = ratchet(waiting, "label", "withdraw", str(listed[1]["number"]))
    assert done.code == 0 and "1 answer taken back" in done.out
    assert first.item in {each.item for each in asked(waiting)}
    assert len(ratchet(waiting, "label", "answers", "--json").facts) == 1
    again = ratchet(waiting, "label", "withdraw", str(listed[1]["number"]))
    assert again.code == 2 and "There is no answer" in again.err
    assert "No answer was given" in ratchet(waiting, "label", "answers", "--task", "x").out


def test_where_no_label_can_settle_it_nothing_is_asked_and_that_is_said(waiting: Path) -> None:
    ws = open_workspace(waiting)
    with leased(ws) as lease:
        approval.say(ws, lease, 2, "reject", "start again", approval.Speaker())
    params = waiting / "params.yaml"
    params.write_text(
        params.read_text() + "\ngate: {checks: {size: {policy: hold, max_megabytes: 0.001}}}\n"
    )
    settle(waiting, write_jsonl(waiting / "b5.jsonl", mixed(5, 120)))
    assert views.versions(ws.ledger, status="held") and not asked(waiting)
    assert "is held by what no label can settle" in ratchet(waiting, "label").out
