"""Damage and mistakes around a batch: one paragraph, the right code, and it works once mended."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from components.ledger import views
from components.ledger.verify import verify
from components.workspace.root import open_workspace
from flows import steps
from tests.command import Ran, assert_one_paragraph, files_up_to, ratchet, typed
from tests.server import Server
from tests.stream import PARAMS, batch

pytestmark = pytest.mark.usefixtures("prefect_here")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without the pause; how often is tested with the flows."""
    monkeypatch.setattr(steps, "RETRY_DELAY_SECONDS", 0)


def run(root: Path, seed: int = 3) -> Ran:
    return ratchet(root, "run", batch(root / f"b{seed}.jsonl", seed), "--task", "mood")


def assert_refused(ran: Ran, code: int, *says: str) -> None:
    assert ran.code == code, ran.err
    assert_one_paragraph(ran)
    assert all(word in ran.err for word in says), ran.err


def assert_whole_and_working(root: Path) -> None:
    """Nothing is half done: the same command again promotes the very batch that failed."""
    ws = open_workspace(root)
    verify(ws.ledger)
    assert [v.version for v in views.lineage(ws.ledger)] == [2, 1]
    ran = run(root)
    assert (ran.code, ran.err) == (0, ""), ran.err
    assert ws.registry.aliases() == {"champion": 3} and len(ws.registry.versions()) == 3
    assert not views.open_keys(ws.ledger) and not list(root.rglob("*.part"))


def test_a_typo_in_the_settings_names_the_field_and_the_legal_ones(grown: Path) -> None:
    (grown / "params.yaml").write_text(PARAMS.replace("epochs", "epoch"))
    ran = run(grown)
    assert_refused(ran, 2, "unknown setting `training.epoch`", "epochs", "params.yaml")
    (grown / "params.yaml").write_text(PARAMS)
    assert_whole_and_working(grown)


def test_a_missing_base_is_named_before_anything_is_taken_in(grown: Path) -> None:
    (grown / "base").rename(grown / "gone")
    before = ratchet(grown, "status", "--json").facts["inbox"]
    assert_refused(run(grown), 2, "`model.base` is 'base'", "no such folder")
    assert ratchet(grown, "status", "--json").facts["inbox"] == before
    (grown / "gone").rename(grown / "base")
    assert_whole_and_working(grown)
    (grown / "base").rename(grown / "gone")
    waiting = batch(grown / "data" / "incoming" / "mood" / "b4.jsonl", 4)
    assert_refused(ratchet(grown, "intake"), 2, "`model.base` is 'base'")
    assert not waiting.exists(), "it arrived, and waits"


def test_a_corrupted_bundle_ends_with_4_and_names_the_file(grown: Path) -> None:
    champion = views.champion(open_workspace(grown).ledger)
    assert champion is not None
    head = grown / "mlruns" / "bundles" / champion.bundle / "head.safetensors"
    sound = head.read_bytes()
    head.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert_refused(run(grown), 4, "head.safetensors")
    assert_refused(ratchet(grown, "predict", "good"), 4, "head.safetensors")
    head.write_bytes(sound)
    assert_whole_and_working(grown)


def test_a_missing_bundle_ends_with_4(grown: Path) -> None:
    champion = views.champion(open_workspace(grown).ledger)
    assert champion is not None
    folder = grown / "mlruns" / "bundles" / champion.bundle
    folder.rename(grown / "kept")
    assert_refused(run(grown), 4, champion.bundle[:12])
    (grown / "kept").rename(folder)
    assert_whole_and_working(grown)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_registry_is_said_to_be_locked(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "RETRIES", 0)
    with locked(grown / "mlruns" / "mlflow.db"):
        ran = run(grown)
    assert_refused(ran, 1, "mlflow.db", "locked")
    assert_whole_and_working(grown)


def test_an_absent_registry_is_damage_not_a_fresh_start(grown: Path) -> None:
    database = grown / "mlruns" / "mlflow.db"
    database.rename(grown / "kept.db")
    assert_refused(run(grown), 4, "mlflow.db")
    assert not database.exists()
    (grown / "kept.db").rename(database)
    assert_whole_and_working(grown)


