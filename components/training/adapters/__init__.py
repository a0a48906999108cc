"""Adapter methods: one file each, one row here. `adapter.method` names the row."""

from __future__ import annotations

from components.training.adapters import lora
from components.training.adapters.method import Method

METHODS: dict[str, Method] = {
    "lora": lora.METHOD,
}
