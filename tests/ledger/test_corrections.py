"""What follows from corrections, seen in the tables alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.ledger import views
from components.ledger.events import (
    AnchorMoved,
    ExamRetired,
    LabelGiven,
    Payload,
    TaskRenamed,
    TaskRetired,
)
from components.ledger.ledger import Ledger
from components.ledger.verify import verify
from components.ledger.views import ExamUse
from tests.ledger.story import brought, digest, examined


def add(ledger: Ledger, exam: str, count: int) -> None:
    """Hold items out for an exam, whatever it is called."""
    task = exam.partition("#")[0]
    one = brought(key=exam, exam=exam, source=digest(exam))
    items = [(digest(exam, n), digest(exam, n)) for n in range(count)]
    _append(ledger, replace(one, task=task, items=items))


def _append(ledger: Ledger, *events: Payload) -> None:
    with ledger.lease("model", 1) as lease:
        for each in events:
            ledger.append(each, lease)


def use(ledger: Ledger, exams: dict[str, bool], spent: list[str]) -> None:
    said = examined(digest("batch"), digest("bundle", *exams, *spent), exams)
    _append(ledger, replace(said, spent=spent))


def renamed(old: str, new: str) -> TaskRenamed:
    return TaskRenamed(old=old, new=new, merged=True, reason="stray")


@pytest.mark.parametrize("retired", [True, False])
def test_what_is_spent_for_good_stays_spent_when_its_exam_is_retired(
    ledger: Ledger, retired: bool
) -> None:
    add(ledger, "mood", 3)
    use(ledger, {"mood": True}, [])
    use(ledger, {"mood": False}, ["mood"])
    assert views.exam_use(ledger) == {"mood": ExamUse(2, 1, 1)}
    if retired:
        _append(ledger, ExamRetired(exam="mood", task="mood", reason="old"))
    else:
        _append(ledger, TaskRetired(task="mood", reason="old"))
    assert views.exam_use(ledger) == {"mood": ExamUse(0, 0, 1)}
    [record] = views.exam_records(ledger)
    assert (record.decisions, record.turned_away, record.items) == (2, 1, 3)
    verify(ledger)


@pytest.mark.parametrize(("stray", "kept"), [(2, (1, 0)), (9, (2, 1))])
def test_of_two_exams_that_become_one_the_larger_ones_use_goes_on(
    ledger: Ledger, stray: int, kept: tuple[int, int]
) -> None:
    add(ledger, "mood#batches", 5)
    add(ledger, "default#batches", stray)
    use(ledger, {"mood#batches": False, "default#batches": True}, [])
    use(ledger, {"default#batches": False}, ["default#batches"])
    _append(ledger, renamed("default", "mood"))
    assert views.exam_use(ledger) == {"mood#batches": ExamUse(*kept, 1)}
    assert views.exam_sizes(ledger) == {"mood#batches": ("mood", 5 + stray)}
    assert views.task_sizes(ledger, 100) == {"mood": 5 + stray}
    assert views.task_sizes(ledger, 3) == {"mood": 3}
    verify(ledger)


def test_brought_exams_follow_retired_generations_too(ledger: Ledger) -> None:
    for exam in ("mood", "mood#2", "default", "default#2"):
        add(ledger, exam, 2)
    _append(ledger, ExamRetired(exam="mood#2", task="mood", reason="old"))
    _append(ledger, ExamRetired(exam="default", task="default", reason="old"))
    _append(ledger, renamed("default", "mood"))
    found = [(each.exam, bool(each.retired)) for each in views.exam_records(ledger)]
    assert found == [("mood", False), ("mood#2", True), ("mood#3", True), ("mood#4", False)]
    verify(ledger)


def test_names_follow_each_other_and_answers_follow_the_names(ledger: Ledger) -> None:
    given = LabelGiven(
        task="a", item="i", answer="label", label="x", offered=["x"], asked_by=digest("e")
    )
    _append(ledger, given, renamed("a", "b"), replace(given, label="y"), renamed("b", "c"))
    _append(ledger, replace(given, label="z"))
    assert views.renamed_tasks(ledger) == {"a": "c", "b": "c"}
    for name in ("a", "b", "c"):
        assert [each.label for each in views.answers(ledger, name)["i"]] == ["x", "y", "z"]
    _append(ledger, renamed("c", "a"))
    assert views.renamed_tasks(ledger) == {"b": "a", "c": "a"}
    assert len(views.answers(ledger, "a")["i"]) == 3
    verify(ledger)


def test_a_proposal_is_corrected_by_what_came_after_it_in_its_order(ledger: Ledger) -> None:
    proposal = {"mood": 1, "default": None, "tone": 2, "voice": 3}
    brought_tasks = frozenset({"default", "tone"})
    _append(ledger, renamed("mood", "before"))
    seq = ledger.head().seq
    _append(
        ledger,
        renamed("default", "new"),
        AnchorMoved(task="mood", from_=1, to=4, reason="x"),
        renamed("voice", "mood"),
        TaskRetired(task="tone", reason="x"),
    )
    corrected = views.corrected_anchors(ledger, proposal, brought_tasks, seq)
    assert corrected == {"mood": 4, "new": None, "tone": None}
    _append(ledger, TaskRetired(task="mood", reason="x"))
    corrected = views.corrected_anchors(ledger, proposal, brought_tasks, seq)
    assert corrected == {"new": None, "tone": None}
    assert views.corrected_anchors(ledger, proposal, brought_tasks, ledger.head().seq) == proposal


def test_a_retired_exam_holds_out_as_before(ledger: Ledger) -> None:
    add(ledger, "mood", 3)
    before = views.held_items(ledger)
    wall = views.wall(ledger)
    _append(ledger, ExamRetired(exam="mood", task="mood", reason="old"))
    assert views.held_items(ledger) == before and not views.held_items(ledger, "mood")
    assert views.held_among(ledger, [each.near for each in before]) == {e.near for e in before}
    assert views.wall(ledger) == wall
    assert not views.exams(ledger, 10) and not views.exam_sizes(ledger)
    assert not views.task_sizes(ledger, 10)
    assert not views.exam_tasks(ledger)
