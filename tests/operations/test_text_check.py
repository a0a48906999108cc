"""Languages and markup that the champion never learned, told before a run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from components.items import Item, make_item
from components.operations.text_check import Unlike, unlike_earlier
from components.workspace.root import Workspace, open_workspace
from tests.command import ratchet
from tests.stream import rows, write_jsonl

BASQUE = "iota beta zeta eta delta".split()
"""Words that the tiny base knows, and that are Basque to the identifier of languages."""


def basque(count: int) -> list[dict[str, str]]:
    pick = random.Random(3)
    texts = (" ".join(pick.choices(BASQUE, k=9)) for _ in range(count))
    return [{"text": text, "label": ["pos", "neg"][n % 2]} for n, text in enumerate(texts)]


def items(values: list[dict[str, str]]) -> list[Item]:
    return [make_item(row["text"], row["label"], "mood") for row in values]


@pytest.fixture
def ws(grown: Path) -> Workspace:
    return open_workspace(grown)


def test_texts_of_the_same_kind_are_nothing_new(ws: Workspace) -> None:
    found = unlike_earlier(ws, items(rows(7)))
    assert found == Unlike({}, found.clear, "en", 0.0) and found.clear > 20
    assert found.doubts("mood") == found.notes() == []


def test_a_new_language_is_named_with_its_texts_and_what_to_do(ws: Workspace) -> None:
    found = unlike_earlier(ws, items(rows(7) + basque(20)))
    assert list(found.languages) == ["eu"] and not found.unknown
    [said] = found.doubts("mood")
    assert f"another one than the champion learned (en): {found.languages['eu']} eu." in said
    assert "`ratchet holdout add FILE --task mood --fill`" in said
    assert unlike_earlier(ws, items(basque(40))).unknown


def test_a_few_texts_of_another_language_are_nothing_to_say(ws: Workspace) -> None:
    assert unlike_earlier(ws, items(rows(7) + basque(3))).languages == {}


def test_markup_is_a_note(ws: Workspace) -> None:
    wrapped = [{**row, "text": f"<p>{row['text']}&nbsp;</p>"} for row in rows(7)]
    found = unlike_earlier(ws, items(wrapped))
    [note] = found.notes()
    assert note.startswith("100 % of the texts have markup") and found.doubts("mood") == []
    signs = [{**row, "text": f"3 < 4 & 5 > 2 {row['text']}"} for row in rows(7)]
    assert unlike_earlier(ws, items(signs)).markup == 0


def test_check_says_the_language_and_not_that_the_labels_are_wrong(
    grown: Path, tmp_path: Path
) -> None:
    """Fault: German rows with right labels were `labels may be wrong: correct the file`."""
    file = write_jsonl(tmp_path / "eu.jsonl", basque(80))
    ran = ratchet(grown, "check", file, "--task", "mood", "--json")
    assert ran.code == 3 and list(ran.facts["unlike"]["languages"]) == ["eu"]
    [said] = ran.facts["warnings"]
    assert said.startswith("The language is new: ")
