"""One run: a row learns a stream, task by task, and is asked about all tasks after each.

Concept: what is kept is small and says all: for each step which items were answered correctly, one
bit each, and what learning cost. All columns of the table are computed from that.

Promise: learning is timed alone, in CPU seconds of its process, with a cache of frozen layers that
starts empty; asking uses another cache, which all runs share, and is not timed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.bench.plan import Cell
from components.bench.streams import Budget, Stream, Task, deal
from components.digest import json_digest
from components.errors import ConfigError
from components.items import make_item
from components.model.activation_cache import ActivationCache
from components.model.answering import predict
from components.model.base import Base, read_base
from components.model.base_lookup import base_digest
from components.model.bundle import Bundle
from components.model.placement import placement_of
from components.settings import Settings, TrainingSettings
from components.training.candidate import Lesson, learn, replayed_refs

if TYPE_CHECKING:
    from components.items import Item

BENCH = 1
"""Raised when what a run measures changes: then kept runs are made again."""

DECIDING = {"seed", "adapter", "strategy", "training"}
"""Settings that a run depends on, each with its value: another default makes no other run."""

CACHE_BYTES = 1_500_000_000

Kept = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs of a table share.

    base: folder of the base. cache: for downloads and what is asked. clinc: CLINC150's file.
    training: settings of that section; max_tokens: of a text.
    """

    base: Path
    cache: Path
    clinc: Path | None
    budgets: dict[str, Budget]
    training: dict[str, Any]
    max_tokens: int

    def settings(self, cell: Cell) -> Settings:
        """Return the settings of a run."""
        epochs = self.training.get("epochs", TrainingSettings().epochs) * cell.row.epochs
        return Settings.model_validate(
            {
                "seed": cell.seed,
                "model": {"base": str(self.base), "max_tokens": self.max_tokens},
                "adapter": dict(cell.row.adapter),
                "strategy": dict(cell.row.strategy),
                "training": {**self.training, "epochs": epochs},
            }
        )

    def key(self, cell: Cell) -> str:
        """Return the digest of all that decides what a run finds on one machine."""
        budget = self.budgets[cell.stream]
        return json_digest(
            {
                "base": base_digest(self.base),
                "bench": BENCH,
                "budget": [budget.rows, budget.items],
                "settings": self.settings(cell).model_dump(mode="json", include=DECIDING),
                "max_tokens": self.max_tokens,
                "stream": cell.stream,
            }
        )


@cache
def base_of(folder: Path) -> Base:
    """Return the base in a folder, loaded once in a process."""
    return read_base(folder.name, base_digest(folder), folder)


def run(bench: Bench, cell: Cell) -> Kept:
    """Learn a stream and return what is kept of it; of a row that cannot be, why."""
    import torch

    settings = bench.settings(cell)
    stream = deal(
        cell.stream, cell.seed, bench.budgets[cell.stream], bench.cache, bench.clinc, print
    )
    base = base_of(bench.base)
    told: Kept = {
        "table": cell.table,
        "row": cell.row.name,
        "stream": cell.stream,
        "seed": cell.seed,
        "key": bench.key(cell),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
    with tempfile.TemporaryDirectory(prefix="ratchet-bench-") as folder:
        try:
            return told | _learn(base, stream, settings, Path(folder), bench.cache)
        except ConfigError as refusal:
            return told | {"refused": refusal.message}


def _learn(base: Base, stream: Stream, settings: Settings, folder: Path, cache: Path) -> Kept:
    learning = ActivationCache(folder / "activations", CACHE_BYTES)
    asking = ActivationCache(cache / "asked", 4 * CACHE_BYTES)
    seen: dict[str, Item] = {}
    parent: Bundle | None = None
    steps = []
    reset_peak_memory()
    for number, task in enumerate(stream.tasks):
        name = "stream" if stream.classes else task.name
        items = tuple(make_item(text, label, name) for text, label in task.learn)
        seen |= {item.digest: item for item in items}
        batch = json_digest([stream.name, number])
        lesson = Lesson(batch, items, parent, {}, "0" * 64, ())
        began = time.process_time()
        refs = replayed_refs(lesson, settings)
        replayed = tuple(seen[ref.item] for ref in refs)
        lesson = Lesson(batch, items, parent, {}, "0" * 64, replayed)
        parent = learn(base, folder / "bundles", lesson, settings, cache=learning)
        seconds = time.process_time() - began
        asked = stream.tasks[: number + (1 if stream.classes else 2)]
        steps.append(
            {
                "right": [bits(_right(base, parent, task, settings, asking)) for task in asked],
                "seconds": round(seconds, 3),
                "bytes": parent.answering_bytes(),
                "learning_bytes": _learning_bytes(parent),
                "steps": parent.state["trained"]["steps"],
            }
        )
        for old in (folder / "bundles").iterdir():
            if old.name != parent.digest:
                shutil.rmtree(old)
    return {
        "tasks": [task.name for task in stream.tasks],
        "classes": stream.classes,
        "untrained": [untrained(task) for task in stream.tasks],
        "steps": steps,
        "trainable": trainable(base, settings),
        "peak_megabytes": peak_memory(),
    }


def _right(
    base: Base, bundle: Bundle, task: Task, settings: Settings, cache: ActivationCache
) -> list[bool]:
    texts = [text for text, _ in task.ask]
    given = predict(base, bundle, texts, placement_of(settings), cache).labels
    return [label == wanted for label, (_, wanted) in zip(given, task.ask, strict=True)]


def untrained(task: Task) -> float:
    """Return the accuracy of a model that knows the labels and learned nothing: the first one."""
    labels = [label for _, label in task.ask]
    return labels.count(min(labels)) / len(labels)


def trainable(base: Base, settings: Settings) -> int:
    """Return how many numbers the adapter of a first version trains, the head left out."""
    from components.model.adapters import METHODS
    from components.model.adapters.method import trainable_weights

    method = METHODS[settings.adapter.method]
    ids = [[7] * 16] * 8

    def sample() -> list[dict[str, Any]]:
        import torch

        return [{"input_ids": torch.tensor(ids), "attention_mask": torch.ones(8, 16).long()}]

    model = method.attach(base.fork(placement_of(settings)), settings.adapter, sample)
    return sum(weight.numel() for weight in trainable_weights(model))


def _learning_bytes(bundle: Bundle) -> int:
    """Return the bytes that serve the next lesson alone: memory and the strategy's state."""
    names = [name for name in bundle.files if bundle.role(name) == "learns"]
    return sum((bundle.folder / name).stat().st_size for name in names)


def bits(right: Sequence[bool]) -> str:
    """Return truth values as text: `1` for each correct answer, else `0`."""
    return "".join("01"[each] for each in right)


def reset_peak_memory() -> None:
    """Let the kernel count this process's peak from now on, where it can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> float | None:
    """Return the peak of resident memory, in MB, since it was reset; None where no one counts."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1000, 1)
    return None
