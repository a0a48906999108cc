"""`ratchet status`: how good the champion is, what happened, and what to do now, in that order."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import finish, ratchet, start
from tests.stream import batch, settle, write_jsonl


def test_the_accuracy_comes_first_with_its_interval_and_its_way_on_the_same_items(
    grown: Path,
) -> None:
    [mood] = ratchet(grown, "status", "--json").facts["accuracy"]
    assert (mood["task"], mood["items"]) == ("mood", 200)
    assert mood["low"] < mood["percent"] <= mood["high"]
    versions = [point["version"] for point in mood["trend"]["points"]]
    assert versions == [1, 2]
    lines = ratchet(grown, "status").out.splitlines()
    assert lines[0].startswith("tiny: version 2 is champion since 20")
    [row] = [line for line in lines if "%" in line and "mood" in line]
    assert f"{mood['percent']:.1f} %" in row and "200 items" in row and "since version 1" in row


def test_each_batch_says_when_it_came_and_what_to_do_about_it(grown: Path) -> None:
    settle(grown, write_jsonl(grown / "bad.jsonl", [{"text": "no label"}] * 20))
    assert settle(grown, batch(grown / "flipped.jsonl", 5, flip=True)).action != "promoted"
    inbox = ratchet(grown, "status", "--json").facts["inbox"]
    refused = inbox[2]["batch"][:12]
    assert [row["next"] for row in inbox] == [
        "", "", f"ratchet quarantine show {refused}", "ratchet version explain 3",
    ]  # fmt: skip
    assert all(row["arrived"].startswith("20") for row in inbox)
    said = ratchet(grown, "status").out
    for row in inbox[2:]:
        assert ratchet(grown, *row["next"].split()[1:]).code == 0
        assert row["next"] in " ".join(said.replace("│", " ").split())


def test_a_task_is_named_as_it_is_named_now(grown: Path) -> None:
    done = ratchet(grown, "task", "rename", "mood", "feeling", "--reason", "better word")
    assert done.code == 0, done.err
    assert {row["task"] for row in ratchet(grown, "status", "--json").facts["inbox"]} == {"feeling"}


def test_watching_shows_what_changes_until_it_is_stopped(grown: Path) -> None:
    watching = start(grown, "status", "--watch")
    assert watching.stdout
    while "Nothing waits" not in watching.stdout.readline():
        pass
    settle(grown, write_jsonl(grown / "bad.jsonl", [{"text": "no label"}] * 20))
    while "bad.jsonl" not in watching.stdout.readline():
        pass
    watching.terminate()
    assert finish(watching).code == 143
    assert ratchet(grown, "status", "--watch", "--json").code == 2


def test_errors_are_json_where_json_is_asked_for(tmp_path: Path, grown: Path) -> None:
    nowhere = ratchet(tmp_path / "nowhere", "status", "--json")
    error = json.loads(nowhere.err)["error"]
    assert (nowhere.code, nowhere.out, error["code"]) == (2, "", "config") and error["remedy"]
    wrong = ratchet(grown, "version", "explain", "nine", "--json")
    assert wrong.code == 2 and "nine" in json.loads(wrong.err)["error"]["message"]
