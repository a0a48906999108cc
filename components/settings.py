"""The settings of one root: `params.yaml`, read by Ratchet and by DVC alike.

Concept: one frozen pydantic model a section; every field has a default, so an empty file
is a working one. Unknown keys are refused, because a typo must not be a default.

Promise: below this module nothing reads the environment. A wrong value raises one
`ConfigError` that names the field, the value and what would be legal.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from components.bounded_yaml import read_yaml
from components.check_settings import CheckSettings
from components.digest import json_digest
from components.errors import ConfigError
from components.places import place, scheme
from components.sections import (
    Count,
    Name,
    Policy,
    Positive,
    Probability,
    Section,
    Share,
    TaskName,
    section_of,
)

PROBLEMS = 20
PROBLEM_CHARS = 800
NAME_CHARS = 60

_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict, _short.maxset = 4, 10, 10, 10
_short.maxstring = _short.maxother = _short.maxlong = 100


class ModelSettings(Section):
    """The model that is kept current.

    `base` is a hub id or a local folder; `base_digest` pins its weights (SHA-256 over the
    weight files); `max_tokens` counts word pieces per text.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")] = "ratchet"
    base: Name = "sentence-transformers/all-MiniLM-L6-v2"
    base_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 128


class AdapterSettings(Section):
    """The PEFT method.

    `target_modules`: `feed-forward` takes the widening linear modules of the feed-forward
    blocks, `all-linear` every linear module, a list those whose names end so.
    `layers` adapts that many top layers, `all` (or more than there are) every one; `auto`
    tries on the first batch how many are worth their seconds, and records it.
    """

    method: Literal["lora"] = "lora"
    rank: Positive = 8
    alpha: Positive = 16
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    target_modules: (
        Literal["feed-forward", "all-linear"] | Annotated[list[Name], Field(min_length=1)]
    ) = "feed-forward"
    layers: Literal["all", "auto"] | Positive = 3


class StrategySettings(Section):
    """How earlier tasks are protected while a batch is learned.

    `replay_ratio`: replayed rows per new training row; `memory_items`: how many references
    the memory keeps, balanced over (task, label). `parent_mix`: the share of the way from the
    parent version to what the batch taught that is taken; less keeps more of the earlier
    tasks, 1 takes all.
    """

    method: Literal["replay", "none"] = "replay"
    replay_ratio: Annotated[float, Field(ge=0.0, le=20.0)] = 1.0
    memory_items: Count = 2000
    parent_mix: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6


class TrainingSettings(Section):
    """The loop.

    `threads` fixes the order of floating-point sums: law 7 needs it. `precision: auto` is
    decided by a probe on the first batch, and recorded. `patience`: epochs without gain on a
    tenth of the rows after which training ends early, at the best epoch's weights; 0 runs
    every epoch on every row. `averaged_share`: the weights are the mean over that share of
    the steps, the last ones (not with `patience`).
    """

    epochs: Positive = 3
    batch_size: Positive = 32
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-3
    head_learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    warmup_steps: Count = 60
    patience: Count = 0
    averaged_share: Share = 0.8
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"


class CacheSettings(Section):
    """What the frozen layers computed, kept on disk; 0 keeps nothing. No result depends on it."""

    max_megabytes: Count = 2000


