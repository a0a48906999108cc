"""LoRA's linear module in fewer passes over memory: the same sum, computed in place.

Concept: `peft` computes Wx + b, then s * B(Ax), then adds the two, each a pass over all
tokens. Here the low-rank product is added while it is made, forward and backward, which takes
a tenth off an update of a small encoder (docs/speed.md). Weights, names and files are peft's.

Promise: equal to peft's module up to the rounding of the number format.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

ADAPTER = "default"


class FusedLinear(Linear):
    """A linear module with one LoRA adapter and nothing else: no dropout, no variant."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return Wx + b + s * B(Ax) in the format of W; with a hook on A, peft's way."""
        if self.disable_adapters or self.merged or self.lora_A[ADAPTER]._forward_hooks:
            return super().forward(x, *args, **kwargs)
        base: Any = self.get_base_layer()
        found: Tensor = _Fused.apply(  # type: ignore[no-untyped-call]
            x.to(base.weight.dtype),
            base.weight,
            base.bias,
            self.lora_A[ADAPTER].weight,
            self.lora_B[ADAPTER].weight,
            self.scaling[ADAPTER],
        )
        return found


def fuse(model: nn.Module) -> None:
    """Let every plain LoRA module of `model` compute the fused way, in place."""
    for module in model.modules():
        if type(module) is Linear and _is_plain(module):
            module.__class__ = FusedLinear


def _is_plain(module: Linear) -> bool:
    base = module.get_base_layer()
    return (
        type(base) is nn.Linear
        and module.active_adapters == [ADAPTER]
        and isinstance(module.lora_dropout[ADAPTER], nn.Identity)
        and not module.lora_variant
        and not module.lora_bias[ADAPTER]
    )


class _Fused(torch.autograd.Function):
    """y = x W' + b + s (x A') B', with W frozen; A and B are kept in float32."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        x, weight, bias, down, up, scale = given
        flat, low, high = x.reshape(-1, x.shape[-1]), down.to(x.dtype), up.to(x.dtype)
        inner = (flat @ low.T).mul_(scale)
        found = flat @ weight.T if bias is None else torch.addmm(bias, flat, weight.T)
        found.addmm_(inner, high.T)
        ctx.save_for_backward(flat, weight, low, high, inner)
        ctx.scale, ctx.shape, ctx.kept = scale, x.shape, down.dtype
        return found.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        flat, weight, low, high, inner = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, gradients[0].shape[-1])
        through = (gradient @ high).mul_(ctx.scale)
        below = None
        if ctx.needs_input_grad[0]:
            below = (gradient @ weight).addmm_(through, low).view(ctx.shape)
        own = [(through.T @ flat).to(ctx.kept), (gradient.T @ inner).to(ctx.kept)]
        return below, None, None, *own, None
