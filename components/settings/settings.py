"""All settings of one root, section by section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.digest import json_digest
from components.settings.adapter import AdapterSettings, LoraSettings
from components.settings.cache import CacheSettings
from components.settings.data import DataSettings
from components.settings.drift import DriftSettings
from components.settings.gate import GateSettings
from components.settings.holdout import HoldoutSettings
from components.settings.model import ModelSettings
from components.settings.registry import RegistrySettings
from components.settings.section import Count, Section
from components.settings.service import ServiceSettings
from components.settings.strategy import HybridSettings, StrategySettings
from components.settings.training import TrainingSettings

DECIDE_BYTES = frozenset(
    "seed model adapter strategy training"
    " holdout.fraction holdout.first_fraction holdout.enough_items".split()
)
"""What a bundle's bytes depend on: sections, and single settings by full name."""


DECIDE_NO_BYTES = frozenset({"training.pool_below"})
"""Single settings of those sections that are about something else."""


class Settings(Section):
    """All settings of one root, resolved."""

    seed: Count = 0
    model: ModelSettings = ModelSettings()
    adapter: AdapterSettings = LoraSettings()
    strategy: StrategySettings = HybridSettings()
    training: TrainingSettings = TrainingSettings()
    cache: CacheSettings = CacheSettings()
    data: DataSettings = DataSettings()
    holdout: HoldoutSettings = HoldoutSettings()
    gate: GateSettings = GateSettings()
    drift: DriftSettings = DriftSettings()
    registry: RegistrySettings = RegistrySettings()
    service: ServiceSettings = ServiceSettings()

    def resolved(self, choices: Mapping[str, Any]) -> Settings:
        """Return the settings with `choices` (full name -> value) where they say `auto`.

        The name of a whole section stands for all of it where its method is `auto`.
        """
        values = self.model_dump()
        for name, value in choices.items():
            section, _, field = name.partition(".")
            if not field and values[section]["method"] == "auto":
                values[section] = value
            elif field and values[section].get(field) == "auto":
                values[section][field] = value
        return Settings.model_validate(values)

    def training_digest(self) -> str:
        """Return the digest of every setting that can change a bundle's bytes (law 7).

        Law: only what differs from the defaults counts, so a new setting leaves every digest as
        it is. A default that is changed must therefore raise `bundle.FORMAT`.
        """
        found = self.differing()
        found.pop("model.name", None)
        decisive = {
            name: value
            for name, value in found.items()
            if DECIDE_BYTES & {name, name.partition(".")[0]} and name not in DECIDE_NO_BYTES
        }
        return json_digest(decisive)
