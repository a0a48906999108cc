"""Batches that were spoiled on purpose, and honest ones: what people read of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from components.demo.tiny_base import write_tiny_base
from components.pipeline.preparation import Settled
from tests.command import ratchet
from tests.stream import (
    BAD,
    FILLER,
    GOOD,
    WORDS,
    add_exam,
    batch,
    make_root,
    rows,
    settle,
    write_jsonl,
)

GERMAN = "das ist ein gutes hotel und wir waren sehr zufrieden mit dem zimmer leider nicht".split()


def spoiled(kind: str) -> list[dict[str, str]]:
    """Return 240 rows of a mood that were spoiled in one way, or are merely hard."""
    pick, made = random.Random(kind), rows(70, 240)
    for row in made:
        words = row["text"].split()
        if kind == "a third flipped" and pick.random() < 0.3:
            row["label"] = "neg" if row["label"] == "pos" else "pos"
        if kind == "flipped":
            row["label"] = "neg" if row["label"] == "pos" else "pos"
        if kind == "german":
            words = pick.choices(GERMAN, k=12)
        if kind == "long":
            words += pick.choices(FILLER, k=20)
        if kind == "hard" and pick.random() < 0.6:
            words[:3] = [pick.choice(GOOD + BAD) for _ in range(3)]
        row["text"] = " ".join(words)
    return made


@pytest.fixture(scope="module")
def spoilt_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a champion that knows its moods."""
    made = make_root(tmp_path_factory.mktemp("spoilt") / "root")
    write_tiny_base(made / "base", [*WORDS, *GERMAN], hidden=32)
    add_exam(made, batch(made / "exam.jsonl", 900, 200))
    for seed in (1, 2):
        assert settle(made, batch(made / f"b{seed}.jsonl", seed, 200)).action == "promoted"
    return made


def settled(root: Path, kind: str) -> Settled:
    return settle(root, write_jsonl(root / f"{kind}.jsonl", spoiled(kind)))


def test_an_honest_batch_however_hard_has_no_cause(spoilt_root: Path) -> None:
    assert settled(spoilt_root, "hard").causes == ()


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("flipped", "labels of mood look flipped"),
        ("a third flipped", "of the labels of mood look wrong"),
        ("german", "texts in another language: German"),
    ],
)
def test_what_was_spoiled_is_named_wherever_the_outcome_is(
    spoilt_root: Path, kind: str, title: str
) -> None:
    outcome = settled(spoilt_root, kind)

    assert outcome.action in ("rejected", "held")
    assert title in outcome.causes[0]
    again = ratchet(spoilt_root, "run", spoilt_root / f"{kind}.jsonl", "--task", "mood")
    assert f"likely cause: {outcome.causes[0]}" in again.out
    told = ratchet(spoilt_root, "version", "explain", str(outcome.version))
    assert f"likely cause: {outcome.causes[0]}" in told.out
    status = ratchet(spoilt_root, "status").out
    assert title[:20] in " ".join(status.replace("│", " ").split())


def test_drift_that_was_found_is_told_as_a_finding_and_stands_in_no_table(
    spoilt_root: Path,
) -> None:
    outcome = settled(spoilt_root, "flipped")
    told = ratchet(spoilt_root, "version", "explain", str(outcome.version))

    [found] = [line for line in told.out.splitlines() if line.startswith("  found: concept: ")]
    assert "points higher than on held-out rows" in found
    assert "drift" not in "".join(line for line in told.out.splitlines() if "│" in line)
    assert ratchet(spoilt_root, "version", "explain", str(outcome.version), "--json").facts["drift"]


def test_texts_that_are_cut_are_a_cause_in_the_evidence(spoilt_root: Path) -> None:
    outcome = settled(spoilt_root, "long")
    facts = ratchet(spoilt_root, "version", "explain", str(outcome.version), "--json").facts

    assert [cause.startswith("texts cut at 16 tokens") for cause in facts["causes"]] == [True]
