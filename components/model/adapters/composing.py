"""Several stored adapters on one base: made into one, as `peft` combines them.

Switching needs nothing of its own: every version is a fork over the same weights, and a few stay
loaded side by side (`answering.answerer`). Composing makes one adapter of several of one kind.

Source: `peft`'s `add_weighted_adapter`: plain sums, TIES (Yadav et al. 2023) and DARE (Yu et al.
2024), by the products of LoRA's matrices (`..._svd`), or by the vectors of (IA)3.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import ConfigError
from ..adapters.method import WEIGHTS, load_peft
from ..quiet_loading import quiet_transformers
from ..tensors import read_tensors

if TYPE_CHECKING:
    from torch import nn

How = Literal["weighted", "ties", "dare"]
WAYS = {"weighted": "svd", "ties": "ties_svd", "dare": "dare_linear_svd"}
COMPOSABLE = ("lora", "ia3")
"""The methods of which several adapters make one."""


def compose(
    fork: nn.Module,
    method: str,
    folders: Sequence[Path],
    weights: Sequence[float],
    how: How = "weighted",
    density: float = 0.5,
) -> nn.Module:
    """Return the fork with one adapter made of several.

    Args:
        fork: of their base.
        method: of all of them.
        folders: of the saved adapters, which adapt the same modules in the same shape.
        weights: of each.
        how: their weighted sum, or of what TIES or DARE leave of each.
        density: the share that these leave.

    Raises:
        ConfigError: adapters of this method can't be composed, or not in this way.
    """
    from peft import PeftConfig, set_peft_model_state_dict

    if method not in COMPOSABLE or (method == "ia3" and how != "weighted"):
        raise ConfigError(
            f"Adapters of method {method} can't be composed by {how}.",
            "LoRA composes by weighted, ties or dare; (IA)3 by weighted.",
        )
    names = [f"part{number}" for number in range(len(folders))]
    adapted: Any = load_peft(fork, folders[0], False)
    with quiet_transformers():
        for name, folder in zip(names, folders, strict=True):
            config = PeftConfig.from_pretrained(str(folder))
            config.init_lora_weights = True
            adapted.add_adapter(name, config)
            set_peft_model_state_dict(adapted, read_tensors(folder / WEIGHTS), name)
        options: dict[str, Any] = {} if method == "ia3" else {"combination_type": WAYS[how]}
        if how != "weighted":
            options |= {"density": density}
        adapted.base_model.add_weighted_adapter(names, list(weights), "composed", **options)
    adapted.set_adapter("composed")
    for name in ("default", *names):
        adapted.delete_adapter(name)
    adapted.requires_grad_(False)
    return adapted  # type: ignore[no-any-return]
