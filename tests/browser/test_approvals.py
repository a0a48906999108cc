"""What an approver does in MLflow's pages, in a real browser: reads a held version, and decides.

`PICTURES=docs/service` keeps what was seen there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.ledger import views
from components.ledger.events import RegistryCalled
from tests.browser.chromium import MARKS, answer, opened, page_of, picture, queue_of
from tests.service.installation import Installation, installed, soon
from tests.stream import batch

pytestmark = MARKS


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with two versions, the second held when the first was decided."""
    with installed(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened() as made:
        yield made


def set_tag(page: Any, word: str) -> None:
    """Set the tag `approval` as a person does: pencil, text, Save."""
    row = page.locator("tr[data-row-key=approval]")
    row.get_by_test_id("editable-table-button-edit").click()
    row.get_by_test_id("editable-table-edited-input").fill(word)
    row.get_by_test_id("editable-table-button-save").click()


def held(up: Installation, number: int) -> None:
    """Let a batch come whose version is held."""
    batch(up.root / "data" / "incoming" / "mood" / f"b{number}.jsonl", number)
    assert soon(up.held, 180) == [number]
    soon(lambda: up.tag_of(number) == "pending")


def test_a_held_version_is_read_and_approved_in_the_queue(up: Installation, browser: Any) -> None:
    held(up, 1)
    with page_of(up, browser, "ann", "models/tiny/versions/1") as page:
        page.get_by_text("Hold for approval: learned mood.").first.wait_for()
        picture(page, "held")
    soon(lambda: up.cards("tiny approvals"))
    with queue_of(up, browser, "ann", "tiny approvals", "approvals") as page:
        page.get_by_text("Is version 1 of tiny to come into force?").wait_for()
        picture(page, "approval")
        answer(page, "approved", "read forty of them")
        assert soon(up.champion) == 1
    soon(lambda: up.ws.registry.alias("champion") == 1)
    [word] = views.words(up.ws.ledger, 1)
    assert (word.speaker, word.reason) == ("ann", "read forty of them")
    with page_of(up, browser, "ann", "models/tiny/versions/1") as page:
        page.get_by_text("champion: approve by ann").wait_for()
        picture(page, "approved")


def test_who_is_no_approver_is_refused_on_the_page(up: Installation, browser: Any) -> None:
    held(up, 2)
    with page_of(up, browser, "vera", "models/tiny/versions/2") as page:
        set_tag(page, "approved")
        refused = soon(
            lambda: [
                each.payload
                for each in views.told(up.ws.ledger, RegistryCalled)
                if each.payload.version == 2
            ]
        )
        assert [(each.user, each.status) for each in refused] == [("vera", 403)]
        picture(page, "refused")
    assert up.held() == [2] and up.champion() == 1


def test_another_is_rejected_by_its_tag(up: Installation, browser: Any) -> None:
    with page_of(up, browser, "ben", "models/tiny/versions/2") as page:
        set_tag(page, "rejected: wrong source")
        soon(lambda: not up.held())
        page.reload(wait_until="commit")
        page.get_by_text("rejected: reject by ben").wait_for()
        picture(page, "rejected")
    version = views.version(up.ws.ledger, 2)
    assert version is not None and version.status == "rejected" and up.champion() == 1
    soon(lambda: not up.cards("tiny approvals"))
