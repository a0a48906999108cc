"""The checks beyond forgetting in a whole root: what they look at, and what they change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.cli.main import cli
from components.errors import ConfigError
from components.items import make_item
from components.ledger import views
from components.model.bundle import open_bundle
from components.operations.explanation import explain
from components.operations.planning import decide_again
from components.pipeline import extra_checks
from components.pipeline.preparation import Settled
from components.training.memory import remembered
from components.workspace.batch_files import items_path
from components.workspace.item_library import Library
from components.workspace.root import Workspace, open_workspace
from tests.stream import PARAMS, add_exam, batch, make_root, rows, settle, write_jsonl

REPOSITORY = Path(__file__).parents[2]
CASES = [
    {"text": "good fine nice", "label": "pos", "note": "the board's favourite"},
    {"text": "bad awful poor", "label": "neg", "task": "mood"},
    {"text": "ugly ugly sad", "label": "pos", "note": "never right so far"},
]


def set_params(root: Path, checks: str, data: str = "min_rows: 10") -> None:
    params = PARAMS.replace("min_rows: 10", data)
    (root / "params.yaml").write_text(f"{params}\ngate: {{checks: {{{checks}}}}}\n")


def verdicts(ws: Workspace, settled: Settled, check: str) -> list[dict[str, Any]]:
    assert settled.version is not None
    return [v for v in explain(ws, settled.version)["verdicts"] if v["check"] == check]


def evidence(ws: Workspace, settled: Settled) -> dict[str, Any]:
    assert settled.version is not None
    version = views.version(ws.ledger, settled.version)
    assert version is not None
    return dict(ws.read_document(version.evidence))


def test_every_check_is_told_replayed_and_what_the_schema_says(grown: Path) -> None:
    from jsonschema import Draft202012Validator

    write_jsonl(grown / "cases.jsonl", CASES)
    set_params(
        grown,
        "floors: {percent: {mood: 60}}, behaviour: {file: cases.jsonl}, "
        "size: {max_megabytes: 5}, latency: {policy: note, max_ratio: 50}",
        "min_rows: 10, slice_columns: [land]",
    )
    told = [{**row, "land": "de"} for row in rows(3)]
    settled = settle(grown, write_jsonl(grown / "b3.jsonl", told))
    ws = open_workspace(grown)
    assert settled.action == "promoted", settled.headline
    schema = json.loads((REPOSITORY / "docs/evidence.schema.json").read_text(encoding="utf-8"))
    document = evidence(ws, settled)
    Draft202012Validator(schema).validate(document)
    assert decide_again(ws, 3)["action"] == "promote"
    checks = {v["check"] for v in document["decision"]["verdicts"]}
    assert checks >= {
        "floors", "classes", "slices", "negative_flips", "calibration", "behaviour", "size",
        "latency",
    }  # fmt: skip
    assert [exam["exam"] for exam in document["exams"]] == ["mood", "mood#batches"]
    for exam in document["exams"]:
        assert exam["labels"]["values"] == ["neg", "pos"]
        assert {len(each) for each in exam["scores"]["candidate"].values()} == {exam["n"]}
    assert len(document["timing"]["champion"]) == extra_checks.TIMED_TEXTS
    assert 0 < document["adapter_bytes"] < 5e6


def test_no_more_is_kept_than_the_settings_ask_for(grown: Path) -> None:
    set_params(grown, "classes: {policy: ignore}, calibration: {policy: ignore}")
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    document = evidence(open_workspace(grown), settled)
    assert [exam["exam"] for exam in document["exams"]] == ["mood", "mood#batches"]
    for exam in document["exams"]:
        assert (exam["labels"], exam["slices"]) == (None, {})
        assert exam["scores"] == {"champion": {}, "candidate": {}}
    assert (document["cases"], document["adapter_bytes"], document["timing"]) == (None, None, None)


def test_slices_come_from_the_batch_and_reach_the_verdict(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    set_params(root, "slices: {min_items: 5}", "min_rows: 10, slice_columns: [land]")
    lands = ["de", "fr", None]
    told = [{**row, "land": lands[place % 3]} for place, row in enumerate(rows(900, 200))]
    add_exam(root, write_jsonl(root / "exam.jsonl", told))
    first, second = (settle(root, batch(root / f"b{seed}.jsonl", seed)) for seed in (1, 2))
    ws = open_workspace(root)
    assert second.action == "promoted", second.headline
    assert {v["group"] for v in verdicts(ws, second, "slices")} == {
        "land de", "land fr", "land (none)",
    }  # fmt: skip
    assert b"slices" not in items_path(ws, first.batch).read_bytes()
    held = Library(ws).held(views.held_items(ws.ledger))
    assert {item.slices for item in held.values()} == {
        (("land", "de"),), (("land", "fr"),), (),
    }  # fmt: skip


def test_cases_that_are_kept_pass_and_one_never_right_is_noted(grown: Path) -> None:
    write_jsonl(grown / "cases.jsonl", CASES)
    set_params(grown, "behaviour: {file: cases.jsonl}")
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    assert settled.action == "promoted", settled.headline
    kept, noted = verdicts(open_workspace(grown), settled, "behaviour")
    assert (kept["outcome"], kept["n"]) == ("PASS", 2)
    assert noted["consequence"] == "note" and "line 3 (never right so far)" in noted["sentence"]


def test_a_broken_case_rejects_by_its_line_and_reason(grown: Path) -> None:
    told = [{**row, "note": f"reason {place}"} for place, row in enumerate(rows(77, 60), 1)]
    write_jsonl(grown / "cases.jsonl", told)
    set_params(grown, "behaviour: {file: cases.jsonl}")
    settled = settle(grown, batch(grown / "poison.jsonl", 4, flip=True))
    ws = open_workspace(grown)
    [verdict, *_] = verdicts(ws, settled, "behaviour")
    assert settled.action == "rejected" and verdict["outcome"] == "FAIL"
    cases = evidence(ws, settled)["cases"]["cases"]
    broken = [case["line"] for case in cases if case["champion"] and not case["candidate"]]
    assert f"broken: line {broken[0]} (reason {broken[0]})" in verdict["sentence"]
    assert verdict["right_to_wrong"] == len(broken)


def test_the_text_of_a_case_enters_neither_training_nor_a_holdout(grown: Path) -> None:
    fresh = [make_item(f"good lovely table {word}", "pos", "mood") for word in "alpha beta".split()]
    write_jsonl(grown / "cases.jsonl", [{"text": each.text, "label": "pos"} for each in fresh])
    set_params(grown, "behaviour: {file: cases.jsonl}")
    near = [make_item(f"  {each.text.upper()}!", "pos", "mood") for each in fresh]
    told = [*rows(3), *({"text": each.text, "label": "pos"} for each in near)]
    settled = settle(grown, write_jsonl(grown / "b3.jsonl", told))
    assert settled.action == "promoted", settled.headline
    ws = open_workspace(grown)
    sides = [views.split_side(ws.ledger, settled.batch, side) for side in ("train", "holdout")]
    assert all(sides) and {each.digest for each in near}.isdisjoint([*sides[0], *sides[1]])


def test_what_became_a_case_is_not_replayed_any_more(grown: Path) -> None:
    ws = open_workspace(grown)
    champion = views.champion(ws.ledger)
    assert champion is not None
    replayed = Library(ws).remembered(remembered(open_bundle(ws.bundles, champion.bundle)))
    unique = {item.near: item for item in replayed}.values()
    told = [{"text": item.text, "label": item.label} for item in unique]
    write_jsonl(grown / "cases.jsonl", told)
    set_params(grown, "behaviour: {file: cases.jsonl}")
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    version = views.version(ws.ledger, settled.version or 0)
    assert version is not None
    assert not open_bundle(ws.bundles, version.bundle).state["trained"]["replayed"]


def test_cases_that_can_not_be_read_stop_the_run_and_the_batch_stays_queued(grown: Path) -> None:
    set_params(grown, "behaviour: {file: absent.jsonl}")
    with pytest.raises(ConfigError, match=r"absent\.jsonl"):
        settle(grown, batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    assert len(views.waiting(ws.ledger)) == 1 and len(views.versions(ws.ledger)) == 2


def test_an_adapter_beyond_the_limit_is_rejected(grown: Path) -> None:
    set_params(grown, "size: {max_megabytes: 0.001}")
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    assert settled.action == "rejected" and "above the limit of 0.001 MB" in settled.headline


def test_times_are_measured_once_for_two_bundles(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(grown, "latency: {policy: note}")
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    measured = evidence(ws, settled)["timing"]
    assert min(*measured["champion"], *measured["candidate"]) > 0
    monkeypatch.setattr(extra_checks, "_measure", None)
    parent, made = (views.version(ws.ledger, number) for number in (2, 3))
    assert parent is not None and made is not None
    bundles = [open_bundle(ws.bundles, version.bundle) for version in (made, parent)]
    assert extra_checks._timing(ws, *bundles, []).champion == measured["champion"]


def test_explain_counts_the_labels_that_passed(
    grown: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(grown, batch(grown / "b3.jsonl", 3))
    with pytest.raises(SystemExit) as ended:
        cli.main(["--root", str(grown), "version", "explain", "3", "--full"], prog_name="ratchet")
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "2 more labels and slices passed" in said and "label pos" not in said
