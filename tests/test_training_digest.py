"""The digest of the settings that decide a bundle's bytes: all of them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from components.model.bundle import FORMAT
from components.settings import HybridSettings, LoraSettings, Settings, parse_settings
from components.settings.model import ModelSettings
from components.settings.section import Section, sections_of
from components.settings.training import TrainingSettings

NO_BYTE = {"name", "pool_below"}
TRIED = (0.5, 0.25, 1, 2, 7, "0" * 64, ["query"], "x" * 64)


def another(kind: type[Section], name: str) -> Any:
    """Return a value of a setting that is not its default."""
    given = {"method": kind.default_of("method")} if "method" in kind.model_fields else {}
    choices = [each for part in parts_of(kind.model_fields[name].annotation) for each in part]
    for value in (*choices, *TRIED):
        try:
            found = getattr(kind(**given, **{name: value}), name)
        except ValidationError:
            continue
        if found != kind.default_of(name):
            return found
    raise AssertionError(f"no other value for {kind.__name__}.{name}")


def parts_of(annotation: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the values of all literals in an annotation."""
    if get_origin(annotation) is Literal:
        yield get_args(annotation)
    for inner in get_args(annotation):
        yield from parts_of(inner)


OTHER: dict[tuple[str, str], dict[str, Any]] = {
    (section, kind.default_of("method") if "method" in kind.model_fields else ""): {
        name: another(kind, name) for name in kind.model_fields if name not in NO_BYTE | {"method"}
    }
    for section in ("model", "adapter", "strategy", "training")
    for kind in sections_of(Settings, section)
}
"""(section, method) -> each of its settings with another value than the default."""


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
    ]
    for (section, method), values in OTHER.items():
        if method not in ("", "lora", "hybrid"):  # those are the default ones
            digests.append(changed(section, method))
        digests += [changed(section, method, **{name: value}) for name, value in values.items()]
    assert len(set(digests)) == len(digests) > 100


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
        ("strategy", HybridSettings),
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


DEFAULTS_OF_FORMAT_7 = {
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
    "adapter.rate_factor": 1.0,
    "adapter.variant": "plain",
    "strategy.method": "hybrid",
    "strategy.update_share": 0.6,
    "strategy.features": "projected",
    "strategy.layers": 4,
    "strategy.solver": "ridge",
    "strategy.size": 2000,
    "strategy.ridge": "auto",
    "strategy.balance": 0.5,
    "strategy.wavelength": 1.0,
    "strategy.replay_ratio": 2.0,
    "strategy.memory_items": 2000,
    "strategy.enough_percent": 90.0,
    "strategy.growth": 8.0,
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
    for name in DEFAULTS_OF_FORMAT_7:
        value: Any = Settings()
        for part in name.split("."):
            value = getattr(value, part)
        now[name] = value
    assert now == DEFAULTS_OF_FORMAT_7 or FORMAT > 7
