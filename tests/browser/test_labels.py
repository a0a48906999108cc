"""What a labeller does in MLflow's pages, in a real browser: says what inputs of a pool are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.operations import labelling
from tests.browser.chromium import MARKS, answer, opened, picture, queue_of
from tests.pools import truth
from tests.service.installation import Installation, installed, soon

pytestmark = MARKS


@pytest.fixture
def up(waiting_once: Path, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose second version waits for labels."""
    with installed(tmp_path, waiting_once) as made:
        yield made


def test_labels_are_given_in_the_queue_and_the_version_is_promoted(up: Installation) -> None:
    soon(lambda: up.cards("tiny labels"))
    with opened() as browser:
        while up.held() == [2]:
            label_all(up, browser)
            soon(lambda: up.held() != [2] or up.cards("tiny labels"))
    assert soon(lambda: up.champion() == 3, 180)
    given = labelling.recorded(up.ws)
    assert len(given) >= 10 and {each.by for each in given} == {"lea"}
    soon(lambda: not up.cards("tiny labels"))


def label_all(up: Installation, browser: Any) -> None:
    """Answer one card after the other, as the page offers them, until it has no other."""
    with queue_of(up, browser, "lea", "tiny labels", "mood, version 2") as page:
        picture(page, "label")
        while (text := up.cards("tiny labels").get(trace := shown(page))) is not None:
            page.get_by_text(text, exact=True).first.wait_for()
            answer(page, truth(text))
            soon(lambda trace=trace: trace not in up.cards("tiny labels"))
            page.wait_for_timeout(500)  # the page goes on to the next by itself, if there is one


def shown(page: Any) -> str:
    """Return which card a page shows."""
    return str(page.url).partition("selectedItemId=")[2].partition("&")[0]
