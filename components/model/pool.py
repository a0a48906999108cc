"""Versions whose adapter is a pool of modules with keys: a text uses those with the nearest keys.

Concept: the adapter's ranks, or its tokens, are divided into modules of equal size. The query is
the frozen base's view of the text; modules that are not chosen are shut for it: of LoRA the inner
numbers are set to zero, of a prompt or prefix the tokens are hidden from the attention. So the
chosen modules add up.

Source: Wang et al. 2022, L2P, section 4.2; with LoRA, Wistuba et al. 2024 (arXiv 2406.03216).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .encoding import pooled

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .base import Base
    from .placement import Placement

POOL = "pool"
"""The part with the keys, (modules, hidden_size), and how many are chosen, (1,)."""

LOW_RANK, TOKENS = ("lora",), ("prompt", "prefix")
"""The methods whose ranks, or whose tokens, can be divided."""


@dataclass
class Pool:
    """Chooses modules before each pass of a model, and shuts the others.

    keys: (modules, hidden_size). top: how many are chosen. drawn: after a pass, the mean over its
    rows of the summed likeness of the chosen keys to the query, with gradients to the keys.
    """

    keys: Tensor
    top: int
    open: Tensor | None = field(default=None, repr=False)
    drawn: Tensor | None = field(default=None, repr=False)

    def choose(self, query: Tensor) -> None:
        """Choose for the rows that come next; query: (n, hidden_size)."""
        import torch

        unit = torch.nn.functional.normalize
        likeness = unit(query) @ unit(self.keys.to(query.device)).T
        best = likeness.topk(self.top, dim=1)
        self.open = torch.zeros_like(likeness).scatter(1, best.indices, 1.0).detach()
        self.drawn = best.values.sum(1).mean()

    def gates(self, size: int) -> Tensor:
        """Return 1 or 0 for each row and each of `size` ranks or tokens, (n, size)."""
        assert self.open is not None
        return self.open.repeat_interleave(size // self.open.shape[1], dim=1)


def attach_pool(
    model: nn.Module, method: str, base: Base, placement: Placement, pool: Pool
) -> None:
    """Let each pass of an adapted model use the modules that `pool` chooses, in place."""
    import torch

    whole = base.placed(placement)

    def before(module: Any, args: Any, kwargs: Any) -> None:
        with torch.no_grad(), placement.mixed():
            query = pooled(whole, kwargs["input_ids"], kwargs["attention_mask"])
        pool.choose(query)

    model.register_forward_pre_hook(before, with_kwargs=True)
    if method in LOW_RANK:
        from .adapters.low_rank import lora_modules

        for module in lora_modules(model).values():
            module.lora_A["default"].register_forward_hook(
                lambda own, args, inner: (
                    inner * pool.gates(inner.shape[-1])[:, None].to(inner.dtype)
                )
            )
    else:
        owner: Any = model
        tokens = owner.peft_config["default"].num_virtual_tokens
        owner.base_model.register_forward_pre_hook(
            lambda own, args, kwargs: (args, _hidden(kwargs, pool.gates(tokens))), with_kwargs=True
        )


def _hidden(kwargs: dict[str, Any], gates: Tensor) -> dict[str, Any]:
    """Return the arguments with the tokens that are shut hidden from the attention."""
    import torch

    mask = kwargs["attention_mask"]
    own = mask[:, gates.shape[1] :]
    return {**kwargs, "attention_mask": torch.cat([gates.to(mask.dtype), own], dim=1)}
