"""What `intake`, `run` and `status` say of files that stay, of new tasks and of a lost remote."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from components.ledger import views
from components.workspace.root import open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.server import Server
from tests.stream import PARAMS, add_exam, batch, rows, write_jsonl


def test_intake_and_status_tell_of_what_is_no_file_and_of_a_lost_remote(root: Path) -> None:
    incoming = root / "data" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "link.jsonl").symlink_to(root / "params.yaml")
    os.mkfifo(incoming / "pipe.jsonl")
    add_exam(root, batch(root / "exam.jsonl", 900, 20))
    shutil.rmtree(root / "data" / "remote")
    for command in ("intake", "status"):
        ran = ratchet(root, command)
        assert (ran.code, ran.err) == (0, "")
        assert "left data/incoming/link.jsonl: a link" in ran.out
        assert "left data/incoming/pipe.jsonl: a pipe" in ran.out
        assert "warning: The second copy of the data" in ran.out
        facts = ratchet(root, command, "--json").facts
        assert len(facts["left"]) == 2 and len(facts["warnings"]) == 1
    assert "copied 1 file to data/remote" in ratchet(root, "reconcile").out
    assert "warning" not in ratchet(root, "status").out


def test_intake_tells_of_a_file_that_cannot_be_used_and_what_to_do(root: Path) -> None:
    (root / "data" / "incoming").mkdir(parents=True)
    (root / "data" / "incoming" / "notes.docx").write_text("no rows")
    batch(root / "data" / "incoming" / "mood#2" / "b.jsonl", 1)
    ran = ratchet(root, "intake")
    assert (ran.code, ran.err) == (0, "") and "Files that arrived: 2, new ones: 2." in ran.out
    assert "notes.docx" in ran.out and "has the suffix '.docx'" in ran.out
    assert "b.jsonl" in ran.out and "'mood#2'" in ran.out
    assert ran.out.count("next: ratchet quarantine show ") == 2


def test_intake_names_a_file_that_was_seen_before_and_one_that_differs_in_its_task(
    root: Path,
) -> None:
    incoming = root / "data" / "incoming"
    batch(incoming / "mood" / "a.jsonl", 1, n=5)
    ratchet(root, "intake")
    batch(incoming / "mood" / "again.jsonl", 1, n=5)
    batch(incoming / "tone" / "other.jsonl", 1, n=5)
    done = ratchet(root, "intake")
    assert re.search("seen before: again.jsonl is batch [0-9a-f]{12}, a.jsonl\n", done.out)
    assert "note: other.jsonl has the same texts and labels as batch" in done.out
    assert re.search("refused batch [0-9a-f]{12}, other.jsonl\n", done.out), "too few rows"
    assert "a.jsonl" in ratchet(root, "status").out and not list(incoming.rglob("*.jsonl"))


def test_intake_waits_for_a_fresh_file_and_leaves_an_open_one(root: Path) -> None:
    (root / "params.yaml").write_text(
        PARAMS.replace("min_rows: 10, settle_seconds: 0", "min_rows: 10, settle_seconds: 0.5")
    )
    incoming = root / "data" / "incoming"
    batch(incoming / "fresh.jsonl", 1)
    (incoming / "fresh.jsonl").write_bytes(b"")
    batch(incoming / "open.jsonl", 2)
    with (incoming / "open.jsonl").open("a"):
        ran = ratchet(root, "intake")
    assert (ran.code, ran.err) == (0, "")
    assert "Files that arrived: 1, new ones: 1." in ran.out
    assert "left data/incoming/open.jsonl: still being written: left for next time" in ran.out


def test_a_file_that_is_being_written_is_asked_for_again(root: Path, tmp_path: Path) -> None:
    file = batch(tmp_path / "b.jsonl", 1)
    with file.open("a"):
        for command in (("run", file), ("holdout", "add", file, "--task", "mood")):
            ran = ratchet(root, *command)
            assert ran.code == 1 and "is still being written" in ran.err
            assert_one_paragraph(ran)
    assert not views.arrivals(open_workspace(root).ledger)


def test_a_task_new_to_the_root_is_said_loudly_with_what_it_resembles(
    grown: Path, prefect_here: Server
) -> None:
    odd = [{**row, "task": "moood"} for row in rows(5, 1)]
    ran = ratchet(grown, "run", write_jsonl(grown / "b3.jsonl", rows(3) + odd), "--task", "mood")
    assert "new task 'moood' (1 of 121 rows) starts a new exam" in ran.out
    assert "if it is a misspelling of 'mood'" in ran.out and "data.tasks" in ran.out
    again = ratchet(grown, "run", grown / "b3.jsonl", "--task", "mood", "--json")
    assert again.facts["new_tasks"]["tasks"] == {"moood": 1}
    assert again.facts["new_tasks"]["resembles"] == {"moood": "mood"}


def test_the_first_batch_of_a_root_names_its_task_without_alarm(
    root: Path, prefect_here: Server
) -> None:
    ran = ratchet(root, "run", batch(root / "b.jsonl", 1), "--task", "mood")
    assert "new task 'mood' (120 of 120 rows) starts a new exam.\n" in ran.out


def test_a_slip_in_the_first_batch_of_a_root_is_told_beside_the_task_that_was_meant(
    root: Path, prefect_here: Server
) -> None:
    odd = [{**row, "task": "moood"} for row in rows(5, 1)]
    ran = ratchet(root, "run", write_jsonl(root / "b.jsonl", rows(1) + odd), "--task", "mood")
    assert "new task 'mood' (120 of 121 rows) starts a new exam.\n" in ran.out
    assert (
        "new task 'moood' (1 of 121 rows)" in ran.out
        and "if it is a misspelling of 'mood'" in ran.out
    )


@pytest.mark.parametrize(
    "command", [("run", "b.jsonl"), ("holdout", "add", "b.jsonl")], ids=["run", "holdout"]
)
def test_a_task_outside_the_closed_list_is_a_slip_of_usage(
    root: Path, command: tuple[str, ...]
) -> None:
    (root / "params.yaml").write_text(PARAMS.replace("min_rows: 10", "min_rows: 10, tasks: [mood]"))
    file = batch(root / "b.jsonl", 1)
    ran = ratchet(root, *command[:-1], file, "--task", "modo")
    assert ran.code == 2 and "There is no task 'modo': data.tasks lists mood." in ran.err
    assert_one_paragraph(ran)