class DataSettings(Section):
    """The contract that every batch is held to.

    `labels`: the closed set of legal labels, or `open` (any non-empty label, new ones grow
    the head). `max_bad_share`: a batch with a larger share of broken rows is refused whole.
    `slice_columns`: further columns whose values are kept with each item, for the gate's slices;
    they are no part of an item's identity. `tasks`: the closed set of legal tasks, or `open`.
    `settle_seconds`: a file in data/incoming is taken once nobody has written to it for so long.
    `max_line_bytes` bounds one line, and of a table one cell and one row; `max_file_megabytes`
    the file's bytes as they arrive and as decoded. `remote`: where second copies go, a
    folder or an address that DVC reaches.
    """

    text_column: Name = "text"
    label_column: Name = "label"
    task_column: Name = "task"
    slice_columns: list[Name] = Field(default_factory=list)
    labels: Literal["open"] | Annotated[list[Name], Field(min_length=2)] = "open"
    tasks: Literal["open"] | Annotated[list[TaskName], Field(min_length=1)] = "open"
    min_rows: Positive = 20
    max_rows: Positive = 1_000_000
    min_text_chars: Positive = 1
    max_text_chars: Positive = 10_000
    max_line_bytes: Positive = 1_000_000
    max_file_megabytes: Positive = 200
    max_bad_share: Share = 0.2
    min_labels: Positive = 2
    settle_seconds: Annotated[float, Field(ge=0.0, le=86_400.0)] = 3.0
    remote: Name = "data/remote"

    @field_validator("remote")
    @classmethod
    def _folder(cls, value: str) -> str:
        place(Path(), value)
        if scheme(value) and re.search(r"://[^/@]*:[^/@]*@", value):
            raise ValueError(
                "should name no password, for settings are kept: write it to .dvc/config.local"
            )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> DataSettings:
        self._ordered("min_rows", "max_rows")
        self._ordered("min_text_chars", "max_text_chars")
        columns = [self.text_column, self.label_column, self.task_column]
        if len(set(columns)) < len(columns):
            raise ValueError(f"text, label and task can't share a column: {columns}")
        if len({*columns, *self.slice_columns}) < len(columns) + len(self.slice_columns):
            raise ValueError(
                f"slice_columns may name no column twice, and none of text, label and task: "
                f"{self.slice_columns}"
            )
        if self.labels != "open":
            if len(set(self.labels)) < len(self.labels):
                raise ValueError(f"labels names one twice: {self.labels}")
            if self.min_labels > len(self.labels):
                raise ValueError(
                    f"min_labels ({self.min_labels}) is above the number of labels "
                    f"({len(self.labels)})"
                )
        if self.tasks != "open":
            if len(set(self.tasks)) < len(self.tasks):
                raise ValueError(f"tasks names one twice: {self.tasks}")
            if wrong := [name for name in self.tasks if "#" in name or not name.isprintable()]:
                raise ValueError(f"tasks can't be called {wrong}: use printable names without `#`")
        return self


class HoldoutSettings(Section):
    """Items that are never trained on: `fraction` of each batch, bounded per exam."""

    fraction: Annotated[float, Field(ge=0.0, le=0.9)] = 0.2
    max_items: Positive = 2000
    min_items: Positive = 100


class GateSettings(Section):
    """What a candidate must show. Margins are in points (0.01 of accuracy).

    `approval`: `auto` promotes on PASS; `always` holds every PASS for a person.
    `watch_alpha` is spent over all looks at one champion.
    """

    margin_points: Annotated[float, Field(gt=0.0, le=100.0)] = 3.0
    anchor_margin_points: Annotated[float, Field(gt=0.0, le=100.0)] = 6.0
    floor_points: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    watch_alpha: Probability = 0.05
    approval: Literal["auto", "always"] = "auto"
    checks: CheckSettings = CheckSettings()

    @model_validator(mode="after")
    def _consistent(self) -> GateSettings:
        self._ordered("margin_points", "anchor_margin_points")
        return self


class DriftPolicies(Section):
    """What a finding of one check asks for; None: what `drift.policy` says."""

    domain_classifier: Policy | None = None
    mmd: Policy | None = None
    outliers: Policy | None = None
    length: Policy | None = None
    language: Policy | None = None
    labels: Policy | None = None
    new_labels: Policy | None = None
    vanished_labels: Policy | None = None
    concept: Policy | None = None


