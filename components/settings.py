"""The settings of one root: `params.yaml`, read by Ratchet and by DVC alike.

Concept: one frozen pydantic model a section; every field has a default, so an empty file
is a working one. Unknown keys are refused, because a typo must not be a default.

Promise: below this module nothing reads the environment. A wrong value raises one
`ConfigError` that names the field, the value and what would be legal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.digest import json_digest
from components.errors import ConfigError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Probability = Annotated[float, Field(gt=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
Policy = Literal["ignore", "note", "hold", "reject"]


class Section(BaseModel):
    """A part of the settings: frozen, and closed against unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, protected_namespaces=())


class ModelSettings(Section):
    """The model that is kept current.

    `base` is a hub id or a local folder; `base_digest` pins its weights (SHA-256 over the
    weight files); `max_tokens` counts word pieces per text.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")] = "ratchet"
    base: str = "sentence-transformers/all-MiniLM-L6-v2"
    base_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 128


class AdapterSettings(Section):
    """The PEFT method. `layers` adapts that many top layers; `all` adapts every one."""

    method: Literal["lora"] = "lora"
    rank: Positive = 8
    alpha: Positive = 16
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    target_modules: Literal["all-linear"] | list[str] = "all-linear"
    layers: Literal["all"] | Positive = 2


class StrategySettings(Section):
    """How earlier tasks are protected while a batch is learned.

    `replay_ratio`: replayed rows per new training row; `memory_items`: how many references
    the memory keeps, balanced over (task, label).
    """

    method: Literal["replay", "none"] = "replay"
    replay_ratio: Annotated[float, Field(ge=0.0, le=20.0)] = 1.0
    memory_items: Annotated[int, Field(ge=0)] = 2000


class TrainingSettings(Section):
    """The loop. `threads` fixes the order of floating-point sums: law 7 needs it."""

    epochs: Positive = 3
    batch_size: Positive = 32
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 3e-4
    head_learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 3e-3
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    warmup_share: Share = 0.1
    threads: Positive = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"


class DataSettings(Section):
    """The contract that every batch is held to.

    `labels`: the closed set of legal labels, or `open` (any non-empty label, new ones grow
    the head). `max_bad_share`: a batch with a larger share of broken rows is refused whole.
    """

    text_column: str = "text"
    label_column: str = "label"
    task_column: str = "task"
    labels: Literal["open"] | Annotated[list[str], Field(min_length=2)] = "open"
    min_rows: Positive = 20
    max_rows: Positive = 1_000_000
    min_text_chars: Positive = 1
    max_text_chars: Positive = 10_000
    max_line_bytes: Positive = 10_000_000
    max_bad_share: Share = 0.2
    min_labels: Positive = 2
    remote: str = "data/remote"

    @model_validator(mode="after")
    def _consistent(self) -> DataSettings:
        if self.min_rows > self.max_rows:
            raise ValueError("min_rows is above max_rows")
        if self.min_text_chars > self.max_text_chars:
            raise ValueError("min_text_chars is above max_text_chars")
        return self


class HoldoutSettings(Section):
    """Items that are never trained on: `fraction` of each batch, bounded per exam."""

    fraction: Annotated[float, Field(ge=0.0, le=0.9)] = 0.2
    max_items: Positive = 2000


class GateSettings(Section):
    """What a candidate must show. Margins are in points (0.01 of accuracy).

    `approval`: `auto` promotes on PASS; `always` holds every PASS for a person.
    `watch_alpha` is spent over all looks at one champion.
    """

    margin_points: Annotated[float, Field(gt=0.0, le=100.0)] = 3.0
    anchor_margin_points: Annotated[float, Field(gt=0.0, le=100.0)] = 6.0
    floor_points: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    alpha: Probability = 0.05
    watch_alpha: Probability = 0.05
    approval: Literal["auto", "always"] = "auto"


class DriftSettings(Section):
    """Drift checks on frozen embeddings, at a fixed sample size (rows a side)."""

    policy: Policy = "note"
    sample_items: Annotated[int, Field(ge=20, le=5000)] = 200
    permutations: Annotated[int, Field(ge=20, le=10_000)] = 200
    alpha: Probability = 0.01
    auc_floor: Annotated[float, Field(ge=0.5, le=1.0)] = 0.6
    label_effect_floor: Share = 0.1


class RegistrySettings(Section):
    """Where versions are registered; empty means `mlruns/mlflow.db` in the root."""

    tracking_uri: str | None = None
    experiment: str = "ratchet"


class Settings(Section):
    """All settings of one root, resolved."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    model: ModelSettings = ModelSettings()
    adapter: AdapterSettings = AdapterSettings()
    strategy: StrategySettings = StrategySettings()
    training: TrainingSettings = TrainingSettings()
    data: DataSettings = DataSettings()
    holdout: HoldoutSettings = HoldoutSettings()
    gate: GateSettings = GateSettings()
    drift: DriftSettings = DriftSettings()
    registry: RegistrySettings = RegistrySettings()

    def training_digest(self) -> str:
        """Return the digest of every setting that can change a bundle's bytes (law 7)."""
        parts = self.model_dump(
            include={"seed", "model", "adapter", "strategy", "training", "holdout"}
        )
        parts["model"].pop("name")
        return json_digest(parts)


def load_settings(path: Path) -> Settings:
    """Read and check `params.yaml`.

    Raises:
        ConfigError: the file is missing, is not YAML, or a field is unknown or illegal.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"No settings at {path}.", "Run `ratchet init` there, or pass --root."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())
        raise ConfigError(
            f"{path} cannot be read: {detail}.", "Mend the file; it must be UTF-8 YAML."
        ) from None
    return parse_settings({} if loaded is None else loaded, str(path))


def parse_settings(values: Any, place: str) -> Settings:
    """Check `values` (a mapping of sections) and return the settings.

    Raises:
        ConfigError: names every wrong field with its value and what would be legal.
    """
    if not isinstance(values, dict):
        raise ConfigError(
            f"{place} holds {type(values).__name__}, not a mapping.",
            f"Write sections, for instance {', '.join(Settings.model_fields)}.",
        )
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(dict.fromkeys(_problem(detail) for detail in error.errors()))
        raise ConfigError(f"{place}: {problems}.", "Mend these fields and run it again.") from None


def _problem(detail: Any) -> str:
    location = [str(part) for part in detail["loc"]]
    if detail["type"] == "extra_forbidden":
        legal = ", ".join(_fields_at(location[:-1]))
        return f"unknown setting `{'.'.join(location)}` (legal here: {legal})"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"`{'.'.join(location)}` is {detail['input']!r}: {message}"


def _fields_at(location: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for name in location:
        nested = model.model_fields[name].annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            model = nested
    return list(model.model_fields)
