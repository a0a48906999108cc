"""An adapted model that answers: base, adapter and head put together.

Concept: training and scoring see a model only through `features` and `head`, so neither
knows which adapter method is inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.errors import ConfigError
from components.training.adapters import METHODS
from components.training.encoding import infer, pooled, tokenise
from components.training.heads import HEADS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from components.training.base import Base
    from components.training.bundle import Bundle
    from components.training.progress import Progress


@dataclass(frozen=True, slots=True)
class Classifier:
    """An adapted model with its head on one device.

    `model` maps ids and mask to hidden states; `head` maps (n, hidden_size) features to
    (n, n_labels) logits; `labels` names the columns.
    """

    base: Base
    model: nn.Module
    head: nn.Module
    labels: tuple[str, ...]
    max_tokens: int
    device: str

    def features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the pooled features, (n_rows, hidden_size)."""
        return pooled(self.model, ids, mask)

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Return float32 logits, (n_texts, n_labels), without gradients; texts is not empty."""
        rows = tokenise(self.base, texts, self.max_tokens)
        return infer(self._answer, rows, self.base.pad_id, self.max_tokens, self.device, progress)

    def _answer(self, ids: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(ids, mask))
        return logits


def load_classifier(base: Base, bundle: Bundle, device: str) -> Classifier:
    """Return the version that `bundle` holds, ready to answer; its own modules throughout.

    Raises:
        ConfigError: the bundle was trained on another base.
    """
    check_base(base, bundle)
    method = METHODS[bundle.state["adapter"]["method"]]
    model = method.load(base.fork(device), bundle.adapter, False).to(device)
    grow = HEADS[bundle.state["head"]]
    head = grow(bundle.head_tensors(), base.hidden_size, len(bundle.labels)).to(device)
    model.eval().requires_grad_(False)
    head.eval().requires_grad_(False)
    return Classifier(base, model, head, bundle.labels, bundle.max_tokens, device)


def check_base(base: Base, bundle: Bundle) -> None:
    """Raise `ConfigError` unless the bundle was trained on `base`."""
    needed = bundle.state["base"]
    if needed["digest"] != base.digest:
        raise ConfigError(
            f"Bundle {bundle.digest[:12]} was trained on {needed['name']}"
            f" ({needed['digest'][:12]}), but `model.base` is {base.name}"
            f" ({base.digest[:12]}).",
            "Set `model.base` back to it; another base needs a root of its own.",
        )
