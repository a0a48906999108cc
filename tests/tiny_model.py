"""A tiny real base, rows it can learn, and a stream of lessons over them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.demo.tiny_base import write_tiny_base
from components.items import Item, make_item
from components.model.adapters import METHODS
from components.model.base import Base, load_base, read_base
from components.model.base_lookup import base_digest
from components.model.bundle import Bundle
from components.settings import Settings
from components.training.candidate import Lesson, learn, replayed_refs

WORDS = {
    "good": ["good", "great", "fine", "lovely"],
    "bad": ["bad", "awful", "poor", "ugly"],
    "cat": ["paw", "purr", "meow"],
    "dog": ["bark", "fetch", "tail"],
}


def rows(labels: Sequence[str], count: int, task: str = "default") -> tuple[Item, ...]:
    """`count` rows a label, each with a word of its label, of different lengths."""
    found = []
    for label in labels:
        for place in range(count):
            word = WORDS[label][place % len(WORDS[label])]
            found.append(
                make_item(f"it was {word} " + "so " * (place % 7) + str(place), label, task)
            )
    return tuple(found)


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., tuple[Item, ...]]:
    return rows


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["it", "was", "so", *(word for group in WORDS.values() for word in group)]
    return write_tiny_base(tmp_path_factory.mktemp("base") / "tiny", words)


@pytest.fixture(scope="session")
def settings(tiny: Path) -> Settings:
    return Settings.model_validate(
        {
            "model": {"base": str(tiny)},
            "strategy": {"method": "replay"},
            "training": {
                "device": "cpu",
                "threads": 1,
                "epochs": 12,
                "min_steps": 0,
                "batch_size": 16,
                "learning_rate": 5e-3,
                "head_learning_rate": 5e-2,
                "warmup_steps": 1,
                "averaged_share": 0.3,
            },
        }
    )


@pytest.fixture(scope="session")
def base(settings: Settings, tiny: Path) -> Base:
    return load_base(settings.model, tiny.parent)


@pytest.fixture(scope="session")
def biased(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The tiny base as if it had been trained: no bias is zero."""
    return made_base(tiny, tmp_path_factory.mktemp("biased") / "biased", "biased")


@pytest.fixture(scope="session")
def decoder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A tiny Llama: no biases, causal."""
    return made_base(tiny, tmp_path_factory.mktemp("decoder") / "decoder", "decoder")


def made_base(tiny: Path, folder: Path, kind: str) -> Base:
    """Return another base with the tiny one's tokenizer: `biased` or `decoder`."""
    import torch
    import transformers

    vocabulary = transformers.AutoConfig.from_pretrained(tiny).vocab_size
    shutil.copytree(tiny, folder)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        if kind == "biased":
            model: Any = transformers.AutoModel.from_pretrained(tiny)
            for name, weight in model.named_parameters():
                if name.endswith("bias"):
                    weight += 0.1 * torch.randn(weight.shape)
        else:
            config = transformers.LlamaConfig(
                vocab_size=vocabulary,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=128,
                pad_token_id=0,
                initializer_range=0.1,
            )
            model = transformers.LlamaModel(config)
    model.save_pretrained(folder)
    return read_base(kind, base_digest(folder), folder)


class Stream:
    """Teaches batches in turn and plays the memory's part."""

    def __init__(self, base: Base, bundles: Path, settings: Settings) -> None:
        self.base, self.bundles, self.settings = base, bundles, settings
        self.seen: dict[str, Item] = {}

    def lesson(self, batch: str, items: Sequence[Item], parent: Bundle | None = None) -> Lesson:
        self.seen |= {item.digest: item for item in items}
        return Lesson(batch * 64, tuple(items), parent, {}, "0" * 64, ())

    def teach(
        self, batch: str, items: Sequence[Item], parent: Bundle | None = None, **options: Any
    ) -> Bundle:
        settings, adapt = options.pop("settings", self.settings), options.pop("adapt", False)
        lesson = replace(self.lesson(batch, items, parent), adapt=adapt)
        refs = replayed_refs(lesson, settings)
        replayed = tuple(self.seen[ref.item] for ref in refs if ref.item in self.seen)
        lesson = replace(lesson, replayed=replayed)
        return learn(self.base, self.bundles, lesson, settings, **options)


@pytest.fixture
def stream(base: Base, settings: Settings, tmp_path: Path) -> Stream:
    return Stream(base, tmp_path / "bundles", settings)


@pytest.fixture
def any_stream(
    base: Base, biased: Base, decoder: Base, settings: Settings, tmp_path: Path
) -> Callable[..., Stream]:
    """Make a stream for any adapter method, on the first tiny base that it fits."""

    def made(method: str, **values: Any) -> Stream:
        sections = {
            "adapter": {"method": method, **values},
            "model": settings.model.model_dump() | {"max_tokens": 64},
        }
        own = Settings.model_validate(settings.model_dump() | sections)
        fitting = METHODS[method].refusal
        chosen = next(
            each for each in (base, biased, decoder) if not fitting(each.model, own.adapter)
        )
        return Stream(chosen, tmp_path / method, own)

    return made
