"""A real browser, and MLflow's pages as a person sees them who has logged in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.installation import Installation

CHROMIUM = shutil.which("chromium")
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update")
PAGE_MILLISECONDS = 90_000

MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@contextmanager
def opened() -> Iterator[Any]:
    """Start Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@contextmanager
def page_of(up: Installation, browser: Any, user: str, path: str) -> Iterator[Any]:
    """Open a page of MLflow's as somebody who has logged in."""
    login = {"username": user, "password": up.passwords[user]}
    context = browser.new_context(http_credentials=login, viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PAGE_MILLISECONDS)
    page = context.new_page()
    page.goto(f"{up.mlflow}/#/{path}", wait_until="commit")
    yield page
    context.close()


@contextmanager
def queue_of(
    up: Installation, browser: Any, user: str, experiment: str, queue: str
) -> Iterator[Any]:
    """Open a review queue as somebody who has logged in, and start to review."""
    number = up.experiment(experiment)
    with page_of(up, browser, user, f"experiments/{number}/review-queue") as page:
        page.get_by_text(queue, exact=True).first.click()
        page.get_by_role("button", name="Start review").click()
        page.get_by_text("Select an option").wait_for()
        yield page


def answer(page: Any, option: str, reason: str = "") -> None:
    """Choose an answer, give a reason, and submit both."""
    page.get_by_text("Select an option").click()
    page.get_by_role("option", name=option, exact=True).click()
    if reason:
        page.get_by_placeholder("Rationale (optional)").fill(reason)
    page.get_by_role("button", name="Submit").click()


def picture(page: Any, name: str) -> None:
    """Keep what is seen, where `PICTURES` names a folder."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.wait_for_timeout(1000)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
