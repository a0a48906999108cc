"""Adapter methods: one file each, one row here. `adapter.method` names the row."""

from __future__ import annotations

from ..adapters import (
    adalora,
    bitfit,
    bottleneck,
    full,
    head,
    hiwi,
    ia3,
    llama_adapter,
    ln_tuning,
    lora,
    osf,
    p_tuning,
    pafi,
    prefix,
    prompt,
    shira,
    vera,
)
from ..adapters.method import Method

METHODS: dict[str, Method] = {
    "lora": lora.METHOD,
    "adalora": adalora.METHOD,
    "vera": vera.METHOD,
    "ia3": ia3.METHOD,
    "shira": shira.METHOD,
    "osf": osf.METHOD,
    "prompt": prompt.METHOD,
    "p_tuning": p_tuning.METHOD,
    "prefix": prefix.METHOD,
    "llama_adapter": llama_adapter.METHOD,
    "ln_tuning": ln_tuning.METHOD,
    "bitfit": bitfit.METHOD,
    "bottleneck": bottleneck.METHOD,
    "pafi": pafi.METHOD,
    "hiwi": hiwi.METHOD,
    "full": full.METHOD,
    "head": head.METHOD,
}
