"""Going on from a parent: what may differ from it, and what a strategy does not fit."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.items import Item
from components.model.adapters import METHODS
from components.model.base import load_base
from components.model.bundle import open_bundle
from components.settings import (
    LoraSettings,
    ReplaySettings,
    SequentialSettings,
    Settings,
    load_settings,
)
from components.settings.section import sections_of
from components.training.candidate import learn
from components.training.strategies import STRATEGIES

Rows = Callable[..., tuple[Item, ...]]
EARLIER = Path(__file__).parents[1] / "earlier" / "root-2026-11.tar.xz"
CHAMPION = "5a6eb5fe7cb39bbdb0ba51fa2e794e7602ba5aa000e573eba6941ddb33fb22fd"


class WiderSettings(LoraSettings):
    """LoRA as a later version may have it: with one more setting."""

    scheme: str = "as before"


def wider(settings: Any, **values: Any) -> Any:
    adapter = WiderSettings(**settings.adapter.model_dump(), **values)
    return settings.model_copy(update={"adapter": adapter})


def test_a_bundle_of_an_earlier_version_goes_on_when_a_setting_is_added(
    tmp_path: Path, stream: Any, make_rows: Rows
) -> None:
    with tarfile.open(EARLIER) as archive:
        archive.extractall(tmp_path)  # ours; `filter` came with 3.11.4
    root = tmp_path / "support"
    settings = load_settings(root / "params.yaml")
    settings = settings.model_copy(update={"strategy": ReplaySettings()})  # the default of then
    parent = open_bundle(root / "mlruns" / "bundles", CHAMPION)
    base = load_base(settings.model, root)
    lesson = replace(stream.lesson("a", make_rows(["good"], 8), parent), replayed=())
    bundle = learn(base, tmp_path / "bundles", lesson, wider(settings))
    assert bundle.state["parent"] == CHAMPION


def test_a_shape_that_the_parent_does_not_name_has_its_default(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = METHODS["lora"]
    monkeypatch.setitem(METHODS, "lora", replace(lora, shape=(*lora.shape, "scheme")))
    items = make_rows(["good", "bad"], 4)
    parent = stream.teach("a", items)
    assert "scheme" not in parent.state["adapter"]
    stream.teach("b", items, parent, settings=wider(stream.settings))
    with pytest.raises(ConfigError, match=r"`adapter.scheme` 'as before' -> 'new'"):
        stream.teach("b", items, parent, settings=wider(stream.settings, scheme="new"))


def test_a_setting_that_is_no_shape_may_change_between_versions(
    stream: Any, make_rows: Rows
) -> None:
    items = make_rows(["good", "bad"], 4)
    parent = stream.teach("a", items, settings=wider(stream.settings))
    bundle = stream.teach("b", items, parent, settings=wider(stream.settings, scheme="new"))
    assert bundle.state["adapter"]["scheme"] == "new"


OTHER: dict[str, dict[str, Any]] = {
    "lora": {
        "rank": 4,
        "alpha": 8,
        "dropout": 0.1,
        "variant": "rslora",
        "target_modules": "all-linear",
        "layers": 1,
    },
    "adalora": {"rank": 4, "alpha": 8, "target_modules": "all-linear", "layers": 1},
    "vera": {"rank": 16, "target_modules": "all-linear", "layers": 1},
    "ia3": {"target_modules": "feed-forward", "layers": 1},
    "shira": {"rank": 4, "target_modules": "all-linear", "layers": 1},
    "osf": {"kept_share": 0.25, "target_modules": "all-linear", "layers": 1},
    "prompt": {"tokens": 4},
    "p_tuning": {"tokens": 4, "hidden_size": 16},
    "prefix": {"tokens": 4},
    "llama_adapter": {"tokens": 4, "layers": 1},
    "ln_tuning": {"layers": 1},
    "bitfit": {"layers": 1},
    "bottleneck": {"placement": "houlsby", "size": 4, "drop_layers": 1, "layers": "all"},
    "pafi": {"share": 0.1, "layers": 1},
    "hiwi": {"part": "weight", "size": 8, "layers": 1},
    "full": {"layers": 1},
    "head": {},
}
"""Per method, another value for each setting of its shape."""

TAKES_EFFECT = {"rate_factor"}
"""The settings that a later version may change and that are followed at once."""


@pytest.mark.parametrize("method", METHODS)
def test_a_setting_that_the_stored_adapter_would_not_follow_is_refused(
    any_stream: Any, make_rows: Rows, method: str
) -> None:
    stream, items = any_stream(method), make_rows(["good", "bad"], 2)
    before = stream.settings.adapter
    parent = stream.teach("a", items)
    for name, value in OTHER[method].items():
        adapter = before.model_copy(update={name: value})
        settings = stream.settings.model_copy(update={"adapter": adapter})
        with pytest.raises(
            ConfigError, match=rf"parent version: `adapter\.{name}` [^;]* -> [^;]*\."
        ):
            stream.teach("b", items, parent, settings=settings)


def test_every_setting_of_a_method_is_its_shape_or_known_to_take_effect() -> None:
    sections = {kind.default_of("method"): kind for kind in sections_of(Settings, "adapter")}
    del sections["auto"]  # stands for one of the others
    assert OTHER.keys() == sections.keys() == METHODS.keys()
    for method, section in sections.items():
        assert {*METHODS[method].shape} == section.model_fields.keys() - TAKES_EFFECT - {"method"}
        assert {*OTHER[method]} == {*METHODS[method].shape}


def test_another_method_than_the_parents_is_refused_by_its_name_alone(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "other", METHODS["lora"])
    items = make_rows(["good", "bad"], 2)
    parent = stream.teach("a", items)
    adapter = stream.settings.adapter.model_copy(update={"method": "other", "rank": 4})
    settings = stream.settings.model_copy(update={"adapter": adapter})
    with pytest.raises(ConfigError, match=r"version: `adapter\.method` 'lora' -> 'other'\."):
        stream.teach("b", items, parent, settings=settings)


def test_a_strategy_that_does_not_fit_says_why_and_names_those_that_do(
    stream: Any, make_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fits(own: Any, base: Any) -> str | None:
        assert base is stream.base
        return None if own.adapter.rank > 8 else "it needs `adapter.rank` above 8"

    monkeypatch.setitem(STRATEGIES, "sequential", replace(STRATEGIES["sequential"], fits=fits))
    items = make_rows(["good", "bad"], 4)
    alone = stream.settings.model_copy(update={"strategy": SequentialSettings()})
    with pytest.raises(ConfigError) as caught:
        stream.teach("a", items, settings=alone)
    assert "`strategy.method` is sequential" in caught.value.message
    assert "it needs `adapter.rank` above 8" in caught.value.message
    assert "replay" in caught.value.remedy and "sequential" not in caught.value.remedy
    assert not stream.bundles.exists()
    stream.teach("a", items, settings=wide_rank(alone))


def wide_rank(settings: Any) -> Any:
    return settings.model_copy(update={"adapter": LoraSettings(rank=9)})
