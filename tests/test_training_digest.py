"""The digest of the settings that decide a bundle's bytes: all of them, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from components.model.bundle import FORMAT
from components.settings import LoraSettings, ReplaySettings, Settings, parse_settings
from components.settings.model import ModelSettings
from components.settings.section import Section, sections_of
from components.settings.training import TrainingSettings

# (section, method) -> each of its settings with another value than the default
OTHER: dict[tuple[str, str], dict[str, Any]] = {
    ("model", ""): {"base": "other", "base_digest": "0" * 64, "max_tokens": 16},
    ("adapter", "lora"): {
        "target_modules": ["query"],
        "layers": "all",
        "rank": 4,
        "alpha": 8,
        "dropout": 0.1,
    },
    ("strategy", "replay"): {
        "update_share": 1.0,
        "replay_ratio": 3.0,
        "memory_items": 7,
        "distillation": 0.5,
    },
    ("strategy", "none"): {"update_share": 1.0},
    ("training", ""): {
        "epochs": 1,
        "min_steps": 0,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "head_learning_rate": 1e-4,
        "weight_decay": 0.0,
        "warmup_steps": 1,
        "patience": 2,
        "averaged_share": 0.0,
        "precision": "float32",
        "threads": 1,
        "device": "cpu",
    },
}
NO_BYTE = {"name", "pool_below"}


def changed(section: str, method: str, **values: Any) -> str:
    named = {"method": method} if method else {}
    return parse_settings({section: named | values}, "here").training_digest()


def test_whatever_can_change_a_byte_changes_the_digest() -> None:
    digests = [
        Settings().training_digest(),
        Settings(seed=1).training_digest(),
        changed("holdout", "", fraction=0.3),
        changed("holdout", "", first_fraction=0.3),
        changed("holdout", "", enough_items=300),
        changed("strategy", "none"),
    ]
    for (section, method), values in OTHER.items():
        digests += [changed(section, method, **{name: value}) for name, value in values.items()]
    assert len(set(digests)) == len(digests) == 6 + sum(map(len, OTHER.values()))


def test_the_table_of_what_can_change_a_byte_is_complete() -> None:
    there = {
        (section, kind.default_of("method") if "method" in kind.model_fields else ""): {
            *kind.model_fields
        }
        - NO_BYTE
        - {"method"}
        for section in ("model", "adapter", "strategy", "training")
        for kind in sections_of(Settings, section)
    }
    assert {key: {*values} for key, values in OTHER.items()} == there


@pytest.mark.parametrize(
    "values",
    [
        {"model": {"name": "other"}},
        {"gate": {"alpha": 0.01}},
        {"drift": {"policy": "hold", "policies": {"labels": "reject"}}},
        {"registry": {"experiment": "other"}},
        {"data": {"remote": "elsewhere"}},
        {"holdout": {"max_items": 7}},
        {"cache": {"max_megabytes": 0}},
        {"training": {"pool_below": 0}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_changes_no_byte_changes_no_digest(values: dict[str, Any]) -> None:
    assert parse_settings(values, "here").training_digest() == Settings().training_digest()


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("model", ModelSettings),
        ("adapter", LoraSettings),
        ("strategy", ReplaySettings),
        ("training", TrainingSettings),
    ],
)
def test_a_setting_that_a_later_version_adds_changes_the_digest_by_its_value_alone(
    section: str, kind: type[Section]
) -> None:
    class Later(kind):  # type: ignore[valid-type,misc]
        added: int = 3

    def digest(**values: int) -> str:
        return Settings().model_copy(update={section: Later(**values)}).training_digest()

    assert digest() == digest(added=3) == Settings().training_digest()
    assert digest(added=4) != digest()


DEFAULTS_OF_FORMAT_5 = {
    "seed": 0,
    "model.base": "sentence-transformers/all-MiniLM-L6-v2",
    "model.base_digest": None,
    "model.max_tokens": 128,
    "adapter.method": "lora",
    "adapter.target_modules": "feed-forward",
    "adapter.layers": 3,
    "adapter.rank": 8,
    "adapter.alpha": 16,
    "adapter.dropout": 0.0,
    "strategy.method": "replay",
    "strategy.update_share": 0.6,
    "strategy.replay_ratio": 2.0,
    "strategy.memory_items": 2000,
    "strategy.distillation": 1.0,
    "training.epochs": 3,
    "training.min_steps": 120,
    "training.batch_size": 32,
    "training.learning_rate": 0.002,
    "training.head_learning_rate": 0.002,
    "training.weight_decay": 0.01,
    "training.warmup_steps": 60,
    "training.patience": 0,
    "training.averaged_share": 0.8,
    "training.precision": "auto",
    "training.threads": 2,
    "training.device": "auto",
    "holdout.fraction": 0.2,
    "holdout.first_fraction": 0.5,
    "holdout.enough_items": 400,
}


def test_a_default_that_decides_bytes_changes_with_the_format_alone() -> None:
    """Two settings of one digest must mean the same: what is not digested stands in the format."""
    now: dict[str, Any] = {}
    for name in DEFAULTS_OF_FORMAT_5:
        value: Any = Settings()
        for part in name.split("."):
            value = getattr(value, part)
        now[name] = value
    assert now == DEFAULTS_OF_FORMAT_5 or FORMAT > 5
