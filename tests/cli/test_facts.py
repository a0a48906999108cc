"""What the command prints: facts for people and for programs, and codes for scripts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import pytest

from components.cli import main as entry
from components.ledger import views
from components.workspace.root import open_workspace
from tests.command import assert_one_paragraph, finish, ratchet, start
from tests.server import Server
from tests.stream import PARAMS, batch, make_root, rows


def commands() -> list[list[str]]:
    """Return every command, groups as well, by the words that call it."""
    ratchet(Path("."), "--version")
    found: list[list[str]] = []

    def walk(group: click.Group, words: list[str]) -> None:
        for name, command in group.commands.items():
            found.append([*words, name])
            if isinstance(command, click.Group):
                walk(command, [*words, name])

    walk(entry.cli, [])
    return found


def test_help_lists_every_command_in_whole_sentences_and_teaches_the_codes() -> None:
    ran = ratchet(Path("."), "--help")
    assert (ran.code, ran.err) == (0, "") and ran.out.startswith("Usage: ratchet ")
    for words in commands():
        assert words[0] in ran.out
    assert "..." not in ran.out.replace("[ARGS]...", "")
    assert "ratchet init" in ran.out and "3 waiting for a person" in " ".join(ran.out.split())


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_has_help_that_says_more_than_its_name(words: list[str]) -> None:
    ran = ratchet(Path("."), *words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: ratchet {' '.join(words)} ")
    said = ran.out.split("Options:")[0].split("\n\n", 1)[1]
    assert len(said.split()) >= 3 and said.strip().endswith(".")


@pytest.mark.parametrize(
    "words", [[], ["walk"], ["run"], ["rollback"], ["version", "explain", "x"], ["run", "--x"]]
)
def test_a_slip_on_the_command_line_ends_with_2_and_the_usage(words: list[str]) -> None:
    ran = ratchet(Path("."), *words)
    assert ran.code == 2 and "Usage: ratchet" in ran.err and "Traceback" not in ran.err


def test_a_fresh_root_shows_that_nothing_is_there_yet(tmp_path: Path) -> None:
    ran = ratchet(tmp_path, "init")
    assert ran.code == 0 and "params.yaml" in ran.out and "Next:" in ran.out
    assert "is already a root" in ratchet(tmp_path, "init").out
    for words, says in {
        ("status",): "no champion yet",
        ("history",): "Nothing has been promoted yet",
        ("quarantine", "list"): "Quarantine is empty",
        ("holdout", "list"): "There are no exams yet",
        ("reconcile",): "Nothing to repair",
        ("audit", "verify"): "Verified: events 1,",
    }.items():
        shown = ratchet(tmp_path, *words)
        assert (shown.code, shown.err) == (0, "") and says in shown.out
        assert ratchet(tmp_path, *words, "--json").facts is not None
    assert_one_paragraph(ratchet(tmp_path, "predict", "good"))
    assert ratchet(tmp_path, "predict", "good").code == 2
    assert ratchet(tmp_path, "rollback", "--reason", "x").code == 2
    assert "none yet" in ratchet(tmp_path, "version", "explain", "1").err


def keys(value: Any) -> set[str]:
    return set(value)


def test_json_has_these_shapes(grown: Path) -> None:
    status = ratchet(grown, "status", "--json").facts
    assert keys(status) == {
        "root", "model", "champion", "inbox", "exams", "chosen", "interrupted", "older", "left",
        "labels", "warnings", "settle", "awaited", "probation", "upkeep", "accuracy", "index",
    }  # fmt: skip
    assert status["champion"]["version"] == 2 and set(status["exams"]) == {"mood", "mood#batches"}
    assert keys(status["inbox"][0]) == {
        "batch", "position", "source", "task", "suffix", "status", "reason", "version",
        "arrived", "why", "next",
    }  # fmt: skip
    history = ratchet(grown, "history", "--json").facts
    assert history["champion"] == 2
    assert [keys(move) for move in history["moves"]] == [{"time", "version", "how", "reason"}] * 2
    explained = ratchet(grown, "version", "explain", "2", "--json").facts
    assert keys(explained) == {
        "version", "status", "parent", "origin", "batch", "source", "pooled", "headline", "reasons",
        "verdicts", "later", "anchors", "evidence", "bundle", "run", "report", "frozen",
        "settle", "causes", "doubts", "drift", "title", "why", "rows", "doubted", "warnings",
        "next",
    }  # fmt: skip
    asked = [v for v in explained["verdicts"] if v["check"] == "forgetting"]
    assert [(v["exam"], v["consequence"]) for v in asked] == [
        ("mood", "promote"), ("mood#batches", "note"),
    ]  # fmt: skip
    assert {
        "task", "exam", "outcome", "effect_points", "lower_points", "upper_points",
        "margin_points", "n", "right_to_wrong", "wrong_to_right", "detectable_points", "sentence",
    } <= keys(asked[0])  # fmt: skip
    [first, second] = ratchet(grown, "version", "list", "--json").facts
    assert keys(first) == {"version", "status", "parent", "batch", "headline"}
    assert (first["parent"], second["parent"]) == (None, 1)
    exams = ratchet(grown, "holdout", "list", "--json").facts
    assert [each["exam"] for each in exams] == ["mood", "mood#batches"]
    for exam in exams:
        assert keys(exam) == {"exam", "task", "items", "used", "blocking"} and exam["blocking"]
    audit = ratchet(grown, "audit", "verify", "--json").facts
    assert keys(audit) == {
        "deep", "head", "events", "documents", "bundles", "holds", "findings", "skipped",
        "unprovable",
    }  # fmt: skip
    assert len(audit["head"]) == 64 and audit["findings"] == []
    answered = ratchet(grown, "predict", "good fine", "--json").facts
    [answer] = answered["answers"]
    assert answered["version"] == 2 and answer["label"] == "pos"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_an_absent_version_names_the_ones_there_are(grown: Path) -> None:
    ran = ratchet(grown, "version", "explain", "9")
    assert ran.code == 2 and "Versions: 1, 2." in ran.err
    assert_one_paragraph(ran)


def test_predict_answers_arguments_or_lines_and_refuses_nothing_at_all(grown: Path) -> None:
    ran = ratchet(grown, "predict", "lovely nice table", "awful ugly chair")
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == ["pos", "neg"]
    piped = ratchet(grown, "predict", "--proba", stdin="lovely nice table\nawful sad\n")
    assert len(piped.out.splitlines()) == 2 and "pos " in piped.out.split("\t")[2]
    blank = ratchet(grown, "predict", stdin="lovely nice table\n\nawful sad\n")
    assert (blank.code, blank.out.split("\n")[1]) == (1, "no text\t")
    assert [line.split("\t")[0] for line in blank.out.splitlines()] == ["pos", "no text", "neg"]
    nothing = ratchet(grown, "predict", stdin="\n")
    assert nothing.code == 2
    assert_one_paragraph(nothing)


def test_texts_that_no_terminal_can_show_are_written_out(grown: Path) -> None:
    odd = os.fsdecode(b"good \xff fine")
    ran = ratchet(grown, "predict", odd, "\ud800", "émoji 🙂")
    assert (ran.code, ran.err) == (0, "") and r"\udcff" in ran.out and "🙂" in ran.out
    assert ratchet(grown, "predict", odd, "--json").facts["answers"][0]["label"] == "pos"


def test_lone_surrogates_do_not_break_the_report_or_any_listing(
    grown: Path, prefect_here: Server
) -> None:
    odd = [{"text": "lone \ud800", "label": "pos"}, {"text": "fine", "label": "\udfff"}]
    file = grown / os.fsdecode(b"odd\xe9.jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows(3), *odd]))
    ran = ratchet(grown, "run", file, "--task", "mood")
    assert (ran.code, ran.err) == (0, "") and "promoted" in ran.out
    shown = ratchet(grown, "quarantine", "show", _last(grown))
    assert (shown.code, shown.err) == (0, "") and r"lone \ud800" in shown.out
    for words in (["status"], ["quarantine", "list"], ["history"], ["version", "explain", "3"]):
        assert ratchet(grown, *words).code == ratchet(grown, *words, "--json").code == 0
    assert ratchet(grown, "run", file, "--json").facts["seen_before"]


def _last(root: Path) -> str:
    return views.arrivals(open_workspace(root).ledger)[-1].batch


def test_codes_tell_promoted_rejected_and_held_apart_also_when_seen_before(
    grown: Path, prefect_here: Server
) -> None:
    good = batch(grown / "good.jsonl", 3)
    poison = batch(grown / "poison.jsonl", 4, 360, flip=True)
    waits = batch(grown / "waits.jsonl", 5)
    codes = {good: 0, poison: 1, waits: 3}
    for file, code in codes.items():
        if file == waits:
            (grown / "params.yaml").write_text(f"{PARAMS}\ngate: {{approval: always}}\n")
        ran = ratchet(grown, "run", file, "--task", "mood")
        assert (ran.code, ran.err) == (code, ""), ran.out
        assert "next: ratchet version explain" in ran.out
    for file, code in codes.items():
        again = ratchet(grown, "run", file, "--json")
        assert again.code == code and again.facts["seen_before"]
        assert Path(again.facts["report"]).exists()


def test_intake_watch_rollback_and_release_through_the_command(
    grown: Path, prefect_here: Server
) -> None:
    batch(grown / "data" / "incoming" / "mood" / "b3.jsonl", 3)
    taken = ratchet(grown, "intake", "--json").facts
    assert [each["is_new"] for each in taken["arrived"]] == [True]
    assert [each["action"] for each in taken["settled"]] == ["promoted"]
    watched = ratchet(grown, "watch")
    assert watched.code == 0 and "Version 3 is fine" in watched.out
    back = ratchet(grown, "rollback", "--to", "1", "--reason", "worse in production")
    assert back.code == 0 and "version 1 is champion again" in back.out
    assert "cost: versions 3, 2" in back.out and "next: ratchet intake" in back.out
    here = ratchet(grown, "rollback", "--to", "1", "--reason", "again")
    assert here.code == 2 and "is already champion" in here.err
    assert_one_paragraph(here)
    moves = ratchet(grown, "history", "--json").facts["moves"]
    assert [(m["version"], m["how"]) for m in moves] == [
        (1, "promotion"), (2, "promotion"), (3, "promotion"), (1, "rollback"),
    ]  # fmt: skip
    [entry] = ratchet(grown, "quarantine", "list", "--json").facts
    released = ratchet(grown, "quarantine", "release", entry["batch"][:10])
    assert released.code == 0 and "next: ratchet intake" in released.out
    settled = ratchet(grown, "intake", "--json").facts["settled"]
    assert {each["batch"]: each["action"] for each in settled} == {
        entry["batch"]: "rejected",
        taken["arrived"][0]["batch"]: "promoted",
    }


def test_the_real_command_says_nothing_but_its_facts(grown: Path) -> None:
    ran = finish(start(grown, "predict", "lovely nice", "--json"))
    assert (ran.code, ran.err) == (0, "") and ran.facts["answers"][0]["label"] == "pos"
    reader = start(grown, "status")
    assert reader.stdout is not None
    reader.stdout.close()
    assert reader.wait(60) in (0, 1)
    assert reader.stderr is not None and "Traceback" not in reader.stderr.read()


def test_what_the_gate_can_tell_is_said_before_a_batch(grown: Path, tmp_path: Path) -> None:
    plan = ratchet(grown, "gate", "plan", "--json").facts
    for exam in plan["exams"]:
        assert keys(exam) == {
            "exam", "items", "churn", "detectable_points", "items_needed", "decides", "decisions",
            "refusals", "worn", "lacks",
        }  # fmt: skip
    told = [(each["exam"], each["items"], each["decides"]) for each in plan["exams"]]
    assert told == [("mood", 200, True), ("mood#batches", 48, False)]
    assert (plan["exams"][0]["decisions"], plan["exams"][0]["refusals"]) == (1, 0)
    assert plan["updates"][0]["promoted"] > 0.5, "as `mood` alone decides"
    assert [each["update"] for each in plan["updates"]] == [
        "harmless", "slightly bad", "bad", "clearly bad",
    ]  # fmt: skip
    for each in plan["updates"]:
        assert each["promoted"] + each["held"] + each["rejected"] == pytest.approx(1.0)
    shown = ratchet(grown, "gate", "plan", "--margin", "1", "--churn", "0.1")
    assert shown.code == 0 and "items needed" in shown.out and "holdout add" in shown.out
    empty = make_root(tmp_path / "empty")
    assert ratchet(empty, "gate", "plan").code == 2


def test_a_decision_is_made_again_from_its_evidence(grown: Path) -> None:
    shown = ratchet(grown, "gate", "replay", "2")
    assert shown.code == 0 and "verdicts match" in shown.out
    again = ratchet(grown, "gate", "replay", "2", "--json").facts
    assert (
        again["verdicts"] == ratchet(grown, "version", "explain", "2", "--json").facts["verdicts"]
    )
    assert "Versions: 1, 2." in ratchet(grown, "gate", "replay", "7").err


def test_the_plan_says_how_many_labels_a_pool_is_expected_to_ask_for(waiting: Path) -> None:
    plan = ratchet(waiting, "gate", "plan", "--json").facts
    (pool,) = plan["pools"]
    assert keys(pool) == {"exam", "inputs", "decides", "labels"}
    assert (pool["exam"], pool["inputs"], pool["decides"]) == ("mood#pool", 300, True)
    assert {"mood#pool"}.isdisjoint(each["exam"] for each in plan["exams"])
    assert {0.01, 0.03, 0.06, 0.1} < {each["churn"] for each in pool["labels"]}, "and as observed"
    shown = ratchet(waiting, "gate", "plan", "--churn", "0.06").out
    assert "labels asked (median)" in shown and shown.count("mood#pool") == 1
