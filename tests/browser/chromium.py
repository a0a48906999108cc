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
COLOURS = 64
NO_ASSISTANT = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
"""MLflow opens its assistant beside the first page that a browser ever sees."""

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
def page_at(browser: Any, address: str, **context: Any) -> Iterator[Any]:
    """Open an address in a window of its own, MLflow's assistant closed.

    `context`: what Chromium is to know of the window.
    """
    made = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **context})
    made.set_default_timeout(PAGE_MILLISECONDS)
    made.add_init_script(NO_ASSISTANT)
    page = made.new_page()
    page.goto(address, wait_until="commit")
    yield page
    made.close()


@contextmanager
def page_of(up: Installation, browser: Any, user: str, path: str) -> Iterator[Any]:
    """Open a page of MLflow's as somebody who has logged in."""
    login = {"username": user, "password": up.passwords[user]}
    tall = {"width": 1280, "height": 1000}
    address = f"{up.mlflow}/#/{path}"
    with page_at(browser, address, viewport=tall, http_credentials=login) as page:
        yield page


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
    """Keep what is seen, in few colours, where `PICTURES` names a folder."""
    folder = os.environ.get("PICTURES")
    if folder:
        from PIL import Image

        page.wait_for_timeout(1000)
        file = Path(folder) / f"{name}.png"
        page.screenshot(path=str(file))
        Image.open(file).convert("RGB").quantize(COLOURS).save(file)
