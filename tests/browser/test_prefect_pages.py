"""Prefect's pages of a batch, in a real browser: the list of runs, the run, and its artifact."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.pipeline import arrival
from components.workspace.root import open_workspace
from flows.intake import drain
from tests.browser.chromium import MARKS, opened, page_at, picture
from tests.server import serve
from tests.stream import batch

pytestmark = MARKS

TALL = {"width": 1280, "height": 1000}


def test_a_rejected_batch_is_named_so_and_its_artifact_says_why_and_what_now(
    grown: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ws = open_workspace(grown)
    arrival.arrive(ws, batch(grown / "Poisoned mood.jsonl", 3, flip=True), "mood")
    arrival.arrive(ws, batch(grown / "sunny.jsonl", 4), "mood")
    with serve(tmp_path_factory.mktemp("prefect"), ui=True) as server:
        with server.here():
            assert [each["action"] for each in drain(ws)] == ["rejected", "promoted"]
        pages = server.url.removesuffix("/api")
        with opened() as browser, page_at(browser, pages, viewport=TALL) as page:
            page.get_by_role("link", name="Runs", exact=True).click()
            page.get_by_role("link", name="sunny · promoted").wait_for()
            picture(page, "prefect-runs")
            page.get_by_role("link", name="Poisoned mood · rejected").click()
            page.get_by_text("Rejected", exact=True).first.wait_for()
            page.get_by_role("tab", name="Artifacts").click()
            page.get_by_role("link", name="poisoned-mood-").click()
            page.locator('a[href*="/artifacts/artifact/"]').click()
            page.get_by_role("heading", name="rejected: Poisoned mood.jsonl, version 3").wait_for()
            picture(page, "prefect-artifact")
            said = page.locator("body").inner_text()
            assert "likely cause: labels of mood look flipped" in said
            first = page.get_by_role("row").nth(1).inner_text().split("\t")
            assert [word.strip() for word in first][:3] == ["forgetting", "mood", "FAIL"]
            place = said.index("Next: ratchet version explain 3")
            assert said.index("likely cause") < place < said.index("more checks passed")
