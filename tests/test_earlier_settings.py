"""Settings that earlier versions wrote, in params.yaml and in their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.model.adapters import METHODS
from components.settings import (
    ReplaySettings,
    SequentialSettings,
    Settings,
    read_settings,
    recorded,
)
from components.settings.section import sections_of
from components.training.strategies import STRATEGIES
from tests.command import ratchet


def test_a_former_name_is_read_with_a_notice_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("strategy: {method: sequential, parent_mix: 0.25}")
    loaded = read_settings(path)
    assert loaded.settings.strategy == SequentialSettings(update_share=0.25)
    (notice,) = loaded.notices
    assert notice.startswith(f"{path}: `strategy.parent_mix` is now called `strategy.update_share`")
    path.write_text("strategy: {method: sequential, update_share: 0.25}")
    assert read_settings(path).settings == loaded.settings
    assert read_settings(path).notices == ()


def test_a_former_method_is_read_with_its_defaults_of_then(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("strategy: {name: none}")
    loaded = read_settings(path)
    assert loaded.settings.strategy == SequentialSettings(update_share=0.6)
    assert [("is now called" in each) for each in loaded.notices] == [True, True]
    assert recorded({"strategy": {"method": "none", "update_share": 1.0}}) == Settings(
        strategy=SequentialSettings()
    )


def test_a_command_tells_people_of_a_former_name_in_one_line(tmp_path: Path) -> None:
    assert ratchet(tmp_path, "init").code == 0
    params = tmp_path / "params.yaml"
    fresh = ratchet(tmp_path, "status", "--json")
    params.write_text(params.read_text().replace("update_share", "parent_mix"))
    ran = ratchet(tmp_path, "status", "--json")
    assert (ran.code, ran.out, fresh.err) == (0, fresh.out, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("note: ") and "`strategy.update_share`" in line


@pytest.mark.parametrize(
    ("strategy", "meant"),
    [
        ({"method": "replay", "replay_ratio": 2.0, "memory_items": 7, "parent_mix": 0.5},
         ReplaySettings(replay_ratio=2.0, memory_items=7, update_share=0.5)),
        ({"method": "none", "replay_ratio": 1.0, "memory_items": 2000, "parent_mix": 0.5},
         SequentialSettings(update_share=0.5)),
        ({}, ReplaySettings()),
    ],
)  # fmt: skip
def test_what_an_earlier_version_recorded_means_the_same(
    strategy: dict[str, Any], meant: Any
) -> None:
    document = Settings().model_dump(mode="json") | {"strategy": strategy}
    assert recorded(document) == Settings(strategy=meant)


def test_a_record_with_settings_that_nobody_knows_is_none_of_this_version() -> None:
    for document in ({"strategy": {"method": "none", "ewc": 1}}, {"unheard": 1}):
        with pytest.raises(ValueError, match="Extra inputs"):
            recorded(document)


@pytest.mark.parametrize("document", [5, None, "strategy", [], [["strategy", {}]]])
def test_a_record_that_is_no_record_of_settings_is_refused_as_such(document: Any) -> None:
    with pytest.raises(ValueError, match="should be a record of settings"):
        recorded(document)


def test_each_method_and_each_strategy_has_settings_and_the_other_way_round() -> None:
    def methods(section: str) -> set[str]:
        return {kind.default_of("method") for kind in sections_of(Settings, section)}

    assert methods("adapter") - {"auto"} == METHODS.keys()
    assert methods("strategy") == STRATEGIES.keys()


def test_a_setting_of_another_method_changes_nothing_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("strategy: {method: sequential, replay_ratio: 3, memory_items: 7}\n")
    loaded = read_settings(path)
    assert loaded.settings == Settings.model_validate({"strategy": {"method": "sequential"}})
    assert [each.partition(": ")[2] for each in loaded.notices] == [
        "`strategy.replay_ratio` has no effect while `strategy.method` is sequential.",
        "`strategy.memory_items` has no effect while `strategy.method` is sequential.",
    ]
