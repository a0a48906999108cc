"""When a version that waits for labels is examined again."""

from __future__ import annotations

from pathlib import Path

from components.ledger import views
from components.operations import corrections, labelling, pool_removal
from components.operations.between_batches import Between
from components.operations.labelling import Question
from components.workspace.root import Workspace, open_workspace
from flows.steps import leased
from tests.pools import asked, truth
from tests.stream import batch, settle


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
