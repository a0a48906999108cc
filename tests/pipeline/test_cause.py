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
from components.ledger import views
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
    for place, row in enumerate(made):
        words = row["text"].split()
        if kind == "flipped, two in five german" and place % 5 > 2:
            row["text"] = " ".join(pick.choices(GERMAN, k=12))
            continue
        if kind == "a third flipped" and pick.random() < 0.3:
            row["label"] = "neg" if row["label"] == "pos" else "pos"
        if kind.startswith("flipped"):
            row["label"] = "neg" if row["label"] == "pos" else "pos"
        if kind == "german":
            words = pick.choices(GERMAN, k=12)
        if kind == "long":
            words += pick.choices(FILLER, k=20)
        if kind == "an eighth flipped" and place % 8 == 0:
            row["label"] = "neg" if row["label"] == "pos" else "pos"
        if kind == "hard" and pick.random() < 0.6:
            words[:3] = [pick.choice(GOOD + BAD) for _ in range(3)]
        row["text"] = " ".join(words)
    return made


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a champion that knows its moods; never changed."""
    made = make_root(tmp_path_factory.mktemp("moods") / "root")
    write_tiny_base(made / "base", [*WORDS, *GERMAN], hidden=32)
    add_exam(made, batch(made / "exam.jsonl", 900, 200))
    for seed in (1, 2):
        assert settle(made, batch(made / f"b{seed}.jsonl", seed, 200)).action == "promoted"
    return made


@pytest.fixture(scope="module")
def spoilt_root(moods: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, in which spoiled batches are settled."""
    return Path(shutil.copytree(moods, tmp_path_factory.mktemp("spoilt") / "root"))


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


def test_flipped_labels_are_named_among_texts_of_which_many_are_in_another_language(
    spoilt_root: Path,
) -> None:
    causes = settled(spoilt_root, "flipped, two in five german").causes

    [flipped] = [cause for cause in causes if cause.startswith("labels of mood look flipped")]
    [german] = [cause for cause in causes if cause.startswith("texts in another language: German")]
    assert "among texts like the earlier ones the champion answers" in flipped and german


def test_a_pool_names_the_cause_of_each_of_its_files(moods: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(moods, tmp_path / "root"))
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("pool_below: 0", "pool_below: 500"))
    first, pool = (
        settled(root, "a third flipped"),
        settle(root, write_jsonl(root / "de.jsonl", spoiled("german"))),
    )

    assert first.action == "held" and {*pool.pooled} == {"a third flipped.jsonl", "de.jsonl"}
    labels, language = pool.causes
    assert labels.startswith("a third flipped.jsonl: about ")
    assert language.startswith("de.jsonl: texts in another language: German: 100 % of them")
    told = " ".join(explained(root, pool.version)["next"])
    assert "quarantine export" in told and "a task of their own" in told


def test_a_promotion_says_that_labels_look_wrong_and_how_to_correct_them(
    moods: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(moods, tmp_path / "root"))
    before = open_workspace(root)
    file = write_jsonl(root / "eighth.jsonl", spoiled("an eighth flipped"))
    outcome = settle(root, file)
    [note] = outcome.causes
    assert outcome.action == "promoted" and note.startswith("about 1")
    again = ratchet(root, "run", file, "--task", "mood")
    assert again.code == 0 and "likely cause" not in again.out
    assert f"  note: {note}\n" in again.out
    assert f"  next: ratchet version explain {outcome.version}\n" in again.out

    told = explained(root, outcome.version)
    shown = ratchet(root, "version", "explain", str(outcome.version)).out
    assert "About its labels: about 1" in shown and "Likely cause" not in shown
    [rows] = told["rows"].values()
    assert all(row["text"] in shown and row["text"] in page(root, outcome.version) for row in rows)
    assert "About its labels: about 1" in page(root, outcome.version)
    batches = ratchet(root, "status", "--json").facts["inbox"]
    [known] = [each for each in batches if each["batch"] == outcome.batch]
    assert "labels of mood look wrong" in known["why"]
    parent = views.version(before.ledger, outcome.version or 0)
    assert parent is not None and f"`ratchet rollback --to {parent.parent} " in told["next"][0]

    gone = ratchet(root, "rollback", "--to", str(parent.parent), "--reason", "labels", "--yes")
    assert gone.code == 0, gone
    rows_csv = tmp_path / "rows.csv"
    sent = ratchet(root, "quarantine", "export", outcome.batch[:12], rows_csv, "--answers")
    assert sent.code == 0 and "240 rows" in sent.out
