"""What is dealt to a real stream, and how its runs are summed up."""

from __future__ import annotations

import random
from typing import Any

from components.identity import PLAIN
from tests.gatebench import dealt
from tests.gatebench.streams import SPOILT, flipped, one_class, renamed, section

ROWS = [
    (f"{word} number {number}", label)
    for label, word in (("a", "apple"), ("b", "bear"), ("c", "cat"), ("d", "dog"))
    for number in range(900)
]


def test_every_text_is_dealt_once_and_new_classes_come_in_every_step() -> None:
    deck = dealt._Deck(random.Random(0))
    stream = dealt._by_class(deck, "t", ROWS, [("a test", "a"), ("APPLE number 7!", "a")], 2)
    first, second = stream.steps
    assert {label for _, label in first.rows}.isdisjoint({label for _, label in second.rows})
    assert first.labels == {label for _, label in first.rows}
    assert (len(first.rows), len(second.rows), len(first.pool)) == (400, 400, 1000)
    parts = [step.rows for step in stream.steps] + [step.pool for step in stream.steps]
    parts += [stream.spoilt.rows, stream.test["t"]]
    near = [PLAIN.near(text) for rows in parts for text, _ in rows]
    assert len(near) == len(set(near))
    assert stream.truth()["t", PLAIN.near(second.pool[0][0])] == second.pool[0][1]


def test_rows_are_spoilt_as_described() -> None:
    rows, draw = ROWS[:1800], random.Random(0)
    turned = sum(old != new for old, new in zip(rows, flipped(rows, draw), strict=True))
    assert turned == 720
    assert {label for _, label in renamed(rows, draw)} in ({"a-new", "b"}, {"a", "b-new"})
    assert len({label for _, label in one_class(rows, draw)}) == 1


def _batch(action: str, asked: int) -> dict[str, Any]:
    blocked = [] if action == "promoted" else [{"check": "learned", "outcome": "INCONCLUSIVE"}]
    looks = [{"blocked": blocked}]
    return {"action": action, "asked": {"t": asked}, "looks": looks, "seconds": 1.0}


def test_the_sum_says_how_many_were_promoted_and_what_the_gate_cost() -> None:
    batches = [_batch("promoted", 0), _batch("promoted", 30), _batch("held", 10)]
    run = {
        "gated": {"batches": batches, "accuracy": {"t": 80.0}},
        "ungated": {"batches": batches, "accuracy": {"t": 80.5}},
        "spoilt": {what: _batch("held", 5) for what in SPOILT},
    }
    found = section({"clinc150": [run]})
    promoted, less, let_in = found.checks
    assert round(promoted.value) == 67 and not promoted.met
    assert (less.value, let_in.value) == (0.5, 0)
    assert "| clinc150 | 1 | 3 | 67 % / 33 % / 0 % | 13, 10, 30 |" in found.text
    assert "| clinc150 | learned INCONCLUSIVE | 1 |" in found.text
    assert "`newsgroups` was left out" in found.text
