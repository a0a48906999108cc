"""A ledger that is older than what lies around it: nothing is deleted, a person decides."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from components.errors import NeedsHuman
from components.ledger import views
from components.ledger.verify import verify
from components.operations import reconciliation
from components.workspace import unknown_files
from components.workspace.root import Workspace, open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.stream import batch, copied, rows, settle, write_jsonl

UNREADABLE = b"\x00\xff\x00 no JSON at all"


@dataclass(frozen=True)
class Told:
    """A root whose ledger was taken back: two more batches had come after it."""

    root: Path
    older: Path
    newer: Path
    promoted: str
    refused: str
    unreadable: str

    @property
    def ledger(self) -> Path:
        return self.root / "mlruns" / "ratchet.db"


@pytest.fixture(scope="module")
def told_once(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Copy it, never write to it."""
    folder = tmp_path_factory.mktemp("told")
    root = copied(grown_once, folder / "root")
    ledger = root / "mlruns" / "ratchet.db"
    older = Path(shutil.copy(ledger, folder / "older.db"))
    third = settle(root, batch(root / "b3.jsonl", 3))
    one_class = [row for row in rows(4) if row["label"] == "pos"]
    refused = settle(root, write_jsonl(root / "oneclass.jsonl", one_class))
    (root / "broken.jsonl").write_bytes(UNREADABLE)
    unreadable = settle(root, root / "broken.jsonl")
    actions = [each.action for each in (third, refused, unreadable)]
    assert actions == ["promoted", "refused", "refused"]
    newer = Path(shutil.copy(ledger, folder / "newer.db"))
    shutil.copy(older, ledger)
    return Told(root, older, newer, third.batch, refused.batch, unreadable.batch)


@pytest.fixture
def told(told_once: Told, tmp_path: Path) -> Told:
    return replace(told_once, root=copied(told_once.root, tmp_path / "root"))


