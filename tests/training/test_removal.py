"""Taking a batch out of a solved head."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from components.errors import ConfigError, DataRejected
from components.settings import Settings
from components.training import solved_head, sums
from components.training.removal import without_batch
from components.training.sums import Sums
from tests.tiny_model import Stream

WAYS: dict[str, dict[str, Any]] = {
    "ridge": {"method": "analytic", "size": 64},
    "lda on waves": {"method": "analytic", "size": 48, "features": "fourier", "solver": "lda"},
    "contrastive": {"method": "analytic", "size": 64, "solver": "contrastive"},
    "mean": {"method": "prototype"},
    "hybrid": {"method": "hybrid", "size": 64, "enough_percent": 0.0},
}


def under(any_stream: Any, strategy: dict[str, Any]) -> Stream:
    stream: Stream = any_stream("head")
    values = stream.settings.model_dump() | {"strategy": strategy}
    stream.settings = Settings.model_validate(values)
    return stream


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_that_was_removed_was_never_there(
    any_stream: Any, make_rows: Any, way: str
) -> None:
    stream = under(any_stream, WAYS[way])
    every = make_rows(["good", "bad"], 36)
    first, second, third = every[::3], every[1::3], (*every[2::3], *make_rows(["cat"], 9))
    whole = stream.teach("c", third, stream.teach("b", second, stream.teach("a", first)))
    never = stream.teach("c", third, stream.teach("a", first))
    left = without_batch(
        stream.base, stream.bundles, whole, "b" * 64, (*first, *second), stream.settings
    )
    assert left.labels == never.labels
    mine, other = (Sums.from_tensors(each.strategy_state().tensors) for each in (left, never))
    for name in ("gram", "by_label", "counts"):
        torch.testing.assert_close(getattr(mine, name), getattr(other, name), rtol=0, atol=1e-8)
    for name in ("weight", "bias"):
        head, wanted = left.head_tensors()[name], never.head_tensors()[name]
        torch.testing.assert_close(head, wanted, rtol=1e-6, atol=1e-6)
    assert left.state["parent"] == whole.digest
    assert not any(ref["batch"] == "b" * 64 for ref in left.read_json("memory.json"))


def test_many_rows_are_counted_part_by_part(
    any_stream: Any, make_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = under(any_stream, WAYS["hybrid"] | {"enough_percent": 90.0})
    every = make_rows(["good", "bad"], 36)
    first, second = every[::3], every[1::3]
    at_once = stream.teach("b", second, stream.teach("a", first))
    monkeypatch.setattr(sums, "AT_ONCE", 5)
    monkeypatch.setattr(solved_head, "LEFT_OUT", 10)
    alone = stream.teach("a", first)
    left = without_batch(
        stream.base, stream.bundles, at_once, "b" * 64, second, stream.settings
    ).strategy_state()
    for name, wanted in alone.strategy_state().tensors.items():
        torch.testing.assert_close(left.tensors[name], wanted, rtol=0, atol=1e-8)


def test_labels_that_nobody_else_taught_go_with_their_batch(
    any_stream: Any, make_rows: Any
) -> None:
    stream = under(any_stream, WAYS["ridge"])
    first = stream.teach("a", make_rows(["good", "bad"], 12))
    pets = make_rows(["cat", "dog"], 12)
    second = stream.teach("b", pets, first)
    left = without_batch(stream.base, stream.bundles, second, "b" * 64, pets, stream.settings)
    assert left.labels == first.labels
    torch.testing.assert_close(left.head_tensors()["weight"], first.head_tensors()["weight"])


def test_what_cannot_be_subtracted_is_refused_in_words(any_stream: Any, make_rows: Any) -> None:
    items = make_rows(["good", "bad"], 12)
    stream = under(any_stream, {"method": "replay"})
    replayed = stream.teach("a", items)
    with pytest.raises(ConfigError, match=r"of `strategy\.method` replay can't forget"):
        without_batch(stream.base, stream.bundles, replayed, "a" * 64, items, stream.settings)
    stream = under(any_stream, WAYS["ridge"])
    version = stream.teach("b", items[::2], stream.teach("a", items[1::2]))
    other = under(any_stream, {"method": "replay"}).settings
    with pytest.raises(
        ConfigError, match=r"learned by `strategy\.method` analytic; now it is replay"
    ):
        without_batch(stream.base, stream.bundles, version, "b" * 64, items, other)
    with pytest.raises(ConfigError, match="not solved on batch cccccc"):
        without_batch(stream.base, stream.bundles, version, "c" * 64, items, stream.settings)
    with pytest.raises(DataRejected, match="1 of 12 rows"):
        without_batch(
            stream.base, stream.bundles, version, "b" * 64, items[::2][1:], stream.settings
        )
    alone = stream.teach("a", items)
    with pytest.raises(ConfigError, match="fewer than two labels"):
        without_batch(stream.base, stream.bundles, alone, "a" * 64, items, stream.settings)


def test_a_batch_that_the_adapter_learned_from_is_refused(any_stream: Any, make_rows: Any) -> None:
    stream: Stream = any_stream("lora", layers=1)
    own = {"method": "analytic", "size": 64, "adapt": "first"}
    stream.settings = Settings.model_validate(stream.settings.model_dump() | {"strategy": own})
    items = make_rows(["good", "bad"], 16)
    first = stream.teach("a", items[::2])
    second = stream.teach("b", items[1::2], first)
    with pytest.raises(ConfigError, match="adapter of the champion learned from batch aaaaaa"):
        without_batch(stream.base, stream.bundles, second, "a" * 64, items, stream.settings)
    left = without_batch(stream.base, stream.bundles, second, "b" * 64, items, stream.settings)
    torch.testing.assert_close(
        left.head_tensors()["weight"], first.head_tensors()["weight"], rtol=1e-4, atol=1e-5
    )
