"""What a person does in MLflow's pages, in a real browser: read a held version, and decide on it.

`PICTURES=docs/service` keeps what was seen there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.ledger import views
from components.ledger.events import RegistryCalled
from tests.service.installation import Installation, installed, soon
from tests.stream import batch

CHROMIUM = shutil.which("chromium")
PAGE_MILLISECONDS = 90_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with three versions, each held when the one before was decided."""
    with installed(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@contextmanager
def page_of(up: Installation, browser: Any, user: str, version: int) -> Iterator[Any]:
    """Open a version's page as somebody who has logged in."""
    login = {"username": user, "password": up.passwords[user]}
    context = browser.new_context(http_credentials=login, viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PAGE_MILLISECONDS)
    page = context.new_page()
    page.goto(f"{up.mlflow}/#/models/tiny/versions/{version}", wait_until="commit")
    page.locator("tr[data-row-key=approval]").wait_for()
    yield page
    context.close()


def picture(page: Any, name: str) -> None:
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def decide(page: Any, word: str) -> None:
    """Set the tag `approval` as a person does: pencil, text, Save."""
    row = page.locator("tr[data-row-key=approval]")
    row.get_by_test_id("editable-table-button-edit").click()
    row.get_by_test_id("editable-table-edited-input").fill(word)
    row.get_by_test_id("editable-table-button-save").click()


def held(up: Installation, number: int) -> None:
    """Let a batch come whose version is held."""
    batch(up.root / "data" / "incoming" / "mood" / f"b{number}.jsonl", number)
    assert soon(up.held, 180) == [number]
    shown = soon(lambda: up.ws.registry.version(number))
    soon(lambda: up.ws.registry.version(number).tags.get("approval") == "pending")
    assert shown is not None


def test_a_held_version_is_read_approved_and_champion(up: Installation, browser: Any) -> None:
    held(up, 1)
    with page_of(up, browser, "ann", 1) as page:
        assert page.get_by_text("Hold for approval: learned mood.").count() >= 1
        picture(page, "held")
        decide(page, "approved: read forty of them")
        assert soon(up.champion) == 1
        soon(lambda: up.ws.registry.alias("champion") == 1)
        page.reload(wait_until="commit")
        page.get_by_text("champion: approve by ann").wait_for()
        picture(page, "approved")


def test_who_is_no_approver_is_refused_on_the_page(up: Installation, browser: Any) -> None:
    held(up, 2)
    with page_of(up, browser, "vera", 2) as page:
        decide(page, "approved")
        refused = soon(
            lambda: [
                each.payload
                for each in views.told(up.ws.ledger, RegistryCalled)
                if each.payload.version == 2
            ]
        )
        assert [(each.user, each.status) for each in refused] == [("vera", 403)]
        page.wait_for_timeout(1000)
        picture(page, "refused")
    assert up.held() == [2] and up.champion() == 1


def test_another_is_rejected_by_its_tag(up: Installation, browser: Any) -> None:
    with page_of(up, browser, "ben", 2) as page:
        decide(page, "rejected: wrong source")
        soon(lambda: not up.held())
        page.reload(wait_until="commit")
        page.get_by_text("rejected: reject by ben").wait_for()
        picture(page, "rejected")
    version = views.version(up.ws.ledger, 2)
    assert version is not None and version.status == "rejected" and up.champion() == 1