def lying(root: Path) -> dict[str, bytes]:
    """Everything under `data` that is no cache, by its name."""
    found = (path for path in (root / "data").rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_every_changing_command_refuses_an_older_ledger_and_deletes_nothing(told: Told) -> None:
    before = lying(told.root)
    incoming = batch(told.root / "data" / "incoming" / "mood" / "b5.jsonl", 5)
    fifth = batch(told.root / "b5.jsonl", 5)
    for command in (
        ["run", fifth, "--task", "mood"],
        ["intake"],
        ["reconcile"],
        ["reconcile", "--rebuild"],
        ["rollback", "--to", "1", "--reason", "why not"],
        ["holdout", "add", fifth, "--task", "mood"],
        ["quarantine", "release", told.refused[:12]],
    ):
        ran = ratchet(told.root, *command)
        assert ran.code == 3, (command, ran)
        assert_one_paragraph(ran)
        assert "is an older copy: it ends at event" in ran.err and "ledger.head" in ran.err
        assert "--accept-ledger" in ran.err
    incoming.unlink()
    assert ratchet(told.root, "intake").code == 3, "with nothing to take as well"
    assert lying(told.root) == before
    assert len(open_workspace(told.root).registry.versions()) == 3


def test_reading_commands_go_on_and_status_says_it_in_a_line(told: Told) -> None:
    for command in (["history"], ["version", "explain", "2"], ["version", "list"]):
        assert ratchet(told.root, *command).code == 0, command
    said = ratchet(told.root, "status")
    assert said.code == 0
    [line] = [line for line in said.out.splitlines() if "older copy" in line]
    assert line.endswith("`ratchet reconcile` says what to do.")
    assert "older copy" in ratchet(told.root, "status", "--json").facts["older"]


def test_the_newer_ledger_put_back_goes_on_as_if_nothing_had_happened(told: Told) -> None:
    assert ratchet(told.root, "reconcile").code == 3
    shutil.copy(told.newer, told.ledger)
    ran = ratchet(told.root, "reconcile")
    assert (ran.code, ran.out) == (0, "Nothing to repair.\n"), ran.err
    assert settle(told.root, batch(told.root / "b5.jsonl", 5)).version == 4


def test_once_accepted_what_the_ledger_does_not_know_is_aside_and_can_be_run_again(
    told: Told,
) -> None:
    before = set(lying(told.root).values())
    accepted = ratchet(told.root, "reconcile", "--accept-ledger")
    assert accepted.code == 0, accepted.err
    assert before <= set(lying(told.root).values()), "not a byte is lost"
    [folder] = (told.root / "data" / "unknown").iterdir()
    raw = folder / "batches" / told.promoted / "raw.jsonl"
    assert raw.read_bytes() == (told.root / "b3.jsonl").read_bytes()
    command = f"ratchet run {raw.relative_to(told.root)} --task mood"
    assert command in accepted.out
    assert (folder / "batches" / told.refused / "raw.jsonl").exists()
    assert (folder / "quarantine" / told.refused / "about.json").exists()
    assert any(UNREADABLE == path.read_bytes() for path in folder.rglob("raw*"))

    ws = open_workspace(told.root)
    assert ws.registry.alias("champion") == 2
    assert {v.version: v.tags.get("ratchet.status") for v in ws.registry.versions()}[3] == "unknown"
    [event] = views.events(ws.ledger, kind="ledger.accepted")
    payload = json.loads(event.payload)
    assert payload["noted"]["seq"] > payload["head"]["seq"] == event.seq - 1
    assert [each["version"] for each in payload["versions"]] == [3]
    assert f"{folder.relative_to(told.root)}/batches/{told.promoted}" in payload["moved"]
    again = ratchet(told.root, "reconcile", "--accept-ledger")
    assert (again.code, again.out) == (0, "Nothing to repair.\n")
    audited = ratchet(told.root, "audit", "verify")
    assert audited.code == 0 and "MLflow, version 3: the ledger was accepted" in audited.out

    assert settle(told.root, batch(told.root / "b5.jsonl", 5)).version == 4, "numbers go on"
    assert settle(told.root, raw).action == "promoted"
    assert settle(told.root, folder / "batches" / told.refused / "raw.jsonl").action == "refused"
    verify(ws.ledger)
    assert ws.registry.alias("champion") == views.champion(ws.ledger).version  # type: ignore[union-attr]
    assert ratchet(told.root, "reconcile").out == "Nothing to repair.\n"


@pytest.mark.slow
def test_the_same_batch_run_again_takes_its_old_number_in_mlflow(told: Told) -> None:
    assert ratchet(told.root, "reconcile", "--accept-ledger").code == 0
    again = settle(told.root, told.root / "b3.jsonl")
    assert (again.action, again.version) == ("promoted", 3)
    ws = open_workspace(told.root)
    assert [v.version for v in ws.registry.versions()] == [3, 2, 1]
    assert ws.registry.version(3).tags["ratchet.status"] == "champion"  # type: ignore[union-attr]


def test_the_newer_ledger_put_back_after_all_finds_its_batches_again(told: Told) -> None:
    before = lying(told.root)
    assert ratchet(told.root, "reconcile", "--accept-ledger").code == 0
    shutil.copy(told.newer, told.ledger)
    refused = ratchet(told.root, "reconcile")
    assert refused.code == 3 and "is another copy" in refused.err
    accepted = ratchet(told.root, "reconcile", "--accept-ledger")
    assert accepted.code == 0 and "the ledger knows it" in accepted.out, accepted.err
    assert lying(told.root) == before
    ws = open_workspace(told.root)
    assert ws.registry.alias("champion") == 3
    assert settle(told.root, batch(told.root / "b5.jsonl", 5)).version == 4


@pytest.mark.parametrize(
    "noted",
    ["nothing", "as of the older ledger", pytest.param("garbage", marks=pytest.mark.slow)],
)
def test_without_the_newer_note_mlflow_and_quarantine_are_asked(told: Told, noted: str) -> None:
    note, before = told.root / "mlruns" / "ledger.head", lying(told.root)
    older = open_workspace(told.root).ledger.head()
    said = {
        "nothing": None,
        "garbage": "{",
        "as of the older ledger": f'{{"seq": {older.seq}, "hash": "{older.hash}"}}',
    }[noted]
    note.unlink() if said is None else note.write_text(said)
    fifth = batch(told.root / "b5.jsonl", 5)
    for command in (["run", fifth, "--task", "mood"], ["reconcile"], ["reconcile"]):
        ran = ratchet(told.root, *command)
        assert ran.code == 3, ran
        assert_one_paragraph(ran)
        assert "MLflow has version 3" in ran.err and told.refused[:12] in ran.err
    if said is None:
        assert open_workspace(told.root).ledger.head() == older, "nothing was appended"
    assert before.items() <= lying(told.root).items()
    assert ratchet(told.root, "reconcile", "--accept-ledger").code == 0
    assert settle(told.root, batch(told.root / "b5.jsonl", 5)).version == 4


def test_a_root_of_before_the_note_goes_on_and_gets_one(grown: Path) -> None:
    note = grown / "mlruns" / "ledger.head"
    note.unlink()
    assert settle(grown, batch(grown / "b3.jsonl", 3)).action == "promoted"
    ledger = open_workspace(grown).ledger
    assert ledger.noted() == ledger.head()


def test_a_lost_note_is_told_and_reconcile_notes_the_head_again(grown: Path) -> None:
    assert ratchet(grown, "reconcile").code == 0
    note = grown / "mlruns" / "ledger.head"
    before = note.read_bytes()
    note.unlink()
    told = ratchet(grown, "audit", "verify")
    assert told.code == 3 and "ledger.head: the head file is missing" in told.err
    assert ratchet(grown, "reconcile").code == 0
    assert note.read_bytes() == before
    assert ratchet(grown, "audit", "verify").code == 0


def test_a_ledger_with_another_history_is_told_apart_by_its_hashes(grown: Path) -> None:
    ledger = open_workspace(grown).ledger
    head = ledger.head()
    note = grown / "mlruns" / "ledger.head"
    note.write_text(json.dumps({"seq": head.seq, "hash": "0" * 64}))
    with pytest.raises(NeedsHuman, match="is another copy: its event"):
        settle(grown, batch(grown / "b3.jsonl", 3))


def test_no_ledger_beside_a_note_is_a_lost_one(root: Path) -> None:
    (root / "broken.jsonl").write_bytes(UNREADABLE)
    settle(root, root / "broken.jsonl")
    (root / "mlruns" / "ratchet.db").unlink()
    ran = ratchet(root, "run", root / "broken.jsonl")
    assert ran.code == 4 and "is missing" in ran.err and "ratchet restore" in ran.err


def broken_off(ws: Workspace, work: Callable[[], object]) -> None:
    with suppress(KeyError), ws.ledger.lease("tiny", 10):
        work()
        raise KeyError("whatever breaks off under a lease")


def test_a_batch_folder_that_no_event_names_is_moved_aside(grown: Path) -> None:
    ws = open_workspace(grown)
    stray = ws.batches / "ab" / ("ab" * 32)
    stray.mkdir(parents=True)
    (stray / "raw.csv").write_text("text,label\n")
    broken_off(ws, lambda: None)
    with ws.ledger.lease("tiny", 10) as lease:
        [line] = reconciliation.reconcile(ws, lease)
        assert reconciliation.reconcile(ws, lease, whole=True) == []
    assert not stray.exists() and "ratchet run data/unknown/" in line
    assert line.endswith(f"{'ab' * 32}/raw.csv --task NAME")
    [kept] = (grown / "data" / "unknown").rglob("raw.csv")
    assert kept.read_text() == "text,label\n"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("my mood", "'my mood'"),
        ("it's; $(rm x)", shlex.quote("it's; $(rm x)")),
        ("", "NAME"),
        (" ", "NAME"),
        (None, "NAME"),
    ],
)
def test_the_way_back_can_be_pasted_whatever_the_task_is_called(
    grown: Path, task: str | None, said: str
) -> None:
    ws = open_workspace(grown)
    stray = ws.batches / "ab" / ("ab" * 32)
    stray.mkdir(parents=True)
    (stray / "raw.jsonl").write_text("{}\n")
    (stray / "items.jsonl").write_text(json.dumps({"task": task}) + "\n")
    broken_off(ws, lambda: None)
    with ws.ledger.lease("tiny", 10) as lease:
        [line] = reconciliation.reconcile(ws, lease)
    assert line.endswith(f"{'ab' * 32}/raw.jsonl --task {said}")


def test_two_moves_in_one_second_do_not_meet(grown: Path) -> None:
    ws = open_workspace(grown)
    moment = ws.clock()
    ws.clock = lambda: moment
    for text in ("one", "two"):
        stray = ws.batches / "ab" / ("ab" * 32)
        stray.mkdir(parents=True)
        (stray / "raw.csv").write_text(text)
        assert len(unknown_files.set_aside(ws, ("batches",))) == 1
    kept = {path.read_text() for path in (grown / "data" / "unknown").rglob("raw.csv")}
    assert kept == {"one", "two"}


def test_a_note_that_cannot_be_written_never_undoes_an_event(grown: Path) -> None:
    note = grown / "mlruns" / "ledger.head"
    note.unlink()
    note.mkdir()
    assert settle(grown, batch(grown / "b3.jsonl", 3)).action == "promoted"
    verify(open_workspace(grown).ledger)


def test_reconcile_writes_the_settings_of_dvc_again(grown: Path) -> None:
    config = grown / ".dvc" / "config"
    before = config.read_bytes()
    config.unlink()
    done = ratchet(grown, "reconcile")
    assert done.code == 0 and "rewrote .dvc/config" in done.out
    assert config.read_bytes() == before
