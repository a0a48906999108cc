"""The demo's stream: every sentence has one place, and nobody sees the labels of a pool."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.demo.fetch import DOMAINS
from components.demo.stream import Rated, Scene, Stream, make_stream, write_scene
from components.identity import PLAIN

ITEMS = 12_000


def ratings() -> dict[str, Sequence[Rated]]:
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
    """Apart from the broken rows, copies among them, and the answers to the pool's inputs."""
    sides: dict[str, set[str]] = {}
    for scene in stream.scenes:
        for row in scene.rows:
            if scene.kind != "label" and row["text"]:
                sides.setdefault(PLAIN.near(row["text"]), set()).add(scene.name)
    assert max(map(len, sides.values())) == 1


def test_a_pools_file_has_no_labels_and_every_input_has_an_answer(
    stream: Stream, tmp_path: Path
) -> None:
    pool = next(scene for scene in stream.scenes if scene.kind == "pool")
    answers = next(scene for scene in stream.scenes if scene.kind == "label")
    written = [json.loads(line) for line in write_scene(tmp_path, pool).read_text().splitlines()]
    assert {tuple(row) for row in written} == {("text",)}
    assert [row["text"] for row in written] == [row["text"] for row in answers.rows]
    assert {row["label"] for row in answers.rows} == {"negative", "positive"}


def test_only_later_items_can_show_what_the_backlog_does(stream: Stream) -> None:
    """No neutral sentence is in the backlog, nor in an exam or a pool that is there by then."""
    at = [scene.name for scene in stream.scenes].index("films-1")
    there = [scene for scene in stream.scenes[:at] if scene.kind in ("holdout", "label")]
    for scene in (*there, named(stream, "films-1")):
        assert {row["label"] for row in scene.rows} == {"negative", "positive"}
    assert {row["label"] for row in named(stream, "tweets-fresh").rows} == {"neutral"}


def test_the_same_seed_deals_the_same_stream(stream: Stream) -> None:
    assert make_stream(ratings(), seed=0) == stream
    assert make_stream(ratings(), seed=1) != stream
