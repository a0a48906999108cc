"""Inputs that are removed from a pool: nothing is left of their texts, and the root still holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.data.versioning import DataStore
from components.errors import ConfigError
from components.ledger import views
from components.ledger.verify import verify as verify_ledger
from components.operations import corrections, pool_removal, reconciliation
from components.operations.verification import verify
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.pools import add_pool, inputs
from tests.stream import add_exam, batch, settle, write_jsonl

SECRET = "Zebulon"


def secret_file(path: Path, n: int = 30, mark: str = SECRET) -> Path:
    """Write inputs that can be found again wherever their bytes are."""
    return write_jsonl(path, [{"text": f"{mark} fine sad {number}"} for number in range(n)])


def remove(root: Path, prefix: str | None = None, task: str = "mood") -> pool_removal.Removed:
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        return pool_removal.remove(ws, lease, task, "retention", prefix)


def holding(root: Path, mark: str = SECRET) -> list[str]:
    """Return the files of a root that hold the mark, whatever they are."""
    found = [path for path in root.rglob("*") if path.is_file()]
    return [str(path) for path in found if mark.encode() in path.read_bytes()]


def assert_whole(ws: Workspace) -> None:
    verify_ledger(ws.ledger)
    assert verify(ws, deep=True).findings == []


def reconciled(root: Path) -> list[str]:
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        return reconciliation.reconcile(ws, lease, whole=True)


def test_no_byte_of_a_removed_text_is_left_and_everything_still_holds(
    root: Path, tmp_path: Path
) -> None:
    add_exam(root, batch(root / "exam.jsonl", 900, 20))
    kept = add_pool(root, inputs(tmp_path / "kept.jsonl", 901, 20))
    add_pool(root, secret_file(tmp_path / "gone.jsonl"))
    assert len(holding(root)) == 3, "the file, the cache, the remote"
    [_, gone] = views.pool_files(open_workspace(root).ledger)
    removed = remove(root, gone.source[:8])
    assert (removed.inputs, removed.sources, removed.left) == (30, (gone.source,), ())
    assert holding(root) == []
    ws = open_workspace(root)
    assert views.pool_sizes(ws.ledger) == {"mood": kept.items}
    assert_whole(ws)
    assert reconciled(root) == []
    [said] = views.events(ws.ledger, kind="removal.begun")
    assert '"reason":"retention"' in said.payload and SECRET not in said.payload


def test_what_was_stored_beside_it_can_still_be_fetched(root: Path, tmp_path: Path) -> None:
    add_exam(root, batch(root / "exam.jsonl", 900, 20))
    add_pool(root, secret_file(tmp_path / "gone.jsonl"))
    remove(root)
    [exam] = (root / "data" / "holdout").glob("*.jsonl")
    before = exam.read_bytes()
    exam.unlink()
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        repo.checkout(str(root / "data" / "holdout.dvc"), force=True)
    assert exam.read_bytes() == before and holding(root) == []


def test_a_pool_that_was_all_there_was_can_go(root: Path, tmp_path: Path) -> None:
    add_pool(root, secret_file(tmp_path / "gone.jsonl"))
    remove(root)
    assert not (root / "data" / "holdout.dvc").exists()
    assert_whole(open_workspace(root))
    assert ratchet(root, "pool", "list").out.startswith("There are no pools yet")


def test_removed_inputs_may_train_and_can_be_added_again(root: Path, tmp_path: Path) -> None:
    file = inputs(tmp_path / "pool.jsonl", 902, 60)
    first = add_pool(root, file)
    remove(root)
    again = add_pool(root, file)
    assert (again.items, again.known) == (first.items, 0)
    assert_whole(open_workspace(root))
    remove(root)
    assert_whole(open_workspace(root))
    settled = settle(root, batch(root / "b1.jsonl", 1))
    add_pool(root, inputs(tmp_path / "other.jsonl", 903, 10))
    assert settled.action == "promoted" and views.pool_sizes(open_workspace(root).ledger)
    assert_whole(open_workspace(root))


class Dies(BaseException):
    """Stands for `kill -9`: nothing in Ratchet catches it."""


@pytest.mark.parametrize("where", ["before", "unlinked", "after"])
def test_a_removal_that_was_killed_is_finished_by_reconcile(
    root: Path, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_exam(root, batch(root / "exam.jsonl", 900, 20))
    add_pool(root, secret_file(tmp_path / "gone.jsonl"))
    whole = DataStore.erase

    def dying(store: DataStore, path: str, md5: str) -> Any:
        if where == "unlinked":
            (store.root / path).unlink()
        if where == "after":
            whole(store, path, md5)
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(DataStore, "erase", dying)
        with pytest.raises(Dies):
            remove(root)
    ws = open_workspace(root)
    assert views.pool_sizes(ws.ledger) == {}, "it counts no more from the moment it is recorded"
    if where != "after":
        assert [each for each in verify(ws).findings if "data/holdout/" in each.place] == []
    assert reconciled(root) == ["deleted the texts removed from the pool of mood"]
    assert holding(root) == [] and reconciled(root) == []
    assert_whole(open_workspace(root))


@pytest.mark.parametrize(("task", "prefix"), [("films", None), ("mood", "0" * 20)])
def test_what_is_not_there_is_named(root: Path, tmp_path: Path, task: str, prefix: str) -> None:
    add_pool(root, inputs(tmp_path / "pool.jsonl", 904, 10))
    with pytest.raises(ConfigError, match=rf"The pool of {task} has"):
        remove(root, prefix, task)


def test_an_exam_is_never_removed_as_a_pool(root: Path, tmp_path: Path) -> None:
    add_exam(root, batch(root / "exam.jsonl", 900, 20))
    with pytest.raises(ConfigError, match="The pool of mood has no inputs"):
        remove(root)


@pytest.mark.parametrize("merged", [False, True], ids=["renamed", "merged"])
def test_a_pool_whose_task_has_another_name_now_is_removed_all_the_same(
    root: Path, tmp_path: Path, merged: bool
) -> None:
    """Fault: its file was looked for under the name that it was brought under."""
    add_exam(root, batch(root / "exam.jsonl", 900, 20))
    add_pool(root, secret_file(tmp_path / "gone.jsonl"))
    if merged:
        add_exam(root, batch(root / "other.jsonl", 901, 20), "feeling")
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        change = corrections.merge_task if merged else corrections.rename_task
        change(ws, lease, "mood", "feeling", "a better word")
    [file] = views.pool_files(ws.ledger)
    assert (file.task, file.items) == ("feeling", 30)
    assert remove(root, task="mood").inputs == 30
    assert holding(root) == []
    assert_whole(open_workspace(root))
