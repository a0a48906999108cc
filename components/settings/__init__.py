"""The settings of one root: `params.yaml`, read by both Ratchet and DVC.

Concept: one frozen pydantic model a section, one file each; every field has a default, so an
empty file is a working one. Unknown keys are refused, because a typo must not be a default.
Where `method` chooses between sections, each knows its own settings alone.

Promise: below this room nothing reads the environment. A wrong value raises one `ConfigError`
that names the field, the value and what would be legal.
"""

from components.settings.adapter import AdapterSettings, LoraSettings
from components.settings.data import DataSettings
from components.settings.drift import DriftPolicies, DriftSettings
from components.settings.earlier_settings import FORMER_DEFAULTS, FORMER_SECTIONS, recorded
from components.settings.gate import GateSettings
from components.settings.model import ModelSettings
from components.settings.reading import load_settings, parse_settings, read_settings
from components.settings.section import Policy
from components.settings.settings import Settings
from components.settings.strategy import HybridSettings, ReplaySettings, SequentialSettings
from components.settings.training import TrainingSettings

__all__ = [
    "FORMER_DEFAULTS",
    "FORMER_SECTIONS",
    "AdapterSettings",
    "DataSettings",
    "DriftPolicies",
    "DriftSettings",
    "GateSettings",
    "HybridSettings",
    "LoraSettings",
    "ModelSettings",
    "Policy",
    "ReplaySettings",
    "SequentialSettings",
    "Settings",
    "TrainingSettings",
    "load_settings",
    "parse_settings",
    "read_settings",
    "recorded",
]
