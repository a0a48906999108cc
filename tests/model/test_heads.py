from __future__ import annotations

import torch

from components.model.heads import HEADS
from components.model.heads.linear import grown_labels


def test_old_labels_keep_their_places_and_new_ones_follow_sorted() -> None:
    assert grown_labels((), {"b", "a"}) == ("a", "b")
    assert grown_labels(("z", "b"), {"c", "a", "b"}) == ("z", "b", "a", "c")


def test_growing_leaves_the_answers_on_old_labels_as_they_were() -> None:
    torch.manual_seed(0)
    parent = {"weight": torch.randn(2, 8), "bias": torch.randn(2)}
    features = torch.randn(5, 8)
    logits = HEADS["linear"](parent, 8, 4)(features)
    torch.testing.assert_close(logits[:, :2], HEADS["linear"](parent, 8, 2)(features))
    assert not logits[:, 2:].any()
