"""Continual strategies: one file each, one row here. `strategy.method` names the row."""

from __future__ import annotations

from components.training.strategies import (
    analytic,
    ewc,
    experts,
    hybrid,
    joint,
    lwf,
    merge,
    olora,
    osf,
    pool,
    prototype,
    replay,
    sequential,
    task_vectors,
)
from components.training.strategies.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {
    "replay": replay.STRATEGY,
    "sequential": sequential.STRATEGY,
    "joint": joint.STRATEGY,
    "ewc": ewc.STRATEGY,
    "lwf": lwf.STRATEGY,
    "olora": olora.STRATEGY,
    "osf": osf.STRATEGY,
    "experts": experts.STRATEGY,
    "pool": pool.STRATEGY,
    "merge": merge.STRATEGY,
    "task_vectors": task_vectors.STRATEGY,
    "analytic": analytic.STRATEGY,
    "hybrid": hybrid.STRATEGY,
    "prototype": prototype.STRATEGY,
}
