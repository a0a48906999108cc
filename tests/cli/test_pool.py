"""`ratchet pool` and the folder data/pool: what is taken, what stays, and why."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from components.ledger import views
from components.operations import pool_folder
from components.workspace.root import open_workspace
from flows import worker
from flows.worker import Pace
from tests.command import assert_one_paragraph, ratchet
from tests.pools import inputs, mixed
from tests.stream import batch, settle, write_jsonl


def pools(root: Path) -> dict[str, int]:
    return views.pool_sizes(open_workspace(root).ledger)


def drop(root: Path, name: str, seed: int = 905, n: int = 20) -> Path:
    """Drop a file of inputs into data/pool as users do."""
    return inputs(root / "data" / "pool" / name, seed, n)


def test_a_file_is_added_listed_and_removed(root: Path, tmp_path: Path) -> None:
    broken = [{"text": ""}, {"text": None}, mixed(906, 1)[0]]
    values = [{"text": row["text"]} for row in mixed(906, 30)]
    file = write_jsonl(tmp_path / "june.jsonl", [*values, *broken])
    added = ratchet(root, "pool", "add", file, "--task", "mood")
    assert (added.code, added.err) == (0, "")
    assert "mood#pool: 30 new inputs.\nLeft out: 2 broken, 1 twice in the file.\n" in added.out
    [pool] = ratchet(root, "pool", "list", "--json").facts
    assert (pool["task"], pool["inputs"], pool["used"], pool["labelled"]) == ("mood", 30, 30, 0)
    [listed] = pool["files"]
    assert (listed["name"], listed["inputs"]) == ("june.jsonl", 30)
    gone = ratchet(root, "pool", "remove", "--task", "mood", "--file", listed["source"][:6])
    assert "mood: removed 30 inputs (1 file) and deleted the texts." in gone.out
    assert pools(root) == {}
    again = ratchet(root, "pool", "remove", "--task", "mood")
    assert again.code == 2 and "The pool of mood has no inputs." in again.err
    assert_one_paragraph(again)


def test_a_label_column_is_not_looked_at(root: Path, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [{**row, "label": ""} for row in mixed(907, 20)])
    assert ratchet(root, "pool", "add", file, "--task", "mood", "--json").facts["items"] == 20


def test_intake_takes_what_lies_in_the_pool_folder(root: Path) -> None:
    drop(root, "mood/june.jsonl")
    drop(root, "films/may/a.jsonl", 908)
    ran = ratchet(root, "intake")
    assert (ran.code, ran.err) == (0, "")
    assert "data/pool/mood/june.jsonl: 20 new inputs for the pool of mood" in ran.out
    assert pools(root) == {"films": 20, "mood": 20}
    assert not list((root / "data" / "pool").rglob("*.jsonl"))
    assert ratchet(root, "intake", "--json").facts["pooled"] == []


def test_a_bad_file_stays_with_its_reason_and_blocks_nobody(root: Path) -> None:
    folder = root / "data" / "pool"
    drop(root, "mood/good.jsonl")
    drop(root, "stray.jsonl", 909)
    drop(root, "mo#od/a.jsonl", 910)
    (folder / "mood" / "notes.docx").write_text("no rows")
    some = [{"text": row["text"]} for row in mixed(915, 9)]
    write_jsonl(folder / "mood" / "half.jsonl", [*some, {"text": ""}])
    ran = ratchet(root, "intake")
    assert (ran.code, ran.err) == (0, "")
    assert pools(root) == {"mood": 29}
    for said in (
        "left data/pool/stray.jsonl: in no folder of a task; move it to data/pool/NAME/",
        "left data/pool/mo#od/a.jsonl: ",
        "left data/pool/mood/notes.docx: ",
        "left data/pool/mood/half.jsonl: 1 of its rows can't be used: correct or delete them",
    ):
        assert said in ran.out
    left = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert left == ["a.jsonl", "half.jsonl", "notes.docx", "stray.jsonl"]
    again = ratchet(root, "intake")
    assert "left data/pool/mood/half.jsonl" in again.out and pools(root) == {"mood": 29}


def test_a_file_that_was_taken_before_a_crash_is_only_deleted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = drop(root, "mood/june.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(pool_folder, "let_go", lambda *_: 1 / 0)
        assert ratchet(root, "intake").code == 1
    assert file.exists() and pools(root) == {"mood": 20}
    ran = ratchet(root, "intake", "--json")
    assert (ran.facts["pooled"], ran.facts["left"]) == ([], [])
    assert not file.exists() and pools(root) == {"mood": 20}


def test_a_worker_takes_inputs_and_reads_a_bad_file_only_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(root, "mood/june.jsonl")
    some = [{"text": row["text"]} for row in mixed(915, 9)]
    write_jsonl(root / "data" / "pool" / "mood" / "half.jsonl", [*some, {"text": ""}])
    reads, told, stop = [], [], threading.Event()
    stage = pool_folder.stage
    monkeypatch.setattr(
        pool_folder, "stage", lambda path, *rest: reads.append(path.name) or stage(path, *rest)
    )
    turns = iter(range(6))
    looked = worker.take_incoming

    def look(*arguments: object) -> object:
        if next(turns) == 5:
            stop.set()
        return looked(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "take_incoming", look)
    worker.serve(root, Pace(0.01), stop, lambda kind, value: told.append((kind, value)))
    assert sorted(reads) == ["half.jsonl", "june.jsonl"]
    assert [kind for kind, _ in told] == ["pooled", "pooled", "left"]
    assert pools(root) == {"mood": 29}


def test_what_is_in_a_pool_never_trains(root: Path) -> None:
    drop(root, "mood/june.jsonl", 911, 30)
    ratchet(root, "intake")
    rows = [*mixed(911, 30), *mixed(912, 100)]
    settled = settle(root, write_jsonl(root / "b.jsonl", rows))
    [split] = views.events(open_workspace(root).ledger, kind="split.made", batch=settled.batch)
    assert '"blocked":30' in split.payload


def test_a_new_root_has_the_folder(tmp_path: Path) -> None:
    assert "data/pool/" in ratchet(tmp_path, "init", tmp_path / "new").out
    assert (tmp_path / "new" / "data" / "pool").is_dir()


def test_the_folder_can_be_no_remote(root: Path) -> None:
    (root / "params.yaml").write_text("data: {remote: data/pool}\n")
    assert ratchet(root, "status").code == 2


def test_the_batch_of_a_task_is_run_as_before(root: Path) -> None:
    drop(root, "mood/june.jsonl", 913)
    assert settle(root, batch(root / "b1.jsonl", 1)).action == "promoted"
    assert pools(root) == {}, "only intake and the worker look there"
