"""The demo's stream: every sentence has one place, and nobody sees the labels of a pool."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from components.demo.fetch import DOMAINS
from components.demo.stream import Rated, Scene, Stream, make_stream, write_scene
from components.identity import PLAIN

ITEMS = 12_000


def ratings() -> dict[str, list[Rated]]:
    """Return made-up sentences of each domain, rated evenly from -4 to 4."""
    draw = random.Random(0)
    return {
        name: [(str(n), draw.uniform(-4, 4), f"{name} sentence {n}") for n in range(ITEMS)]
        for name in DOMAINS
    }


@pytest.fixture(scope="module")
def stream() -> Stream:
    return make_stream(ratings(), seed=0)


def named(stream: Stream, name: str) -> Scene:
    (found,) = [scene for scene in stream.scenes if scene.name == name]
    return found


def test_no_sentence_stands_on_two_sides(stream: Stream) -> None:
    """Apart from the copies among the broken rows, and the pool's inputs, which are asked."""
    places: dict[str, set[str]] = {}
    for scene in stream.scenes:
        for row in scene.rows:
            if scene.kind != "label" and row["text"] and row["label" if "label" in row else "text"]:
                places.setdefault(PLAIN.near(row["text"]), set()).add(scene.name)
    assert Counter(map(len, places.values())).keys() == {1}


def test_a_pools_file_has_no_labels_and_every_input_has_an_answer(
    stream: Stream, tmp_path: Path
) -> None:
    pool = next(scene for scene in stream.scenes if scene.kind == "pool")
    answers = next(scene for scene in stream.scenes if scene.kind == "label")
    written = [json.loads(line) for line in write_scene(tmp_path, pool).read_text().splitlines()]
    assert {tuple(row) for row in written} == {("text",)}
    assert [row["text"] for row in written] == [row["text"] for row in answers.rows]
    assert {row["label"] for row in answers.rows} == {"negative", "neutral", "positive"}


def test_only_later_items_can_show_what_the_backlog_does(stream: Stream) -> None:
    """No neutral sentence is in the backlog nor in an exam that is there when it comes."""
    at = [scene.name for scene in stream.scenes].index("films-backlog")
    exams = [scene for scene in stream.scenes[:at] if scene.kind == "holdout"]
    for scene in (*exams, named(stream, "films-backlog")):
        assert "neutral" not in {row["label"] for row in scene.rows}
    fresh = Counter(row["label"] for row in named(stream, "tweets-fresh").rows)
    assert fresh["neutral"] == len(named(stream, "tweets-fresh").rows) // 2


def test_the_same_seed_deals_the_same_stream(stream: Stream) -> None:
    assert make_stream(ratings(), seed=0) == stream
    assert make_stream(ratings(), seed=1) != stream
