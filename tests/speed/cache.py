"""A warm, a cold and an evicted cache give the same bytes; no cache gives the same answers.

Each way trains on the same 600 film sentences for 3 epochs and answers 2,500 others:

- cold: an empty cache; warm: the same again; none kept: `cache.max_megabytes: 0`;
- evicted: a cache with room for a tenth of the rows, filled with other rows before;
- torn: every block of a warm cache is cut in half;
- not cut: the model is never split in two, as if there were no cache in the code at all. Its
  batches have other shapes, so sums are rounded differently: the bytes differ. A label may then
  change where it was a tie: the two best probabilities closer than the tolerance.

    make bench-speed ARGS=cache
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from components.items import Item
from components.model import answering, layers
from components.model.activation_cache import ActivationCache
from components.model.answering import predict
from components.model.base import load_base
from components.model.placement import placement_of
from components.settings import Settings, parse_settings
from components.training.candidate import Lesson, learn
from components.training.precision_choice import probe
from tests.page import Check, Section
from tests.speed.corpora import base_folder, problem
from tests.speed.update import as_items

TRAINED, EPOCHS = 600, 3
TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2}
"""Largest difference of a probability between cut and not cut."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to have a cache: the folder is made ready by `prepare`; `room` in bytes."""

    name: str
    room: int
    prepare: Callable[[Path], None]
    cut: bool = True


def measure(folder: Path, plots: Path) -> Section:
    """Train and answer in every way, in both number formats."""
    given = problem("sentiment", 0)
    train, others = (
        as_items(given.train[:TRAINED], "films"),
        as_items(given.train[TRAINED:], "films"),
    )
    test = as_items(given.test, "films")
    checks, tables, raw = [], [], {}
    for precision in TOLERANCE:
        settings = parse_settings(
            {
                "model": {"base": str(base_folder()), "max_tokens": 64},
                "strategy": {"method": "replay"},
                "training": {"epochs": EPOCHS, "threads": 1, "precision": precision},
            },
            "the benchmark",
        )
        found = {
            way.name: _run(folder / precision, way, settings, train, test)
            for way in _ways(folder / precision, settings, others)
        }
        own, table = _compare(precision, found)
        checks += own
        tables.append(table)
        raw[precision] = {name: digest for name, (digest, _) in found.items()}
    best = probe(load_base(settings.model, Path()), settings)
    text = "\n\n".join([(__doc__ or "").split("    make")[0].strip(), *tables])
    text += f"\n\nOn this machine the probe says {best[0]}: {best[1]}."
    return Section("Same bytes, whatever is in the cache", checks, text, [], raw)


def _ways(folder: Path, settings: Settings, others: list[Item]) -> list[Way]:
    kept = folder / "activations"

    def crowd(path: Path) -> None:
        """Fill a small cache with rows that are not asked for, so that they must go."""
        shutil.rmtree(path, ignore_errors=True)
        base = load_base(settings.model, Path())
        texts = [item.text for item in others[:100]]
        _, bundle = next(iter(_bundles.items()))
        predict(base, bundle, texts, placement_of(settings), ActivationCache(path, 1_000_000))

    def tear(path: Path) -> None:
        for block in path.glob("*.block"):
            data = block.read_bytes()
            block.write_bytes(data[: len(data) // 2])

    def empty(path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)

    def leave(path: Path) -> None:
        assert any(kept.glob("*.block"))

    return [
        Way("cold", 1_000_000_000, empty),
        Way("warm", 1_000_000_000, leave),
        Way("torn", 1_000_000_000, tear),
        Way("evicted", 1_000_000, crowd),
        Way("none kept", 0, empty),
        Way("not cut", 0, empty, cut=False),
    ]


_bundles: dict[str, Any] = {}


def _run(
    folder: Path, way: Way, settings: Settings, train: list[Item], test: list[Item]
) -> tuple[str, Any]:
    """Return the bundle's digest, and the answers to the test items."""
    base = load_base(settings.model, Path())
    answering._OPEN.clear()
    way.prepare(folder / "activations")
    cache = ActivationCache(folder / "activations", way.room) if way.room else None
    fault: AbstractContextManager[Any] = nullcontext()
    if not way.cut:
        fault = mock.patch.object(layers, "split_fault", lambda *_: "not cut, to compare")
    with fault:
        lesson = Lesson("0" * 64, tuple(train), None, {}, "", ())
        bundle = learn(base, folder / way.name, lesson, settings, cache=cache)
        _bundles[way.name] = bundle
        return bundle.digest, predict(
            base, bundle, [item.text for item in test], placement_of(settings), cache
        )


def _compare(precision: str, found: dict[str, tuple[str, Any]]) -> tuple[list[Check], str]:
    first = found["cold"][1]
    rows = [f"| {precision} | bundle | other labels | largest difference of a probability |"]
    rows.append("|---|---|---|---|")
    for name, (own, answers) in found.items():
        other = sum(a != b for a, b in zip(answers.labels, first.labels, strict=True))
        apart = float(np.abs(answers.probabilities - first.probabilities).max())
        rows.append(f"| {name} | {own[:12]} | {other} of {len(first.labels)} | {apart:.2g} |")
    kept = [own for name, (own, _) in found.items() if name != "not cut"]
    same = [answers for name, (_, answers) in found.items() if name != "not cut"]
    bits = {answers.probabilities.tobytes() for answers in same}
    bare, tolerance = found["not cut"][1], TOLERANCE[precision]
    best = np.sort(first.probabilities, axis=1)[:, -2:]
    ties = best[:, 1] - best[:, 0] <= tolerance
    other = int(((np.array(bare.labels) != np.array(first.labels)) & ~ties).sum())
    apart = float(np.abs(bare.probabilities - first.probabilities).max())
    return [
        Check(
            f"{precision}: different bundles, however the cache is", len(set(kept)), "at most", 1
        ),
        Check(f"{precision}: different answers, however the cache is", len(bits), "at most", 1),
        Check(f"{precision}: labels but ties that differ when not cut", other, "at most", 0),
        Check(
            f"{precision}: largest difference of a probability when not cut",
            apart,
            "at most",
            tolerance,
        ),
    ], "\n".join(rows)
