"""Which versions share their kept answers: one key may never stand for two behaviours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.demo.tiny_base import write_tiny_base
from components.evaluation import scoring
from components.evaluation.scoring import answers_key
from components.items import make_item
from components.model import answering
from components.model.base import Base, read_base
from components.model.base_lookup import base_digest
from components.model.bundle import Bundle, json_part
from components.model.libraries import library_versions
from tests.made_bundles import PLAIN, made_bundle

TASKS = ("mood", "topic")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = write_tiny_base(tmp_path_factory.mktemp("base") / "tiny", ["good", "bad"])
    return read_base("tiny", base_digest(folder), folder)


def key(bundle: Bundle) -> str:
    return answers_key(bundle, PLAIN, "mood")


@pytest.mark.parametrize("name", ["router", "expert", "pool", "anything"])
def test_versions_that_differ_in_any_part_that_answers_share_no_answers(
    base: Base, tmp_path: Path, name: str
) -> None:
    plain = made_bundle(base, tmp_path)
    one, other = (
        made_bundle(base, tmp_path, more=[json_part(name, "answers", {"mood": n})]) for n in (1, 2)
    )
    assert len({key(plain), key(one), key(other)}) == 3


def test_versions_that_differ_in_what_only_learns_share_their_answers(
    base: Base, tmp_path: Path
) -> None:
    one, other = (
        made_bundle(
            base, tmp_path, more=[json_part("fisher", "learns", n)], said={"parent": n, "batch": n}
        )
        for n in "ab"
    )
    assert one.digest != other.digest
    assert key(one) == key(other) == key(made_bundle(base, tmp_path))


@pytest.mark.parametrize(
    "said",
    [
        {"serving": {"max_tokens": 12}},
        {"base": {"digest": "f" * 64, "name": "tiny"}},
        {"adapter": {"method": "lora", "rank": 9}},
        {"anything": "that no version says now"},
    ],
    ids=str,
)
def test_what_the_state_says_of_answering_counts(
    base: Base, tmp_path: Path, said: dict[str, object]
) -> None:
    assert key(made_bundle(base, tmp_path, said=said)) != key(made_bundle(base, tmp_path))


def test_other_libraries_another_device_and_another_format_share_no_answers(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = made_bundle(base, tmp_path)
    known = {key(bundle)}
    known |= {
        answers_key(bundle, replace(PLAIN, **other), "mood")  # type: ignore[arg-type]
        for other in ({"precision": "bfloat16"}, {"device": "cuda"})
    }
    newer = {**library_versions(), "tokenizers": "99"}
    monkeypatch.setattr(scoring, "library_versions", lambda: newer)
    assert len(known | {key(bundle)}) == 4


def test_where_a_kind_has_parts_for_each_task_each_task_has_its_own_key(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate can be per task: another expert for one leaves the answers to the others."""

    def parts(bundle: Bundle, task: str) -> str:
        return str(bundle.read_json("experts.json").get(task))

    kinds = {"classifier": replace(answering.KINDS["classifier"], parts=parts)}
    monkeypatch.setattr(answering, "KINDS", kinds)
    one, other = (
        made_bundle(base, tmp_path, more=[json_part("experts", "answers", {"mood": n, "topic": 7})])
        for n in (1, 2)
    )
    by_task = {task: [answers_key(each, PLAIN, task) for each in (one, other)] for task in TASKS}
    assert by_task["mood"][0] != by_task["mood"][1]
    assert by_task["topic"][0] == by_task["topic"][1] != by_task["mood"][0]
    asked = [make_item(text, "good", task) for task in TASKS for text in ("great", "awful")]
    grouped = scoring._by_key(one, asked, PLAIN)
    assert {key: {item.task for item in own} for key, own in grouped.items()} == {
        by_task[task][0]: {task} for task in TASKS
    }
