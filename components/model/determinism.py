"""Same input, same bytes: seeds, threads and kernels fixed for the length of a block.

Concept: floating-point sums depend on how many threads share them and on which kernel runs,
so both are settings (law 7), and both are put back afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from ..digest import json_digest
from ..errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]

_first_process: int | None = None


def derived_seed(*parts: object) -> int:
    """Return a seed below 2**31 that depends on every part and on nothing else."""
    return int(json_digest([str(part) for part in parts])[:8], 16) >> 1


def resolve_device(device: Device) -> str:
    """Return `cpu` or `cuda`; `auto` takes the GPU where there is one.

    Raises:
        ConfigError: `cuda` is asked for and PyTorch sees none.
    """
    import torch

    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise ConfigError(
            "`training.device` is 'cuda', but PyTorch sees no GPU here.",
            "Set it to 'auto' or 'cpu', or install a CUDA build of PyTorch.",
        )
    return "cuda"


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Run the block on exactly `threads` CPU threads.

    A process forked from one that has computed already gets one thread: OpenMP's threads do
    not survive a fork, and waiting for them would never end.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if _is_forked() else threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Run the block with fixed seeds, threads and deterministic kernels.

    The caller's random state and switches are as before when the block ends.

    Raises:
        ConfigError: more than one thread in a forked process, where they cannot be had.
    """
    import torch

    if threads > 1 and _is_forked():
        raise ConfigError(
            f"`training.threads` is {threads}, but this process was forked after PyTorch had "
            "started, and can use only one thread.",
            "Train in a fresh process (`spawn`, not `fork`).",
        )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    switches = torch.are_deterministic_algorithms_enabled()
    with fixed_threads(threads), torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(switches)


def _is_forked() -> bool:
    global _first_process
    if _first_process is None:
        _first_process = os.getpid()
    return _first_process != os.getpid()
