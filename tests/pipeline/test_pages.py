"""Pages that follow what becomes of their versions, and an index of all batches."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import DataRejected
from components.ledger import views
from components.operations.rollback import roll_back
from components.operations.rollback_undo import undo
from components.operations.verification import verify
from components.pipeline import pages
from components.pipeline.champion_accuracy import champion_accuracy, shown_exams
from components.pipeline.reporting import AS_EXAMINED, FACTS, report_path
from components.pipeline.sittings import Paper
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.report.test_batch_report import Page
from tests.stream import batch, copied, settle


def page_of(ws: Workspace, number: int) -> Path:
    version = views.version(ws.ledger, number)
    assert version is not None
    return report_path(ws, version.batch, version.bundle)


def text(path: Path) -> str:
    return Page(path.read_text(encoding="utf-8")).text


@pytest.fixture(scope="module")
def rolled_back(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a rejected batch, a refused one, and a version that was rolled back."""
    root = copied(grown_once, tmp_path_factory.mktemp("pages") / "root")
    assert settle(root, batch(root / "turned.jsonl", 3, flip=True)).action == "rejected"
    odd = root / "odd.csv"
    odd.write_text("a;b\n1;2\n", encoding="utf-8")
    try:
        settle(root, odd)
    except DataRejected:
        pass
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        roll_back(ws, lease, None, "Customers complained about refunds.")
    return root


def test_a_page_says_what_became_of_its_version(rolled_back: Path) -> None:
    ws = open_workspace(rolled_back)

    assert text(page_of(ws, 1)).startswith("In force Version 1 ")
    barred = text(page_of(ws, 2))
    assert barred.startswith("Barred Version 2 ")
    assert "must not ship: it was rolled back to version 1 on " in barred
    assert "Customers complained about refunds." in barred
    assert "When it was examined: change from" in barred
    assert "If that was a slip: ratchet rollback --undo --reason WHY" in barred
    rejected = text(page_of(ws, 3))
    assert rejected.startswith("Rejected Version 3 ")
    assert "Likely cause: labels of mood look flipped" in rejected


def test_the_index_has_every_batch_refused_ones_too_with_cause_and_link(
    rolled_back: Path,
) -> None:
    ws = open_workspace(rolled_back)
    index = pages.index_path(ws)
    told = text(index)

    assert "Version 1 is in force. Of 4 batches: 1 barred, 1 rejected, 1 refused." in told
    assert "turned.jsonl" in told and "labels of mood look flipped" in told
    assert "odd.csv" in told and "it has 'a', 'b'" in told
    assert "barred 2 Version 2 must not ship" in told
    links = [each["href"] for tag, each in Page(index.read_text()).tags if tag == "a"]
    assert len(links) == 3 and all((index.parent / str(link)).exists() for link in links)
    assert "rollback to version 1, " in index.read_text(), "the rollback is not marked"
    assert str(index) in ratchet(rolled_back, "status").out


def test_everything_can_be_written_again_and_the_registrys_copy_stays_as_it_was(
    rolled_back: Path, tmp_path: Path
) -> None:
    root = copied(rolled_back, tmp_path / "root")
    ws = open_workspace(root)
    before = {number: text(page_of(ws, number)) for number in (1, 2, 3)}
    kept = page_of(ws, 2).with_suffix("") / AS_EXAMINED
    assert text(kept).startswith("Passed Candidate ")
    for page in (root / "mlruns" / "reports").glob("*.html"):
        page.unlink()

    ran = ratchet(root, "report", "--json")
    assert Path(ran.facts["index"]).exists()
    assert {number: text(page_of(ws, number)) for number in (1, 2, 3)} == before
    assert not verify(open_workspace(root), deep=False).findings


def test_a_page_without_kept_facts_is_written_from_the_evidence(
    rolled_back: Path, tmp_path: Path
) -> None:
    ws = open_workspace(copied(rolled_back, tmp_path / "root"))
    page = page_of(ws, 2)
    (page.with_suffix("") / FACTS).unlink()
    pages.write_pages(ws, [2])

    assert text(page).startswith("Barred Version 2 ")
    assert "mood 200 items" in text(page)


def test_writing_pages_loads_neither_matplotlib_nor_torch(rolled_back: Path) -> None:
    import subprocess

    code = (
        "import sys; from pathlib import Path;"
        "from components.pipeline import pages;"
        "from components.workspace.root import open_workspace;"
        f"pages.write_all(open_workspace(Path({str(rolled_back)!r})));"
        "sys.exit(bool({'matplotlib', 'torch', 'mlflow'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_panel_has_the_exam_on_which_the_champion_is_told(rolled_back: Path) -> None:
    ws = open_workspace(rolled_back)
    told = champion_accuracy(ws)
    (panel,) = pages._panels(ws)

    assert {each.exam for each in panel.steps} == {each.exam for each in told} == {"mood"}
    batches = [replace(each, exam="mood#batches") for each in told]
    assert shown_exams(ws, batches, views.versions(ws.ledger)) == {"mood": "mood#batches"}
    assert shown_exams(ws, [], views.versions(ws.ledger)) == {"mood": "mood"}


def test_a_step_is_of_one_exam_also_where_another_has_more_items(rolled_back: Path) -> None:
    version = views.version(open_workspace(rolled_back).ledger, 2)
    assert version is not None
    kept = {
        "mood": {"champion": "1111", "candidate": "1110"},
        "mood#batches": {"champion": "10" * 99, "candidate": "00" * 99},
    }
    sat = Paper("", kept, {}, frozenset(), frozenset(kept))

    parent, own = pages._steps(sat, "mood", version, {1: "champion", 2: "barred"})
    assert (parent.version, parent.after, parent.items) == (1, 1.0, 4)
    assert (own.version, own.before, own.after, own.items) == (2, 1.0, 0.75, 4)


def test_a_rollback_and_its_undo_are_drawn_although_it_was_the_newest_version(
    grown: Path,
) -> None:
    ws = open_workspace(grown)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        roll_back(ws, lease, None, "Refunds were wrong.")
        undo(ws, lease, "It was the shop.")
    index = pages.write_index(ws).read_text(encoding="utf-8")

    assert "rollback to version 1, " in index and "undo to version 2, " in index
    assert "Refunds were wrong." in index and "It was the shop." in index
