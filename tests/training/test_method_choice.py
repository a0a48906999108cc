"""`adapter.method: auto`."""

from __future__ import annotations

from typing import Any

import pytest

from components.settings import Settings
from components.training import method_choice
from components.training.method_choice import CANDIDATES, chosen_method

SMALL = ({"method": "lora", "rank": 2, "layers": 1}, {"method": "prompt", "tokens": 4},
         {"method": "full"}, {"method": "llama_adapter"}, {"method": "head"})  # fmt: skip


@pytest.fixture
def choose(base: Any, settings: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(method_choice, "CANDIDATES", SMALL)
    monkeypatch.setattr(method_choice, "RUNGS", (40, 80))

    def run(rows: int = 24, **limits: Any) -> tuple[dict[str, Any], str]:
        values = settings.model_dump() | {"adapter": {"method": "auto", **limits}}
        values["model"] |= {"max_tokens": 64}
        items = make_rows(["good", "bad", "cat", "dog"], rows)
        return chosen_method(base, items, Settings.model_validate(values))

    return run


def test_what_was_tried_and_why_is_told(choose: Any) -> None:
    chosen, why = choose()
    assert Settings.model_validate({"adapter": chosen}).adapter.method in {
        each["method"] for each in SMALL
    }
    assert "the best of 5 after up to 80 rows" in why
    assert "llama_adapter: it needs a decoder" in why
    assert "% after" in why


def test_what_is_too_large_or_too_slow_is_left_out(choose: Any) -> None:
    chosen, why = choose(max_kilobytes=20.0, max_latency_ratio=1.0001)
    assert chosen["method"] in ("lora", "head")
    assert "full layers all" in why or "full:" in why
    assert "kB" in why and "times the base's time" in why


def test_a_search_out_of_time_takes_the_best_so_far(choose: Any) -> None:
    chosen, why = choose(max_seconds=1e-9)
    assert "not tried" in why and chosen["method"] in ("lora", "head")


def test_too_few_rows_decide_nothing(choose: Any) -> None:
    chosen, why = choose(rows=5)
    assert chosen["method"] == "lora" and "too few rows to decide (20)" in why


def test_every_candidate_is_a_section_of_the_settings() -> None:
    for adapter in CANDIDATES:
        Settings.model_validate({"adapter": adapter})
