"""What is handed to the registry, and what it hands back: plain values.

Concept: a `Submission` is one candidate with everything MLflow shall show of it; its
`key` decides identity. A `Version` is what MLflow holds, read back.

Promise: nothing here imports MLflow, and no name that a task or a label carries can make
MLflow refuse a metric: keys are brought into its alphabet, one to one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

DESCRIPTION_CHARS = 5000
"""Width of MLflow's description column; SQLite would not enforce it, PostgreSQL does."""

_KEY_CHARS = 250
_ILLEGAL = re.compile(r"[^A-Za-z0-9_\-. ]")


@dataclass(frozen=True, slots=True)
class DataSource:
    """The rows that a version learned, as MLflow's "Datasets used" shows them.

    `digest` is the batch digest; MLflow keeps its first 36 characters. `path` is relative
    to the root, so that the record holds on another machine.
    """

    name: str
    digest: str
    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class Submission:
    """One candidate to register.

    `key` names the work, and one key always yields one version. `headline` becomes the
    first line of the description, the only one that MLflow's list of versions shows.
    `files` maps artifact names (`report.html`, `plots/tasks.png`) to files. A metric that
    is None or not finite is left out. `base_folder` is where the base lies on this
    machine, if anywhere; loading prefers it and checks `base_digest`. `batch` is None where the
    candidate came from none. `first_tags` are for people, and no part of the `document`: they
    follow from the ledger, and change with it.
    """

    key: str
    bundle: Path
    bundle_digest: str
    batch: str | None
    parent_version: int | None
    headline: str
    base_name: str
    base_digest: str
    base_folder: Path | None = None
    description: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    first_tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    dataset: DataSource | None = None

    def all_tags(self) -> dict[str, str]:
        """Return the tags of the version: the given ones and Ratchet's own, which win."""
        parent = "" if self.parent_version is None else str(self.parent_version)
        return {
            **{name: str(value) for name, value in self.tags.items()},
            "ratchet.key": self.key,
            "ratchet.bundle": self.bundle_digest,
            "ratchet.batch": self.batch or "",
            "ratchet.parent_version": parent,
            "ratchet.base": self.base_name,
        }

    def document(self) -> dict[str, Any]:
        """Return all that MLflow is to show of this but files, as the ledger keeps it.

        Metrics and params stand under the keys that MLflow has them by.
        """
        metric_keys, param_keys = legal_keys(self.metrics), legal_keys(self.params)
        return {
            "key": self.key,
            "headline": self.headline,
            "description": self.description,
            "metrics": {metric_keys[name]: value for name, value in finite(self.metrics).items()},
            "params": {param_keys[name]: str(value) for name, value in self.params.items()},
            "tags": self.all_tags(),
            "dataset": None if self.dataset is None else asdict(self.dataset),
            "run_name": self.run_name,
            "base_name": self.base_name,
            "base_digest": self.base_digest,
            "parent_version": self.parent_version,
            "batch": self.batch,
            "bundle": self.bundle_digest,
        }

    @property
    def run_name(self) -> str:
        """What MLflow's list of runs calls it: the batch's file, or the batch, or the bundle."""
        return self.dataset.name if self.dataset else (self.batch or self.bundle_digest)[:12]


@dataclass(frozen=True, slots=True)
class Registered:
    """A version in MLflow and the run that carries its metrics and files.

    `marks` are the tags that name its documents: `ratchet.files`, the listing of its files,
    and `ratchet.texts`, the texts of its model folder. An older Ratchet set none.
    """

    version: int
    run_id: str
    marks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """One version as MLflow shows it now: a display, never the truth (law 1)."""

    version: int
    run_id: str
    description: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]


def page(headline: str, body: str) -> str:
    """Return a description of at most `DESCRIPTION_CHARS`, its first line the headline."""
    text = " ".join(headline.split())
    if body:
        text += "\n\n" + body
    if len(text) <= DESCRIPTION_CHARS:
        return text
    more = "\n\n... (shortened; the full text is in the run's files)"
    return text[: DESCRIPTION_CHARS - len(more)] + more


def dataset_source(dataset: Mapping[str, Any]) -> str:
    """Return where a dataset's rows lie, as MLflow keeps it."""
    return json.dumps({"uri": dataset["path"]})


def dataset_profile(dataset: Mapping[str, Any]) -> str:
    """Return what MLflow shows of a dataset."""
    return json.dumps({"num_rows": dataset["rows"], "batch": dataset["digest"]})


def legal_keys(names: Iterable[str]) -> dict[str, str]:
    """Map each name to a key in MLflow's alphabet (letters, digits, `_ - . space /`).

    Law: different names get different keys, in whatever order they come; a legal name is
    its own key.
    """
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda name: (_legal(name) != name, name)):
        key, count = _legal(name), 1
        while key in taken:
            count += 1
            key = f"{_legal(name)[: _KEY_CHARS - 8]}.{count}"
        taken.add(key)
        keys[name] = key
    return keys


def finite(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """Return the metrics that are numbers: a missing one stays missing, never zero."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if value is not None and math.isfinite(value)
    }


def _legal(name: str) -> str:
    parts = [_ILLEGAL.sub("_", part) for part in name.split("/")]
    return "/".join("_" if part in {"", ".", ".."} else part for part in parts)[:_KEY_CHARS]
