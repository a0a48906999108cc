"""Batches that were spoiled on purpose, and honest ones: what people read of them."""

from __future__ import annotations

import json
import random
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from components.demo.tiny_base import write_tiny_base
from components.pipeline.preparation import Settled
from components.pipeline.reporting import FACTS
from components.workspace import item_library
from components.workspace.batch_files import items_path
from components.workspace.root import open_workspace
from tests.command import ratchet
from tests.report.test_batch_report import Page
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
    assert f"Likely cause: {outcome.causes[0]}" in told.out
    status = ratchet(spoilt_root, "status").out
    assert title[:20] in " ".join(status.replace("│", " ").split())


def test_drift_that_was_found_is_told_as_a_finding_and_stands_in_no_table(
    spoilt_root: Path,
) -> None:
    outcome = settled(spoilt_root, "flipped")
    told = ratchet(spoilt_root, "version", "explain", str(outcome.version), "--full")

    [found] = [line for line in told.out.splitlines() if line.startswith("  found: concept: ")]
    assert "points higher than on held-out rows" in found
    assert "drift" not in "".join(line for line in told.out.splitlines() if "│" in line)
    assert ratchet(spoilt_root, "version", "explain", str(outcome.version), "--json").facts["drift"]


def test_texts_that_are_cut_are_a_cause_in_the_evidence(spoilt_root: Path) -> None:
    outcome = settled(spoilt_root, "long")
    facts = ratchet(spoilt_root, "version", "explain", str(outcome.version), "--json").facts

    assert [cause.startswith("texts cut at 16 tokens") for cause in facts["causes"]] == [True]


def explained(root: Path, version: int | None) -> dict[str, Any]:
    facts: dict[str, Any] = ratchet(root, "version", "explain", str(version), "--json").facts
    return facts


def page(root: Path, version: int | None) -> str:
    return Page(Path(explained(root, version)["report"]).read_text(encoding="utf-8")).text


@pytest.mark.parametrize("kind", ["flipped", "a third flipped"])
def test_labels_that_look_wrong_are_shown_by_rows_of_the_batch(
    spoilt_root: Path, kind: str
) -> None:
    outcome = settled(spoilt_root, kind)
    rows = explained(spoilt_root, outcome.version)["rows"][outcome.causes[0]]

    sent = {(row["text"], row["label"]) for row in spoiled(kind)}
    assert len(rows) == 3 and {row["label"] for row in rows} == {"pos", "neg"}
    for row in rows:
        assert (row["text"], row["label"]) in sent
        assert row["champion"] != row["label"] and 0.5 < row["sure"] <= 1
        assert ratchet(spoilt_root, "item", row["item"][:12], "--json").code == 0
    told = ratchet(spoilt_root, "version", "explain", str(outcome.version)).out
    for said in (told, page(spoilt_root, outcome.version)):
        assert all(row["text"] in said for row in rows)
        assert f"ratchet item {rows[0]['item'][:12]}" in said
        assert f"the champion answers {rows[0]['champion']}" in said


def test_texts_in_another_language_are_shown(spoilt_root: Path) -> None:
    outcome = settled(spoilt_root, "german")
    rows = explained(spoilt_root, outcome.version)["rows"][outcome.causes[0]]

    assert len(rows) == 3 and all({*row["text"].split()} <= {*GERMAN} for row in rows)


def test_a_page_and_an_explanation_can_do_without_the_rows(
    spoilt_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = settled(spoilt_root, "flipped")
    root = Path(shutil.copytree(spoilt_root, tmp_path / "root"))
    items_path(open_workspace(root), outcome.batch).unlink()
    monkeypatch.setattr(item_library, "_FOUND", OrderedDict())
    facts = Path(explained(root, outcome.version)["report"]).with_suffix("") / FACTS
    kept = json.loads(facts.read_bytes())
    facts.write_text(json.dumps({name: kept[name] for name in kept.keys() - {"rows"}}))

    assert explained(root, outcome.version)["rows"] == {}
    assert ratchet(root, "report").code == 0
    assert "Likely cause: labels of mood look flipped" in page(root, outcome.version)


def test_what_to_do_follows_the_cause(spoilt_root: Path) -> None:
    flipped = explained(spoilt_root, settled(spoilt_root, "flipped").version)
    german = explained(spoilt_root, settled(spoilt_root, "german").version)

    for value, setting in ((flipped, False), (german, True)):
        [drift] = [v["sentence"] for v in value["verdicts"] if v["task"] == "concept"]
        assert "hold_points" not in drift, "what to do is told with the cause"
        told = " ".join([*value["reasons"], *value["settle"], *value["next"]])
        assert ("concept_hold_points" in told) == setting, told
    assert "quarantine export" in flipped["next"][0] and "--answers" in flipped["next"][0]
    assert german["next"][0].startswith("If these texts belong to the model, give them a task")


def test_a_check_that_was_made_on_wrong_labels_says_so(spoilt_root: Path) -> None:
    version = settled(spoilt_root, "flipped").version
    told = ratchet(spoilt_root, "version", "explain", str(version)).out
    honest = ratchet(spoilt_root, "version", "explain", "2", "--full").out

    assert "which look wrong: it counts for nothing" in told
    assert "which look wrong: it counts for nothing" in page(spoilt_root, version)
    assert "look wrong" not in honest


def test_an_explanation_answers_first_and_names_an_exam_in_one_way(spoilt_root: Path) -> None:
    version = str(settled(spoilt_root, "flipped").version)
    short, full = (
        ratchet(spoilt_root, "version", "explain", version, *more).out for more in ([], ["--full"])
    )

    assert short.startswith(f"Version {version} can't ship: it was rejected.\n")
    order = [short.index(word) for word in ("Why: ", "Likely cause: ", "What to do now:", "Checks")]
    assert order == sorted(order) and len(short.splitlines()) < 40
    assert "│" in full and "│" not in short and f"version explain {version} --full" in short
    assert "mood (rows of batches)" in short and "#batches" not in full
