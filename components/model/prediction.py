"""The answers of a version to some texts, as plain values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answers in the order of the texts.

    labels: the most probable label of each text. probabilities: float32, shape
    (n_texts, n_classes), each row sums to 1; its columns are `classes`.
    """

    labels: list[str]
    probabilities: np.ndarray
    classes: tuple[str, ...]

    def labels_from(self, threshold: float) -> list[str | None]:
        """Return the labels, None for "don't know" where the best one is less probable.

        Raises:
            ValueError: the threshold is not from 0 to 1.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"The threshold is {threshold}; it is a probability, from 0 to 1.")
        if not self.labels:
            return []
        sure = self.probabilities.max(axis=1) >= threshold
        return [label if each else None for label, each in zip(self.labels, sure, strict=True)]


def among(prediction: Prediction, labels: Collection[str]) -> list[str]:
    """Return the most probable label of each text among `labels` alone, in order of the texts.

    Raises:
        ValueError: the model knows none of them.
    """
    places = [place for place, label in enumerate(prediction.classes) if label in labels]
    if not places:
        raise ValueError("none of these labels is known")
    best = prediction.probabilities[:, places].argmax(axis=1)
    return [prediction.classes[places[place]] for place in best]


def from_logits(logits: np.ndarray, classes: Sequence[str]) -> Prediction:
    """Return what logits, float32 of shape (n_texts, n_classes), say."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    best = [classes[place] for place in logits.argmax(axis=1)]
    return Prediction(best, probabilities, tuple(classes))
