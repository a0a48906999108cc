"""The names of exams: whose an exam is, which one is newest, what no task may be called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.exam_names import (
    generation,
    is_usable_task,
    newest_exam,
    next_exam,
    with_generation,
)


def test_generations_are_counted_from_one_and_never_by_the_alphabet() -> None:
    names = ["mood#2", "mood#10", "mood", "mood#9"]
    assert [generation(name) for name in names] == [2, 10, 1, 9]
    assert newest_exam("mood", names) == "mood#10"
    assert newest_exam("mood", []) == "mood"


def test_a_generation_is_found_by_its_number() -> None:
    names = [with_generation("mood", number) for number in (1, 2, 10)]
    assert names == ["mood", "mood#2", "mood#10"]
    assert [generation(name) for name in names] == [1, 2, 10]


@given(st.text(min_size=1).filter(is_usable_task), st.integers(1, 200))
def test_a_task_that_may_have_its_name_never_reads_as_an_exam(task: str, count: int) -> None:
    names = [task]
    for _ in range(count % 12):
        names.append(next_exam(task, newest_exam(task, names)))
    assert [generation(name) for name in names] == list(range(1, len(names) + 1))
    assert not any(is_usable_task(name) for name in names[1:])


@pytest.mark.parametrize("name", ["", "  ", "mood#2", "#", "two\nlines", "zero\u200bwidth"])
def test_a_name_that_could_be_an_exams_or_cannot_be_read_is_no_tasks(name: str) -> None:
    assert not is_usable_task(name)
    assert is_usable_task("café noir")