class DriftSettings(Section):
    """Drift checks: what a finding asks for, and from where on it is one.

    `sample_items`: rows a side whose texts are compared. `alpha`: false discovery rate over the
    checks of one batch. The floors are what an effect must exceed (docs/drift.md).
    """

    policy: Policy = "note"
    policies: DriftPolicies = DriftPolicies()
    sample_items: Annotated[int, Field(ge=20, le=5000)] = 200
    permutations: Annotated[int, Field(ge=20, le=10_000)] = 200
    alpha: Probability = 0.05
    auc_floor: Annotated[float, Field(ge=0.5, le=1.0)] = 0.6
    mmd_floor: Share = 0.002
    outlier_floor: Share = 0.15
    length_floor: Share = 0.2
    language_floor: Share = 0.1
    label_effect_floor: Share = 0.1
    new_label_floor: Share = 0.01
    vanished_label_floor: Share = 0.05
    concept_floor_points: Annotated[float, Field(ge=0.0, le=100.0)] = 5.0

    def policy_of(self, check: str) -> Policy:
        """Return what a finding of this check asks for."""
        own: Policy | None = getattr(self.policies, check)
        return own or self.policy

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return the checks that are not ignored."""
        names = DriftPolicies.model_fields
        return tuple(name for name in names if self.policy_of(name) != "ignore")


class RegistrySettings(Section):
    """Where versions are registered; empty means `mlruns/mlflow.db` in the root.

    `experiment`: MLflow's column is 256 characters wide, and so is the one of `model.name`.
    """

    tracking_uri: str | None = None
    experiment: Annotated[str, Field(min_length=1, max_length=256)] = "ratchet"


class Settings(Section):
    """All settings of one root, resolved."""

    seed: Count = 0
    model: ModelSettings = ModelSettings()
    adapter: AdapterSettings = AdapterSettings()
    strategy: StrategySettings = StrategySettings()
    training: TrainingSettings = TrainingSettings()
    cache: CacheSettings = CacheSettings()
    data: DataSettings = DataSettings()
    holdout: HoldoutSettings = HoldoutSettings()
    gate: GateSettings = GateSettings()
    drift: DriftSettings = DriftSettings()
    registry: RegistrySettings = RegistrySettings()

    def resolved(self, choices: Mapping[str, Any]) -> Settings:
        """Return the settings with `choices` (full name -> value) where they say `auto`."""
        values = self.model_dump()
        for name, value in choices.items():
            section, field = name.split(".")
            if values[section][field] == "auto":
                values[section][field] = value
        return Settings.model_validate(values)

    def training_digest(self) -> str:
        """Return the digest of every setting that can change a bundle's bytes (law 7)."""
        parts = self.model_dump(include={"seed", "model", "adapter", "strategy", "training"})
        parts["model"].pop("name")
        return json_digest({**parts, "holdout_fraction": self.holdout.fraction})


def load_settings(path: Path) -> Settings:
    """Read and check `params.yaml`.

    Raises:
        ConfigError: the file is missing, is not YAML, is larger than `bounded_yaml` reads,
            names a key twice, or a field is unknown or illegal.
    """
    loaded = read_yaml(path)
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
        found = [each[:PROBLEM_CHARS] for each in _problems(error)]
        more = len(found) - PROBLEMS
        problems = "; ".join(found[:PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise ConfigError(f"{place}: {problems}.", "Mend these fields and run it again.") from None


def _problems(error: ValidationError) -> list[str]:
    """Return one sentence a field, with all that would be legal there."""
    found: dict[str, list[str]] = {}
    for detail in error.errors():
        section, name, within = _field(detail["loc"])
        value, message = detail["input"], detail["msg"]
        if detail["type"] == "extra_forbidden":
            found[f"unknown setting `{name}` ({_show(value)})"] = _legal(section)
            continue
        if detail["type"] == "model_type":
            found[f"`{name}` is {_show(value)}"] = _legal(section)
            continue
        item = _item(section, name, within, value)
        message = message.removeprefix("Value error, ").removeprefix("Input ")
        quoted = " (put it in quotes)" if detail["type"] == "string_type" else ""
        shown = f"`{name}`" if item or isinstance(value, dict) else f"`{name}` is {_show(value)}"
        found.setdefault(shown, []).append(f"{item}{message[0].lower()}{message[1:]}{quoted}")
    return [f"{shown}: {', or '.join(dict.fromkeys(said))}" for shown, said in found.items()]


def _item(section: type[BaseModel], name: str, within: tuple[int | str, ...], value: Any) -> str:
    """Return which item of a list, or which key of a mapping, is meant; empty for the whole."""
    if within and isinstance(within[-1], int):
        return f"item {within[-1] + 1}, {_show(value)}, "
    kind = section.model_fields.get(name.rpartition(".")[2])
    if within and kind is not None and get_origin(kind.annotation) is dict:
        return f"{_show(within[0])}, {_show(value)}, "
    return ""


def _show(value: Any) -> str:
    """Return the value as it would be written in Python, cut where it is long."""
    return _short.repr(value)


def _legal(section: type[BaseModel]) -> list[str]:
    return [f"legal here: {', '.join(section.model_fields)}"]


def _field(place: tuple[int | str, ...]) -> tuple[type[BaseModel], str, tuple[int | str, ...]]:
    """Split pydantic's place into the section, the field's full name, and what is within it."""
    section: type[BaseModel] = Settings
    for depth, part in enumerate(place, start=1):
        nested = section_of(section, part)
        if nested is None:
            return section, _name(place[:depth]), place[depth:]
        section = nested
    return section, _name(place), ()


def _name(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:NAME_CHARS] for part in place)
