"""Adapter methods: one file each, one row here. `adapter.method` names the row."""

from __future__ import annotations

from ..adapters import lora
from ..adapters.method import Method

METHODS: dict[str, Method] = {
    "lora": lora.METHOD,
}
