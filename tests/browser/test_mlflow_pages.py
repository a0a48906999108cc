"""MLflow's pages as people open them by the addresses that are printed, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from components.registry.mlflow_pages import VIEW_TAG
from components.workspace.root import Workspace, open_workspace
from tests.browser.chromium import MARKS, opened, page_at, picture
from tests.command import ratchet
from tests.server import mlflow_ui
from tests.stream import batch, settle

pytestmark = MARKS

WHY = "the labels of b2 were swapped"


@dataclass(frozen=True)
class Seen:
    """A root, MLflow's pages over it, and a browser."""

    ws: Workspace
    mlflow: str
    browser: Any


@pytest.fixture(scope="module")
def seen(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A root whose versions were promoted, barred and rejected, and one registration that died."""
    root = Path(shutil.copytree(grown_once, tmp_path_factory.mktemp("pages") / "root"))
    assert settle(root, batch(root / "poisoned.jsonl", 3, flip=True)).action == "rejected"
    assert ratchet(root, "rollback", "--to", "1", "--reason", WHY, "--yes").code == 0
    ws = open_workspace(root)
    client = MlflowClient(tracking_uri=ws.registry.uri, registry_uri=ws.registry.uri)
    experiment = client.get_experiment_by_name("ratchet")
    client.create_run(experiment.experiment_id, tags={"version": ""}, run_name="died")
    with mlflow_ui(root) as url, opened() as browser:
        yield Seen(ws, url, browser)


def cells(page: Any, column: str) -> list[str]:
    """Return what a column of the table of runs says, from the top."""
    found = page.locator(f'.ag-center-cols-container [col-id="{column}"]')
    found.first.wait_for()
    return [str(text).strip() for text in found.all_inner_texts()]


def test_the_printed_address_has_version_outcome_and_accuracy_as_columns(seen: Seen) -> None:
    with page_at(seen.browser, f"{seen.mlflow}/{seen.ws.registry.runs_page()}") as page:
        assert cells(page, "tags.`version`") == ["3", "2", "1"]
        assert cells(page, "tags.`outcome`") == ["rejected", "barred", "promoted"]
        wanted = [seen.ws.registry.version(number) for number in (3, 2, 1)]
        assert cells(page, "tags.`accuracy`") == [each.tags["accuracy"] for each in wanted if each]
        headers = page.locator(".ag-header-viewport .ag-header-cell").all()
        headers.sort(key=lambda each: each.bounding_box()["x"])
        words = [each.inner_text().strip() for each in headers]
        assert words[:4] == ["version", "outcome", "accuracy", "Dataset"]
        assert page.get_by_text("poisoned · rejected").is_visible()
        assert page.get_by_text("died", exact=True).count() == 0
        assert page.get_by_role("button", name="Ratchet", exact=True).is_visible()
        picture(page, "mlflow-runs")


def test_people_find_that_table_from_the_experiment_as_well(seen: Seen) -> None:
    number = seen.ws.registry.runs_page().split("/")[2]
    address = f"{seen.mlflow}/#/experiments/{number}/runs?workflowType=machine_learning"
    with page_at(seen.browser, address) as page:
        with page.context.expect_page() as new:
            page.get_by_role("link", name="all of them, with their accuracy").click()
        assert cells(new.value, "tags.`version`") == ["3", "2", "1"]


@pytest.mark.parametrize("number", [2, 3])
def test_a_version_says_why_and_leads_to_its_report(seen: Seen, number: int) -> None:
    first = {2: f"BARRED, rolled back: {WHY}. Promote: ", 3: "Reject: "}[number]
    with page_at(seen.browser, f"{seen.mlflow}/#/models/tiny/versions/{number}") as page:
        page.locator("p", has_text=first).first.wait_for()
        picture(page, f"mlflow-version-{number}")
        report = followed(page)
        assert "The candidate" in report or "champion" in report


def test_a_run_leads_to_its_report(seen: Seen) -> None:
    version = seen.ws.registry.version(3)
    assert version is not None
    number = seen.ws.registry.runs_page().split("/")[2]
    address = f"{seen.mlflow}/#/experiments/{number}/runs/{version.run_id}"
    with page_at(seen.browser, address) as page:
        page.get_by_text("Version 3: rejected.").wait_for()
        assert "Rejected" in followed(page)


def test_the_table_that_people_made_their_own_stays(seen: Seen) -> None:
    client = MlflowClient(tracking_uri=seen.ws.registry.uri)
    found = client.get_experiment_by_name("ratchet")
    before = found.tags[VIEW_TAG]
    client.set_experiment_tag(found.experiment_id, VIEW_TAG, before.replace("380", "200"))
    assert ratchet(seen.ws.root, "reconcile").code == 0
    assert "200" in client.get_experiment(found.experiment_id).tags[VIEW_TAG]
    client.set_experiment_tag(found.experiment_id, VIEW_TAG, before)


def followed(page: Any) -> str:
    """Follow the link to the report, as a click does; return what the report says."""
    with page.context.expect_page() as new:
        page.get_by_role("link", name="The report").click()
    shown = new.value
    frame = shown.frame_locator("iframe").locator("main, body").first
    frame.wait_for()
    return str(frame.inner_text())
