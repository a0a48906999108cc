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

__all__ = ["RatchetError", "Served", "answers", "open_served", "texts_of"]

NAMED = 12
"""So many digits of a bundle's digest name the version in its answers."""


@dataclass(frozen=True, slots=True)
class Served:
    """A version that takes what people ask, in any usual form. `bundle`: the digest of its own."""

    version: Answerer
    bundle: str

    def predict(self, asked: Any, probabilities: bool = False, threshold: float = 0.0) -> list[Any]:
        """Return the label of each text, in order; None for a text without an answer.

        Args:
            asked: a string, a list of strings, or a frame (or dict of lists) with the column
                `text` or one column without a name.
            probabilities: ask for dicts instead, as `answers` gives them, with the first digits
                of the bundle that answered.
            threshold: a label less probable than this is withheld: None stands for it.

        Raises:
            ValueError: there is not exactly one such column, a cell is no string, or the threshold
                is no probability.
        """
        found = answers(self.version, texts_of(asked), threshold)
        if not probabilities:
            return [each["label"] for each in found]
        return [{**each, "bundle": self.bundle[:NAMED]} for each in found]


def answers(version: Answerer, texts: Sequence[str], threshold: float) -> list[dict[str, Any]]:
    """Return label, probability and probabilities (label to number, sums to 1) of each text.

    The label is None where it is less probable than `threshold`. A blank text has no answer: all
    three are None.

    Raises:
        ValueError: the threshold is not from 0 to 1.
    """
    found = version.answer([text for text in texts if text.strip()])
    given = zip(found.labels_from(threshold), found.probabilities, strict=True)
    told: list[dict[str, Any]] = []
    for text in texts:
        label, row, shares = None, None, None
        if text.strip():
            label, row = next(given)
            shares = dict(zip(found.classes, map(float, row), strict=True))
        best = None if row is None else float(row.max())
        told.append({"label": label, "probability": best, "probabilities": shares})
    return told


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
    return Served(load_version(whole, bundle, placement), bundle.digest)


def texts_of(asked: Any) -> list[str]:
    """Return the texts of whatever was asked: a string, a list, a column named `text`.

    MLflow hands on a list as a frame whose one column is called 0, a dict of a list as one row
    with the list in its cell, and leaves out columns that its schema does not name. A cell without
    a value is a blank text.

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
        if pd.api.types.is_scalar(text) and pd.isna(text):
            texts[place] = ""
        elif not isinstance(text, str):
            raise ValueError(f"Text {place} is {type(text).__name__}, not a string.")
    return texts