@pytest.mark.parametrize("damage", ["absent", "garbage", "emptied"])
def test_a_damaged_ledger_ends_with_4(grown: Path, damage: str) -> None:
    ledger = grown / "mlruns" / "ratchet.db"
    shutil.copyfile(ledger, grown / "kept.db")
    if damage == "absent":
        ledger.unlink()
    else:
        ledger.write_bytes(b"no database at all\n" * 900 if damage == "garbage" else b"")
    for command in (["status"], ["history"], ["audit", "verify"]):
        assert_refused(ratchet(grown, *command), 4, "ratchet.db")
    assert_refused(run(grown), 4, "ratchet.db")
    (grown / "kept.db").replace(ledger)
    assert ratchet(grown, "audit", "verify").code == 0


@pytest.mark.parametrize("size", [4_000, 60_000])
def test_a_write_that_fails_half_way_leaves_nothing_half_done(grown: Path, size: int) -> None:
    file = batch(grown / "b3.jsonl", 3)
    with files_up_to(size):
        ran = ratchet(grown, "run", file, "--task", "mood")
    assert ran.code in (1, 4), ran.out
    assert_one_paragraph(ran)
    assert_whole_and_working(grown)


def test_a_file_where_a_folder_should_be_is_named(grown: Path) -> None:
    documents = grown / "mlruns" / "documents"
    documents.rename(grown / "kept")
    documents.write_text("")
    ran = run(grown)
    assert_refused(ran, 1, "documents")
    documents.unlink()
    (grown / "kept").rename(documents)
    assert_whole_and_working(grown)


def test_a_missing_base_costs_no_prefect_and_no_torch(grown: Path) -> None:
    (grown / "base" / "tokenizer.json").unlink()
    program = (
        "import sys; from components.cli.main import main; sys.argv[1:] = sys.argv[2:]\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "assert {'prefect', 'torch', 'transformers'}.isdisjoint(sys.modules); sys.exit(code)"
    )
    file = batch(grown / "b3.jsonl", 3)
    command = [sys.executable, "-c", program, "-", "--root", str(grown), "run", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert_refused(Ran(done.returncode, done.stdout, done.stderr), 2, "has no tokenizer.json")


@pytest.mark.parametrize("inside", ["data", "data/incoming/mood", "mlruns/bundles"])
def test_a_command_finds_the_root_that_it_stands_in(
    grown: Path, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (grown / inside).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(grown / inside)
    assert typed("status", "--json").facts["root"] == str(grown)
    assert typed("run", "nothing.jsonl").err.startswith("error (config): There is no file nothing")


def test_a_new_root_is_made_where_one_stands_and_other_settings_are_no_root(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = grown / "data" / "other"
    within.mkdir(parents=True)
    monkeypatch.chdir(within)
    made = typed("init")
    assert made.code == 0 and str(within) in made.out and (within / "params.yaml").exists()
    assert "is downloaded by the first run" in made.out
    alone = grown.parent / "dvc"
    (alone / "src").mkdir(parents=True)
    (alone / "params.yaml").write_text("lr: 1\n")
    monkeypatch.chdir(alone / "src")
    assert_refused(typed("status"), 2, "No settings", "ratchet init")


def test_a_root_that_does_not_exist_is_told_how_to_make_one(tmp_path: Path) -> None:
    for command in (["status"], ["run", "b.jsonl"], ["watch"], ["reconcile"]):
        assert_refused(ratchet(tmp_path / "nowhere", *command), 2, "nowhere", "ratchet init")
    assert not (tmp_path / "nowhere").exists()


def test_a_defect_is_told_as_one_and_debug_shows_it(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(views, "champion", fall_over)
    ran = ratchet(grown, "status")
    assert ran.code == 1 and "Traceback" not in ran.err
    assert ran.err.startswith("error (defect): ZeroDivisionError: by zero")
    with pytest.raises(ZeroDivisionError):
        ratchet(grown, "--debug", "status")


def test_prefect_that_does_not_answer_is_named(grown: Path, prefect_here: Server) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert_refused(run(grown), 1, "127.0.0.1:9", "PREFECT_API_URL")
    assert_whole_and_working(grown)
