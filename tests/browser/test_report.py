"""The pages as a person sees them: no scrolling sideways, not too long, readable in the dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.ledger import views
from components.pipeline import pages
from components.pipeline.reporting import report_path
from components.workspace.root import open_workspace
from tests.browser.chromium import MARKS, opened, picture
from tests.stream import BAD, GOOD, add_exam, batch, copied, rows, settle, write_jsonl

pytestmark = MARKS

TALLEST = 2_500
"""Pixels of a page at 1200 pixels of width, with everything folded."""

LONG = "a label whose name takes sixty characters, as some people do"
HTML = "<script>document.title='broken'</script><b>bold</b>"


@pytest.fixture(scope="module")
def pages_to_see(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pages of a root with long labels, hostile texts, 25 labels and a rejected batch."""
    root = copied(grown_once, tmp_path_factory.mktemp("seen") / "root")
    many = [
        {"text": f"{word} {other} {HTML}", "label": f"{LONG} {place}"[-60:]}
        for place, word in enumerate([*GOOD, *BAD])
        for other in rows(place, 12)[0]["text"].split() * 2
    ]
    add_exam(root, write_jsonl(root / "many-exam.jsonl", many[::2]), "intents")
    settle(root, write_jsonl(root / "many.jsonl", many[1::2]), "intents")
    settle(root, batch(root / "turned.jsonl", 3, flip=True))
    ws = open_workspace(root)
    found = [report_path(ws, v.batch, v.bundle) for v in views.versions(ws.ledger)]
    return [pages.write_index(ws), *found]


@pytest.fixture(scope="module")
def browser() -> Any:
    with opened() as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_a_page_fits_its_screen(
    browser: Any, pages_to_see: list[Path], width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in pages_to_see:
        page = context.new_page()
        page.goto(path.as_uri())
        picture(page, f"{path.stem}-{width}-{scheme}")
        if width == 1200:
            assert page.evaluate("document.documentElement.scrollHeight") < TALLEST, path
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert "broken" not in page.title()
        page.close()
    context.close()


def test_dark_pages_are_dark_and_plots_follow(browser: Any, pages_to_see: list[Path]) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(pages_to_see[-1].as_uri())
        back = page.eval_on_selector("body", "each => getComputedStyle(each).backgroundColor")
        dot = page.eval_on_selector("svg circle", "each => getComputedStyle(each).fill")
        colours[scheme] = (back, dot)
        context.close()
    assert colours["light"][0] != colours["dark"][0]
    assert colours["light"][1] != colours["dark"][1]
