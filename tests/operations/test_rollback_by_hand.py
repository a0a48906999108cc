"""Going back by hand: where to, what it costs, and what can never come back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from components.data.quarantine import entries, unpublished
from components.errors import ConfigError, Corrupted
from components.ledger import views
from components.ledger.events import QuarantineReleased
from components.ledger.verify import rebuild, verify
from components.operations import reconciliation
from components.operations.rollback import RolledBack, roll_back
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from flows.watch import look_and_go_back
from tests.command import ratchet
from tests.stream import batch, settle


def go_back(ws: Workspace, target: int | None = None) -> RolledBack:
    with ws.ledger.lease("tiny", 10) as lease:
        return roll_back(ws, lease, target, "it was worse in production")


def champion(ws: Workspace) -> int | None:
    found = views.champion(ws.ledger)
    assert ws.registry.alias("champion") == (found.version if found else None)
    return found.version if found else None


def test_without_a_target_it_goes_to_the_parent(three: Workspace) -> None:
    undone = go_back(three)
    assert (undone.from_version, undone.to_version, undone.requeued) == (3, 2, [])
    assert champion(three) == 2
    assert undone.cost.tasks == ["other"] and undone.cost.labels == ["left", "right"]
    assert undone.cost.versions == [3] and undone.cost.batches == [undone.offending_batch]
    [barred] = [version for version in three.registry.versions() if version.version == 3]
    assert barred.tags["ratchet.status"] == "barred"
    assert barred.description.startswith("BARRED, rolled back: ")


def test_going_far_back_queues_the_later_batches_again_in_order(three: Workspace) -> None:
    second, third = (views.arrivals(three.ledger)[place].batch for place in (1, 2))
    undone = go_back(three, 1)
    assert (champion(three), undone.offending_batch, undone.requeued) == (1, second, [third])
    assert [arrival.batch for arrival in views.waiting(three.ledger)] == [third]
    verify(three.ledger)
    before = views.arrivals(three.ledger)
    rebuild(three.ledger)
    assert views.arrivals(three.ledger) == before


def test_the_barred_holdout_rows_are_no_exam_any_more(three: Workspace) -> None:
    third = views.arrivals(three.ledger)[2].batch
    assert any(item.source == third for item in views.held_items(three.ledger))
    go_back(three)
    assert all(item.source != third for item in views.held_items(three.ledger))
    assert views.known_tasks(three.ledger) == {"mood"}


@pytest.mark.parametrize(
    ("target", "says"),
    [(3, "is already champion"), (7, "is not an ancestor"), (0, "is not an ancestor")],
)
def test_a_target_that_makes_no_sense_changes_nothing(
    three: Workspace, target: int, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        go_back(three, target)
    assert champion(three) == 3 and not views.waiting(three.ledger)


def test_a_barred_version_is_no_target_and_its_bundle_never_returns(three: Workspace) -> None:
    third = views.arrivals(three.ledger)[2].batch
    bundle = views.versions(three.ledger)[2].bundle
    go_back(three)
    with pytest.raises(ConfigError, match=r"Version 3 is not an ancestor.*Choose one of 1"):
        go_back(three, 3)
    with three.ledger.lease("tiny", 10) as lease:
        three.ledger.append(QuarantineReleased(batch=third, kind_="batch", as_=third), lease)
    again = run_batch(three, third)
    assert again.action == "rejected" and "barred permanently" in again.headline
    assert champion(three) == 2
    statuses = [v.status for v in views.versions(three.ledger) if v.bundle == bundle]
    assert statuses == ["barred"], "the same examination is the same version, and stays barred"


def test_there_is_nothing_before_the_first_version(root: Path) -> None:
    ws = open_workspace(root)
    with pytest.raises(ConfigError, match="no earlier version"):
        go_back(ws)
    settle(root, batch(root / "b1.jsonl", 1))
    with pytest.raises(ConfigError, match="no earlier version"):
        go_back(ws)
    assert champion(ws) == 1


def test_a_target_that_cannot_be_loaded_leaves_the_pointer_alone(three: Workspace) -> None:
    parent = views.versions(three.ledger)[1]
    head = three.bundles / parent.bundle / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\0")
    with pytest.raises(Corrupted, match=r"head\.safetensors"):
        go_back(three)
    assert champion(three) == 3
    assert not views.events(three.ledger, kind="champion.rolled-back")


def test_what_mlflow_serves_of_the_target_is_put_right_before_the_pointer_moves(
    three: Workspace,
) -> None:
    parent = views.versions(three.ledger)[1]
    folder = three.registry.run_folder(parent.run)
    assert folder is not None
    served = folder / "model" / "artifacts" / parent.bundle / "head.safetensors"
    sound = served.read_bytes()
    served.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    go_back(three)
    assert champion(three) == 2 and served.read_bytes() == sound


def test_watching_a_sound_champion_changes_nothing(three: Workspace) -> None:
    watched, undone = look_and_go_back(three)
    assert (watched.champion, watched.exams, undone) == (3, 3, None)
    assert champion(three) == 3


def test_watching_without_a_champion_says_so(root: Path) -> None:
    watched, undone = look_and_go_back(open_workspace(root))
    assert watched.champion is None and undone is None


def test_reconcile_puts_a_stray_alias_right_and_is_idempotent(three: Workspace) -> None:
    three.registry.set_alias("champion", 1)
    three.registry.tag_version(3, "ratchet.status", "held")
    with three.ledger.lease("tiny", 10) as lease:
        done = reconciliation.reconcile(three, lease, whole=True)
        tag = "version 3: tag ratchet.status reads 'held', not 'champion'"
        assert done == [f"repaired in MLflow: {tag}", "alias champion: 1 -> 3"]
        seq = len(views.events(three.ledger))
        assert reconciliation.reconcile(three, lease) == []
    assert len(views.events(three.ledger)) == seq
    assert champion(three) == 3


def test_reconcile_removes_what_a_killed_process_left_half_made(three: Workspace) -> None:
    with suppress(KeyError), three.ledger.lease("tiny", 10):
        raise KeyError("whatever breaks off under a lease")
    three.bundles.joinpath("abc.1.part").mkdir()
    three.quarantine.mkdir(parents=True, exist_ok=True)
    three.quarantine.joinpath("rows.jsonl.7.part").write_text("{")
    orphan = three.batches / ("0" * 64)
    orphan.mkdir()
    with three.ledger.lease("tiny", 10) as lease:
        assert len(reconciliation.reconcile(three, lease)) == 3
        assert reconciliation.reconcile(three, lease) == []
    assert not orphan.exists() and not list(three.root.rglob("*.part"))


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_quarantine_entry_stands_exactly_where_its_event_does(
    three: Workspace, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    append = type(three.ledger).append_all

    def broken(self: Any, *arguments: Any) -> Any:
        if dies == "after":
            append(self, *arguments)
        raise OSError("the disk fails")

    monkeypatch.setattr(type(three.ledger), "append_all", broken)
    with suppress(OSError):
        go_back(three)
    monkeypatch.undo()
    [offending] = [each.batch for each in views.versions(three.ledger) if each.version == 3]
    if dies == "before":
        assert ratchet(three.root, "audit", "verify").code == 0
    assert ratchet(three.root, "reconcile").code == 0
    assert ratchet(three.root, "audit", "verify").code == 0
    entered = [entry for entry in entries(three.quarantine) if entry.batch == offending]
    assert len(entered) == (dies == "after") and not unpublished(three.quarantine)
    assert champion(three) == (2 if dies == "after" else 3)
