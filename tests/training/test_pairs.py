"""Every adapter method under every strategy: it learns, or says in words why not."""

from __future__ import annotations

import re
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import ConfigError
from components.model.adapters import METHODS
from components.model.answering import open_version
from components.model.layers import layers_read
from components.settings import Settings
from components.training.strategies import STRATEGIES

SMALL: dict[str, dict[str, Any]] = {
    "ewc": {"fisher_rows": 2},
    "analytic": {"size": 32},
    "hybrid": {"size": 32, "enough_percent": 100.0, "growth": 1.0},
}
REFUSED = {
    "sequential": "hybrid analytic experts",
    "replay": "experts",
    "merge": "hybrid analytic experts",
    "hybrid": "experts",
    "analytic": "sequential replay merge experts",
    "experts": "sequential replay merge hybrid analytic",
}
"""The strategy of a version -> which others can't go on from it."""

PAIRS = list(product(METHODS, STRATEGIES))
QUICK = {"epochs": 1, "min_steps": 2, "warmup_steps": 1}


def stream_of(any_stream: Any, method: str, strategy: str) -> Any:
    stream = any_stream(method)
    values = stream.settings.model_dump()
    values["strategy"] = {"method": strategy, **SMALL.get(strategy, {})}
    values["training"] |= QUICK
    stream.settings = Settings.model_validate(values)
    return stream


def answers(stream: Any, folder: Path, texts: list[str]) -> np.ndarray:
    found: np.ndarray = open_version(folder, stream.base).answer(texts).probabilities
    return found


@pytest.mark.parametrize(("method", "strategy"), PAIRS, ids=" ".join)
def test_a_pair_gives_the_same_bytes_and_answers_again_or_refuses_in_words(
    any_stream: Any, make_rows: Any, tmp_path: Path, method: str, strategy: str
) -> None:
    stream = stream_of(any_stream, method, strategy)
    first, second = make_rows(["good", "bad"], 5), make_rows(["cat", "good"], 5, "pets")
    if reason := STRATEGIES[strategy].fits(stream.settings, stream.base):
        with pytest.raises(ConfigError, match=r"`strategy\.method` is \w+, which can't be used"):
            stream.teach("a", first)
        assert not stream.bundles.exists() and len(reason.split()) > 3
        return
    parent = stream.teach("a", first)
    version = stream.teach("b", second, parent)
    assert stream.teach("b", second, stream.teach("a", first)).digest == version.digest
    texts = [item.text for item in (*first, *second)]
    seen = answers(stream, version.folder, texts)
    away = tmp_path / "away" / version.digest
    shutil.copytree(version.folder, away)
    assert np.array_equal(answers(stream, away, texts), seen)
    assert np.array_equal(answers(stream, away, texts[::-1])[::-1], seen)
    assert seen.shape == (len(texts), 3) and np.isfinite(seen).all()


@pytest.mark.parametrize("before", REFUSED)
def test_another_strategy_goes_on_from_a_version_or_refuses_in_words(
    any_stream: Any, make_rows: Any, before: str
) -> None:
    first, second = make_rows(["good", "bad"], 20), make_rows(["cat", "good"], 20, "pets")
    stream = stream_of(any_stream, "lora", before)
    parent = stream.teach("a", first)
    texts, right = [item.text for item in first], [item.label == "good" for item in first]
    refused = []
    for after in REFUSED:
        stream.settings = stream_of(any_stream, "lora", after).settings
        try:
            version = stream.teach("b", second, parent)
        except ConfigError as error:
            assert f"was learned by `strategy.method` {before}; now it is" in error.message
            refused.append(after)
            continue
        seen = answers(stream, version.folder, texts)
        if version.state["head"] != "linear":
            assert version.labels[:2] == ("bad", "good")
            assert (seen[:, :2].argmax(1) == right).mean() > 0.8, after
        third = stream.teach("c", first[:6], version)
        assert answers(stream, third.folder, texts).shape == (len(texts), 3)
    assert refused == REFUSED[before].split()


def test_another_head_is_refused_where_no_row_of_a_label_is_remembered(
    any_stream: Any, make_rows: Any
) -> None:
    stream = stream_of(any_stream, "lora", "replay")
    few = stream.settings.strategy.model_copy(update={"memory_items": 1})
    stream.settings = stream.settings.model_copy(update={"strategy": few})
    parent = stream.teach("a", make_rows(["good", "bad"], 10))
    stream.settings = stream_of(any_stream, "lora", "hybrid").settings
    with pytest.raises(ConfigError, match=r"hybrid needs another head .* teaches it: (good|bad)\."):
        stream.teach("b", make_rows(["cat", "dog"], 10), parent)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": 48}, "`strategy.size` 32 -> 48"),
        ({"layers": 1}, "`strategy.layers` 4 -> 1"),
        ({"features": "plain"}, "`strategy.features` projected -> plain"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_head_of_another_size_is_learned_from_remembered_rows_or_refused(
    any_stream: Any, make_rows: Any, change: dict[str, Any], told: str
) -> None:
    first, second = make_rows(["good", "bad"], 20), make_rows(["good", "bad"], 10, "pets")
    for method in ("hybrid", "analytic"):
        stream = stream_of(any_stream, "lora", method)
        own = stream.settings.strategy.model_copy(update={"size": 32})
        stream.settings = stream.settings.model_copy(update={"strategy": own})
        parent = stream.teach("a", first)
        wanted = own.model_copy(update=change)
        stream.settings = stream.settings.model_copy(update={"strategy": wanted})
        if method == "analytic":
            with pytest.raises(ConfigError, match=re.escape(f"another head ({told})")):
                stream.teach("b", second, parent)
            continue
        version = stream.teach("b", second, parent)
        assert version.state["head_shape"].items() <= wanted.model_dump().items()
        head = version.head_tensors()
        means = 1 if wanted.layers == 1 else len(layers_read(stream.base.model))
        reads = head.get("signs", head["weight"].T).shape[0]
        assert reads == means * stream.base.hidden_size
        assert head["weight"].shape[1] == (reads if wanted.features == "plain" else wanted.size)
        texts, right = [item.text for item in first], [item.label == "good" for item in first]
        assert (answers(stream, version.folder, texts).argmax(1) == right).mean() > 0.8


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_going_back_two_versions_goes_back_to_the_strategys_state(
    any_stream: Any, make_rows: Any, strategy: str
) -> None:
    method = {"osf": "osf", "analytic": "head", "prototype": "head"}.get(strategy, "lora")
    stream = stream_of(any_stream, method, strategy)
    rows = make_rows(["good", "bad"], 20)
    first, second, third, fourth = (rows[place::4] for place in range(4))
    version = stream.teach("a", first)
    stream.teach("c", third, stream.teach("b", second, version))  # rolled back
    after = stream.teach("d", fourth, version)
    fresh = stream_of(any_stream, method, strategy)
    fresh.bundles = stream.bundles.with_name("never")
    never = fresh.teach("d", fourth, fresh.teach("a", first))
    assert after.digest == never.digest
