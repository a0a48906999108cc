"""Validation: which rows may be used, whether the batch may, and in which words."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.contract import stem
from components.data.expectations import Expectation, run_checks
from components.data.readers import Problem, Reading, Row
from components.data.validation import Validation, validate
from components.digest import canonical_json
from components.errors import DataRejected
from components.identity import PLAIN
from components.settings import DataSettings

ROOT = Path(__file__).parents[2]
KNOWN: frozenset[str] = frozenset()
LOOSE = {"min_rows": 1, "min_labels": 1, "max_bad_share": 1.0}


def reading(rows: Sequence[dict[str, Any]], broken: int = 0) -> Reading:
    """Return what the readers would make of these rows and `broken` unreadable lines."""
    found = []
    for place, raw in enumerate(rows, start=1):
        text, label, task = raw.get("text"), raw.get("label"), raw.get("task")
        task = task if isinstance(task, str) else "default"
        found.append(Row(place, PLAIN.item(text, label), text, label, task, raw))
    problems = tuple(
        Problem(len(rows) + i, f"{i:064x}", "not JSON: cut short", "{")
        for i in range(1, broken + 1)
    )
    digests = [part.digest for part in found] + [part.digest for part in problems]
    return Reading(PLAIN.batch(digests), tuple(found), problems, ("text", "label"))


def check(rows: Sequence[dict[str, Any]], broken: int = 0, **contract: Any) -> Validation:
    return validate(reading(rows, broken), DataSettings(**{**LOOSE, **contract}), KNOWN)


def reasons(checked: Validation) -> dict[int, tuple[str, ...]]:
    return {row.place: row.reasons for row in checked.rejected}


def row(text: Any, label: Any = "pos", **more: Any) -> dict[str, Any]:
    return {"text": text, "label": label, **more}


GOOD = [row(f"message number {i}", ("pos", "neg")[i % 2]) for i in range(40)]


@pytest.mark.parametrize("characters", [1, 500, 2000])
def test_portions_of_rows_come_to_what_the_whole_comes_to(
    monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    rows = [*GOOD, *(bad for bad, _ in BAD_ROWS), *GOOD[:3]]
    whole = check(rows, broken=1)
    monkeypatch.setattr("components.data.validation.PORTION_CHARS", characters)
    assert check(rows, broken=1) == whole


def test_a_sound_batch_is_accepted_whole_and_sorted_by_digest() -> None:
    checked = validate(reading(GOOD), DataSettings(), KNOWN)
    assert checked.refused is None
    assert checked.rejected == ()
    digests = [item.digest for item in checked.accepted]
    assert digests == sorted(row.digest for row in reading(GOOD).rows)
    assert all(found["success"] for found in checked.checks)


BAD_ROWS: list[tuple[dict[str, Any], list[str]]] = [
    (row(None), ["missing text"]),
    ({"label": "pos"}, ["missing text"]),
    (row(""), ["missing text"]),
    (row(" \t\u3000"), ["missing text"]),
    (row("fine", None), ["missing label"]),
    (row("fine", " "), ["missing label"]),
    (row(5), ["text is not a string"]),
    (row(True), ["text is not a string"]),
    (row(["a"]), ["text is not a string"]),
    (row("fine", 1), ["label is not a string"]),
    (row("fine", {"name": "pos"}), ["label is not a string"]),
    (row("fine", task=7), ["task is not a string"]),
    (row("fine", "maybe"), ["unknown label 'maybe'"]),
    (row("fine", "Pos"), ["unknown label 'Pos'"]),
    (row("a nul \x00 here"), ["control characters"]),
    (row("escape \x1b[31m"), ["control characters"]),
    (row("half a pair \ud83d"), ["control characters"]),
    (row("fine", task="ma\nil"), ["control characters in task"]),
    (row("ab"), ["text too short"]),
    (row("x" * 101), ["text too long"]),
    (row("!!! ___ :) ──→"), ["no letters, digits or emoji"]),
    (row(None, None), ["missing text", "missing label"]),
    (row("\x01", 3), ["label is not a string", "control characters", "text too short",
                      "no letters, digits or emoji"]),
]  # fmt: skip


def test_a_bad_row_is_rejected_with_every_reason_and_its_values() -> None:
    bad = [row for row, _ in BAD_ROWS]
    limits = {"labels": ["pos", "neg"], "min_text_chars": 3, "max_text_chars": 100}
    checked = check([*bad, *GOOD], **limits)
    assert reasons(checked) == {
        place: tuple(expected) for place, (_, expected) in enumerate(BAD_ROWS, start=1)
    }
    assert [row.raw for row in checked.rejected] == bad
    assert [row.digest for row in checked.rejected] == [
        PLAIN.item(raw.get("text"), raw.get("label")) for raw in bad
    ]
    assert len(checked.accepted) == 40


def test_text_in_any_script_is_accepted() -> None:
    texts = ["你好", "ก็ดี", "مرحبا", "Ça va", "x\ty\r\nz", "№ 5", "e\u0301t\u00e9", "हिन्दी", "👍 ok"]
    assert check([row(text) for text in texts]).rejected == ()


def test_a_text_of_emoji_alone_is_a_text() -> None:
    texts = ["👍", "👎", "↩️💰!", "❤️", "☹", "⏰", "🇬🇧", "1️⃣", "⭐ ⭐"]
    assert check([row(text) for text in texts]).rejected == ()


def test_any_label_is_legal_where_labels_are_open() -> None:
    assert check([row("fine", "brand new")]).rejected == ()


def test_labels_unknown_to_the_champion_are_noted_but_not_rejected() -> None:
    checked = validate(reading(GOOD), DataSettings(), frozenset({"pos"}))
    [found] = [found for found in checked.checks if found["check"] == "new labels"]
    assert (found["severity"], found["success"], found["flagged"]) == ("info", False, 20)
    assert checked.refused is None
    assert checked.rejected == ()


def test_of_exact_copies_the_first_stays() -> None:
    checked = check([row("other"), row("same"), row("same"), row("same")])
    assert reasons(checked) == {3: ("duplicate of line 2",), 4: ("duplicate of line 2",)}
    assert len(checked.accepted) == 2


def test_of_near_copies_one_stays_whatever_the_order() -> None:
    rows = [row("Good day!"), row("good  day!"), row("GOOD\u00ad DAY!")]
    first, second = check(rows), check(rows[::-1])
    assert first.accepted == second.accepted
    assert len(first.accepted) == 1
    assert {found[0].split(" of ")[0] for found in reasons(first).values()} == {"duplicate"}


def test_one_text_with_two_labels_is_rejected_every_time() -> None:
    rows = [row("Good day", "pos"), row("good  day", "neg"), row("good day", "pos"), row("other")]
    conflict = ("same text with another label",)
    assert reasons(check(rows)) == {1: conflict, 2: conflict, 3: conflict}


OPPOSITES = [("I love it :)", "I love it :("), ("5 > 3", "5 < 3"), ("-5%", "+5%"), ("👍", "👎"),
             ("C++", "C#"), ("It works!", "It works?"), ("my boss 👍", "my boss 👎")]  # fmt: skip


@pytest.mark.parametrize("pair", OPPOSITES)
def test_texts_that_differ_in_a_sign_are_neither_copies_nor_conflicts(pair: Any) -> None:
    assert check([row(pair[0], "pos"), row(pair[1], "neg")]).rejected == ()
    assert check([row(pair[0]), row(pair[1])]).rejected == ()


def test_a_row_that_is_broken_anyway_takes_no_sound_row_along() -> None:
    rows = [row("good day", "maybe"), row("good day", "pos"), row("good day", "pos", task=5)]
    assert set(reasons(check(rows, labels=["pos", "neg"]))) == {1, 3}


def test_composed_and_decomposed_letters_are_one_item_and_one_label() -> None:
    label = "caf\u00e9"
    rows = [row("one", label), row("two", unicodedata.normalize("NFD", label))]
    checked = check(rows, labels=[label, "tea"])
    assert {item.label for item in checked.accepted} == {label}
    for item in checked.accepted:
        assert item.digest == PLAIN.item(item.text, item.label)


def test_unreadable_lines_are_rejected_rows_with_their_text() -> None:
    checked = check(GOOD, broken=2)
    assert reasons(checked) == {41: ("not JSON: cut short",), 42: ("not JSON: cut short",)}
    assert checked.rejected[0].raw == "{"


def test_a_refusal_names_the_most_common_fault_with_an_example() -> None:
    bad = [row(None), *(row(f"text {i}", f"odd {i}") for i in range(3))]
    refused = check(bad, labels=["pos", "neg"], max_bad_share=0.1).refused
    assert refused is not None
    assert refused.endswith("Most often (3 of 4 broken rows): unknown label 'odd 0'.")


def test_too_few_usable_rows_refuse_the_batch() -> None:
    assert check(GOOD, min_rows=40).refused is None
    refused = check([*GOOD, row(None)], min_rows=41).refused
    assert refused == (
        "40 of 41 rows are usable, but data.min_rows is 41. "
        "Most often (1 of 1 broken rows): missing text."
    )


def test_the_largest_legal_share_of_broken_rows_is_legal() -> None:
    bad = [row(i) for i in range(10)]
    assert check([*GOOD, *bad], max_bad_share=0.2).refused is None
    refused = check([*GOOD, *bad], broken=1, max_bad_share=0.2).refused
    assert refused is not None
    assert refused.startswith("11 of 51 rows are broken, but data.max_bad_share is")


def test_copies_are_rejected_but_are_not_broken_rows() -> None:
    checked = check(GOOD * 3, max_bad_share=0.0)
    assert (checked.refused, len(checked.rejected)) == (None, 80)


def test_one_class_only_refuses_the_batch_even_if_the_champion_knows_more() -> None:
    rows = [row(f"message number {i}", "pos") for i in range(40)]
    checked = validate(reading(rows), DataSettings(), frozenset({"pos", "neg"}))
    assert checked.refused == (
        "The labels of all usable rows: 'pos'; data.min_labels requires 2 different ones."
    )


@pytest.mark.parametrize("rows", [[], [row(None, None)] * 30, [row(1, 2), row([], {})]])
def test_a_batch_without_one_usable_row_is_refused_and_not_crashed_on(rows: Any) -> None:
    checked = check(rows, broken=3, min_rows=20, max_bad_share=0.2)
    assert checked.refused is not None
    assert checked.refused.startswith("0 of ")
    assert len(checked.rejected) == len(rows) + 3


ANY_ROW = st.fixed_dictionaries(
    {
        "text": st.one_of(st.none(), st.integers(), st.sampled_from(["Hi", "hi!", "yo", "\ud800"])),
        "label": st.sampled_from(["a", "b", None, ""]),
        "land": st.sampled_from(["de", "fr", None, 3]),
    }
)


@settings(max_examples=10, deadline=None)
@given(rows=st.lists(ANY_ROW, min_size=1, max_size=12), seed=st.integers(0, 9))
def test_every_row_is_accepted_or_rejected_and_the_order_never_counts(
    rows: list[dict[str, Any]], seed: int
) -> None:
    checked = check(rows, slice_columns=["land"])
    assert len(checked.accepted) + len(checked.rejected) == len(rows)
    assert len({item.near for item in checked.accepted}) == len(checked.accepted)
    shuffled = random.Random(seed).sample(rows, len(rows))
    again = check(shuffled, slice_columns=["land"])
    assert (again.accepted, again.checks, again.refused) == (
        checked.accepted,
        checked.checks,
        checked.refused,
    )


def test_of_exact_copies_the_first_slices_stay_whatever_the_order() -> None:
    copies = [row("hello", land=land) for land in ("fr", "de", None)]
    for ordered in (copies, copies[::-1], copies[1:] + copies[:1]):
        [item] = check(ordered, slice_columns=["land"]).accepted
        assert item.slices == ()
    [item] = check(copies[:2], slice_columns=["land"]).accepted
    assert item.slices == (("land", "de"),)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("de", (("land", "de"),)),
        ("cafe\u0301 \n x\u202e\ud800", (("land", "caf\xe9 x"),)),
        (3, (("land", "3"),)),
        (["a", 1], (("land", '["a",1]'),)),
        (None, ()),
        (" ", ()),
    ],
)
def test_a_column_named_for_slices_is_kept_as_one_printable_line(value: Any, kept: Any) -> None:
    [item] = check([row("hello", land=value)], slice_columns=["land"]).accepted
    assert item.slices == kept
    [bare] = check([row("hello", land=value)]).accepted
    assert bare.slices == () and bare.digest == item.digest


def test_checks_are_plain_json_with_the_same_bytes_in_a_fresh_process() -> None:
    code = (
        "import sys; sys.path[:0] = ['tests/data', '.'];"
        "from test_validation import *;"
        "print(canonical_json(check([*GOOD, row(None), row('...')], broken=1).checks))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    here = canonical_json(check([*GOOD, row(None), row("...")], broken=1).checks)
    assert done.stdout.strip() == here
    assert done.stderr == ""
    flagged = {found["check"]: found["flagged"] for found in json.loads(here)}
    assert (flagged["missing text"], flagged["no letters, digits or emoji"]) == (1, 1)


def test_threads_validate_their_own_batches() -> None:
    def bad_rows(count: int) -> int:
        return len(check([*GOOD, *([row(None)] * count)]).rejected)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(bad_rows, range(12))) == list(range(12))


def test_a_check_that_cannot_be_computed_never_passes() -> None:
    broken = Expectation(
        "no such column", "expect_column_values_to_not_be_null", {"column": "gone"}
    )
    with pytest.raises(DataRejected, match="'no such column'"):
        run_checks({"text": ["a"]}, [broken])


def test_great_expectations_loads_only_where_a_batch_is_checked() -> None:
    code = (
        "import sys, components.data.readers, components.data.validation, components.data.split,"
        "components.data.quarantine, components.data.versioning;"
        "heavy = {'great_expectations', 'pandas', 'dvc', 'pyarrow', 'numpy'} & set(sys.modules);"
        "sys.exit(' '.join(heavy) or None)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("task", ["mood#2", "#", "zero\u200bwidth", "right\u202eto left"])
def test_a_task_that_would_pass_for_another_exam_is_rejected(task: str) -> None:
    checked = check([*GOOD, row("one more", task=task)])
    [why] = [rejected.reasons for rejected in checked.rejected]
    assert why == ("a task's name can't hold # or what is not printable",)
    assert len(checked.accepted) == len(GOOD)


def test_a_task_outside_the_closed_list_is_rejected_by_name() -> None:
    rows = [*GOOD, row("one more", task="modo"), row("the last", task="caf\u0065\u0301")]
    checked = check(rows, tasks=["default", "caf\u00e9"])
    assert reasons(checked) == {len(GOOD) + 1: ("unknown task 'modo'",)}


def test_the_words_for_unknown_tasks_are_counted_together() -> None:
    rows = [*GOOD, *(row(f"another {i}", task=f"slip {i}") for i in range(60))]
    assert "(60 of 60 broken rows): unknown task 'slip 0'" in str(
        check(rows, tasks=["default"], max_bad_share=0.2).refused
    )


@pytest.mark.parametrize("tasks", [["a", "a"], ["a#2"], ["\u200b"], []])
def test_a_closed_list_of_tasks_holds_usable_names_once(tasks: list[str]) -> None:
    with pytest.raises(ValueError, match="tasks"):
        DataSettings(tasks=tasks)


def test_copies_are_counted_as_duplicates_and_earlier_entries_keep_their_summary() -> None:
    assert stem("duplicate of line 12") == "duplicate"
    assert stem("duplicate of row 12") == "duplicate of row"
