"""A version as it is served: texts in any usual form, each answered by itself.

Concept: this is the front door with what a stranger has: a folder, and places where the base
may lie. It computes in float32, each text in a pass of its own, so that an answer depends on
its text alone; the gate scores in the format that `training.precision` names, and gives the
same labels but for near ties (docs/speed.md).

Promise: every file of bundle and base is checked against its digest before it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Corrupted, RatchetError
from .answering import Answerer, load_version
from .base import read_base
from .base_lookup import find_base
from .bundle import ChangedBundle, open_bundle
from .placement import Placement

__all__ = ["RatchetError", "Served", "open_served", "texts_of"]


@dataclass(frozen=True, slots=True)
class Served:
    """A version that takes what people ask, in any usual form."""

    version: Answerer

    def predict(self, asked: Any, probabilities: bool = False, threshold: float = 0.0) -> list[Any]:
        """Return the label of each text, in order.

        Args:
            asked: a string, a list of strings, or a frame (or dict of lists) with the column
                `text` or one column without a name.
            probabilities: ask for dicts instead, with label, probability and probabilities
                (label to number, sums to 1).
            threshold: a label less probable than this is withheld: None stands for it.

        Raises:
            ValueError: there is not exactly one such column, a cell is no string, or the threshold
                is no probability.
        """
        found = self.version.answer(texts_of(asked))
        labels = found.labels_from(threshold)
        if not probabilities:
            return labels
        return [
            {
                "label": label,
                "probability": float(row.max()),
                "probabilities": dict(zip(found.classes, map(float, row), strict=True)),
            }
            for label, row in zip(labels, found.probabilities, strict=True)
        ]


def open_served(folder: Path, places: Sequence[str]) -> Served:
    """Return the version whose bundle lies in `folder`, on the threads that PyTorch has now.

    Args:
        folder: the bundle, called by its digest.
        places: folders and hub ids where its base may lie, the best first.

    Raises:
        Corrupted: the bundle was changed.
        ConfigError: its base is in none of the places, or it is of a kind not known here.
    """
    import torch

    try:
        bundle = open_bundle(folder.parent, folder.name)
    except ChangedBundle as damage:
        raise Corrupted(
            f"The bundle at {folder} is not the one that was registered: {damage.fault}.",
            "Restore the artifacts of this version, or load another version.",
        ) from None
    base = bundle.state["base"]
    found = find_base(base["name"], base["digest"], places)
    placement = Placement("cpu", "float32", bundle.max_tokens, torch.get_num_threads(), alone=True)
    whole = read_base(base["name"], base["digest"], found)
    return Served(load_version(whole, bundle, placement))


def texts_of(asked: Any) -> list[str]:
    """Return the texts of whatever was asked: a string, a list, a column named `text`.

    MLflow hands on a list as a frame whose one column is called 0, a dict of a list as one row
    with the list in its cell, and leaves out columns that its schema does not name.

    Raises:
        ValueError: there is not exactly one such column, or a cell is no string.
    """
    import pandas as pd

    if isinstance(asked, dict):
        asked = pd.DataFrame([asked] if isinstance(asked.get("text"), str) else asked)
    if isinstance(asked, pd.DataFrame):
        column = "text" if "text" in asked.columns else 0
        if (count := list(asked.columns).count(column)) != 1:
            found = f"{count} columns are called 'text'" if count else "There is no column 'text'"
            among = f" among {list(asked.columns)}" if len(asked.columns) else ""
            raise ValueError(
                f"{found}{among}. Pass a list of strings, or a table with one column 'text'."
            )
        asked = asked[column]
        if len(asked) == 1 and isinstance(asked.iloc[0], list):
            asked = asked.iloc[0]
    texts = [asked] if isinstance(asked, str) else list(asked)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"Text {place} is {type(text).__name__}, not a string.")
    return texts
