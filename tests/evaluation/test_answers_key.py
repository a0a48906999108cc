"""Which versions share their kept answers: one key may never stand for two behaviours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.demo.tiny_base import write_tiny_base
from components.evaluation import scoring
from components.evaluation.scoring import answers_key
from components.model.base import Base, read_base
from components.model.base_lookup import base_digest
from components.model.bundle import Bundle, json_part
from components.model.libraries import library_versions
from tests.made_bundles import PLAIN, made_bundle


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
