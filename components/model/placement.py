"""Where and how exactly a model computes: device, number format, attention kernel.

Concept: bfloat16 halves what is stored and, on processors made for it, takes a quarter of the
time; elsewhere it is slower than float32. Another format gives other bytes, so the choice is
made once (`training.precision_choice`) and is a setting from then on (law 7).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .determinism import resolve_device

if TYPE_CHECKING:
    from components.settings import Settings

Precision = Literal["float32", "bfloat16"]

EAGER_TOKENS = 1024
"""Longest text for which the plain attention is taken on a CPU in bfloat16. PyTorch's fused one
has a backward pass there that is 2 to 12 times slower at any length (measured up to 512), but
needs no memory that grows with the length squared."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a model computes.

    device: `cpu` or `cuda`. precision: of weights and activations below the head.
    max_tokens: a text is cut there. threads: CPU threads. alone: each text has its own pass
    through the whole model, unpadded, its adapter merged where that can be, as serving wants it,
    where texts come singly; else they share passes, and what the frozen layers compute is kept.
    """

    device: str
    precision: Precision
    max_tokens: int
    threads: int
    alone: bool = False

    @property
    def dtype(self) -> Any:
        """The PyTorch number type."""
        import torch

        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    @property
    def attention(self) -> str:
        """The attention implementation, as transformers names it."""
        slow = self.device == "cpu" and self.precision == "bfloat16"
        return "eager" if slow and self.max_tokens <= EAGER_TOKENS else "sdpa"

    def mixed(self) -> AbstractContextManager[Any]:
        """Let float32 adapters meet bfloat16 activations, each product in bfloat16."""
        import torch

        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16")


def placement_of(settings: Settings) -> Placement:
    """Return where and how these settings compute on this machine; `auto` is float32.

    Raises:
        ConfigError: there is no such device.
    """
    own = settings.training
    precision = "float32" if own.precision == "auto" else own.precision
    device = resolve_device(own.device)
    return Placement(device, precision, settings.model.max_tokens, own.threads)
