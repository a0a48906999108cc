"""`adapter.method: auto`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.settings import Settings
from components.training import method_choice
from components.training.candidate import draft, learn
from components.training.method_choice import CANDIDATES, chosen_method

SMALL = ({"method": "lora", "rank": 2, "layers": 1}, {"method": "prompt", "tokens": 4},
         {"method": "full"}, {"method": "llama_adapter"}, {"method": "head"})  # fmt: skip


@pytest.fixture
def with_auto(settings: Any) -> Any:
    def made(strategy: dict[str, Any] | None = None, max_tokens: int = 64, **limits: Any) -> Any:
        values = settings.model_dump() | {"adapter": {"method": "auto", **limits}}
        values["model"] |= {"max_tokens": max_tokens}
        return Settings.model_validate(values | {"strategy": strategy or values["strategy"]})

    return made


@pytest.fixture
def choose(base: Any, with_auto: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(method_choice, "CANDIDATES", SMALL)
    monkeypatch.setattr(method_choice, "RUNGS", (40, 80))

    def run(rows: int = 24, **values: Any) -> tuple[dict[str, Any], str]:
        items = make_rows(["good", "bad", "cat", "dog"], rows)
        return chosen_method(base, items, with_auto(**values))

    return run


def test_what_was_tried_and_why_is_told(choose: Any) -> None:
    chosen, why = choose(max_latency_ratio=100.0)
    assert Settings.model_validate({"adapter": chosen}).adapter.method in {
        each["method"] for each in SMALL
    }
    assert "the best of 4 judged, on up to 80 rows of the first batch" in why
    assert "of 5 candidates, 1 left out and 0 not tried" in why
    assert "llama_adapter: it needs a decoder" in why
    assert "% after" in why


def test_what_is_too_large_or_too_slow_is_left_out(choose: Any) -> None:
    chosen, why = choose(max_kilobytes=20.0, max_latency_ratio=1.0001)
    assert chosen["method"] in ("lora", "head")
    assert "full layers all" in why or "full:" in why
    assert "kB" in why and "times the base's time" in why


def test_a_search_out_of_time_takes_the_best_so_far_and_says_how_little_was_judged(
    choose: Any,
) -> None:
    chosen, why = choose(max_seconds=1e-9)
    assert chosen["method"] == "lora" and chosen["rank"] == 2
    assert why.startswith("the only one judged, on up to 80 rows of the first batch; of 5")
    assert "0 left out and 4 not tried" in why and "head: not tried: " in why


def test_a_search_out_of_time_goes_on_until_one_is_judged(choose: Any) -> None:
    chosen, why = choose(strategy={"method": "prototype"}, max_seconds=1e-9, max_kilobytes=2.0)
    assert chosen["method"] == "head"
    assert why.startswith("the only one judged, on") and "4 left out and 0 not tried" in why


def test_too_few_rows_decide_nothing(choose: Any) -> None:
    chosen, why = choose(rows=5)
    assert chosen["method"] == "lora"
    assert why == "the first batch has too few rows to decide (20)"


def test_from_too_few_rows_the_first_candidate_within_the_limits_is_taken(choose: Any) -> None:
    chosen, why = choose(rows=5, max_kilobytes=2.0)
    assert chosen["method"] == "head"
    assert "too few rows to decide (20); the first one that can be used within the limits" in why
    assert re.search(r"lora rank 2 layers 1: [\d.]+ kB", why)


@pytest.mark.parametrize("rows", [5, 24])
def test_where_nothing_stays_within_the_limits_the_one_to_raise_is_named(
    choose: Any, rows: int
) -> None:
    with pytest.raises(ConfigError, match="stays within the limits") as refused:
        choose(rows=rows, max_kilobytes=0.1)
    told = re.match(
        r"Raise `adapter\.max_kilobytes` to (\d+) or more \(the smallest, head: [\d.]+ kB\)",
        refused.value.remedy,
    )
    assert told
    assert choose(rows=rows, max_kilobytes=float(told[1]))[0]["method"] == "head"


def test_where_all_are_too_slow_the_quickest_is_named(
    choose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_choice, "CANDIDATES", SMALL[1:2])
    monkeypatch.setattr(method_choice, "_latency", lambda *_: 1.234)
    with pytest.raises(ConfigError) as refused:
        choose()
    assert "`adapter.max_latency_ratio` to 1.24 or more (the quickest, prompt" in str(refused.value)
    assert choose(max_latency_ratio=1.24)[0]["method"] == "prompt"


@pytest.mark.parametrize("rows", [5, 24])
def test_what_has_no_room_beside_the_longest_text_is_left_out(
    base: Any, choose: Any, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(method_choice, "CANDIDATES", SMALL[1:3])
    chosen, why = choose(rows=rows, max_tokens=base.max_tokens - 3)
    assert chosen["method"] == "full"
    assert "prompt tokens 4: it puts 4 tokens before a text of up to `model.max_tokens` 125" in why


def test_what_the_strategy_can_not_use_is_left_out(choose: Any) -> None:
    chosen, why = choose(strategy={"method": "olora"})
    assert chosen["method"] == "lora"
    assert "head: `strategy.method` olora can't use it: it needs `adapter.method: lora`" in why
    assert why.startswith("the only one judged")


@pytest.mark.parametrize("rows", [5, 24])
def test_where_no_candidate_can_be_used_the_methods_to_name_are_told(
    choose: Any, rows: int
) -> None:
    with pytest.raises(
        ConfigError, match=r"can be used with tiny and `strategy\.method` osf"
    ) as no:
        choose(rows=rows, strategy={"method": "osf"})
    assert no.value.remedy == "Name the method: set `adapter.method` to one of: osf."


STRATEGIES = [{"method": "hybrid"}, {"method": "hybrid", "features": "fourier", "size": 300},
              {"method": "analytic", "features": "plain"}, {"method": "replay"},
              {"method": "experts"}, {"method": "pool", "modules": 2}]  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda own: " ".join(map(str, own.values())))
def test_a_draft_weighs_what_the_version_will(
    base: Any, with_auto: Any, make_rows: Any, tmp_path: Path, strategy: dict[str, Any]
) -> None:
    items = make_rows(["good", "bad", "cat"], 12)
    lesson = method_choice._lesson(items)
    own = method_choice._with(with_auto(strategy), {"method": "lora", "rank": 2})
    (tmp_path / "draft").mkdir()
    version = learn(base, tmp_path / "bundles", lesson, own)
    assert draft(base, tmp_path / "draft", lesson, own) == version.answering_bytes()


def test_limits_hold_for_the_version_that_the_roots_strategy_makes(
    base: Any, choose: Any, with_auto: Any, make_rows: Any, tmp_path: Path
) -> None:
    """A solved head of 2,000 features weighs more than all candidates' adapters."""
    hybrid = {"method": "hybrid"}
    with pytest.raises(ConfigError, match="the smallest, head: ") as refused:
        choose(strategy=hybrid, max_kilobytes=30.0)
    limit = float(re.findall(r"to (\d+) or more", refused.value.remedy)[0])
    chosen, _ = choose(strategy=hybrid, max_kilobytes=limit)
    own = method_choice._with(with_auto(hybrid), chosen)
    items = make_rows(["good", "bad", "cat", "dog"], 24)
    version = learn(base, tmp_path, method_choice._lesson(items), own)
    assert 30.0 <= limit - 1 < version.answering_bytes() / 1000 <= limit


def test_a_label_that_no_trial_sees_is_weighed(
    base: Any, with_auto: Any, make_rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_choice, "RUNGS", (2,))
    items = make_rows(["good", "bad", "cat", "dog"], 3)
    shown = method_choice._of_all_labels(items)
    assert {item.label for item in shown} == {"good", "bad", "cat", "dog"}
    own = method_choice._with(with_auto({"method": "hybrid"}), {"method": "head"})
    version = learn(base, tmp_path / "bundles", method_choice._lesson(items), own)
    (tmp_path / "draft").mkdir()
    weighed = draft(base, tmp_path / "draft", method_choice._lesson(shown), own)
    assert weighed == version.answering_bytes()


def test_every_candidate_is_a_section_of_the_settings() -> None:
    for adapter in CANDIDATES:
        Settings.model_validate({"adapter": adapter})
