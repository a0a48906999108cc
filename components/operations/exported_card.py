"""The model card of an exported folder: what it is, what it learned, how good it is, its limits.

Concept: everything in it is read off the ledger and the version's evidence, so that whoever gets
the folder knows what the gate knew. It tells counts and names, and no text of anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from components.gate.binomial import binomial_bounds
from components.ledger import views
from components.operations.exported_folder import Holds
from components.pipeline.pages import standing
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from components.model.bundle import Bundle

ONE_SIDED = 0.025
"""Of each bound: both together hold with 95 %."""


def card(ws: Workspace, version: views.Version, bundle: Bundle, holds: Holds, folder: str) -> str:
    """Return the model card, in Markdown with Hugging Face's header. `folder`: its name."""
    name, base = holds.model, bundle.state["base"]
    labels = ", ".join(f"`{label}`" for label in bundle.labels)
    learned = f"{bundle.state['adapter']['method']}, {bundle.state['strategy']}"
    off = f"{holds.texts} texts; no probability is off by more than {holds.difference:.1g}"
    when = f"{holds.exported[:10]} {holds.exported[11:16]} UTC"
    what = standing(ws, version)
    return f"""---
library_name: transformers
pipeline_tag: text-classification
---

# {name}, version {version.version}

Tells {len(bundle.labels)} labels apart: {labels}. This is {base["name"]}, fine-tuned by
Ratchet, exported from the root `{holds.root}` on {when}. Its standing at that time:

> {f"{what.title} {what.why}".rstrip()}

This folder stays as it is when another version comes into force. In that root,
`ratchet export champion FOLDER` says whether it still holds the champion, and with `--force`
replaces it. `ratchet.json` says for programs what it holds.

## Use

```python
from transformers import pipeline

folder = {json.dumps(folder)}  # or the path to it
ask = pipeline("text-classification", model=folder, trust_remote_code=True)
ask("A text to classify.", truncation=True)
```

`requirements.txt` lists what it needs. `trust_remote_code` lets transformers run
`modeling_ratchet.py` of this folder, a hundred lines: the model reads the means over a text's
tokens, which no class of transformers does.

## How good it is

{_accuracy(ws, version)}

Intervals are exact (Clopper and Pearson), 95 %. They hold for texts like those of the exams.

## What it learned from

{_batches(ws, version)}

## Limits

- It reads the first {bundle.max_tokens} tokens of a text, and answers every text with one of its
  labels: decide below which probability you don't use an answer.
- Wrong labels in the data and texts unlike those above make it worse than the table says.
- The licence of {base["name"]} holds for these weights as well, and so do the terms of the data.
  Ratchet knows neither: look them up before you pass this folder on.

## Provenance

| | |
|---|---|
| compared with the version | {off} |
| adapter, strategy | {learned} |
| base | {base["digest"]} |
| bundle | {bundle.digest} |
| evidence | {version.evidence} |
"""


def _accuracy(ws: Workspace, version: views.Version) -> str:
    """Return the table of what the version answered when it was examined."""
    rows = [_accuracy_row(exam) for exam in ws.read_document(version.evidence)["exams"]]
    if not any(rows):
        return "No exam was held when it was examined."
    head = ["| exam | right answers | accuracy | between |", "|---|---|---|---|"]
    return "\n".join([*head, *filter(None, rows)])


def _accuracy_row(exam: dict[str, Any]) -> str | None:
    if not exam["candidate"]:
        return None
    items, right = len(exam["candidate"]), exam["candidate"].count("1")
    low, high = binomial_bounds(right, items, ONE_SIDED)
    share = f"{100 * right / items:.1f} %"
    name = str(exam["exam"]).replace("|", "\\|")
    between = f"{100 * low:.1f} and {100 * high:.1f} %"
    return f"| {name} | {right:,} of {items:,} | {share} | {between} |"


def _batches(ws: Workspace, version: views.Version) -> str:
    rows = [
        f"| {step.version} | {source} | `{(step.batch or step.bundle)[:12]}` |"
        for step, source in _steps(ws, version)
    ]
    head = ["| version | file | batch |", "|---|---|---|"]
    return "\n".join([*head, *rows])


def _steps(ws: Workspace, version: views.Version) -> Iterator[tuple[views.Version, str]]:
    """Yield a version and those that it grew from, the oldest first, each with its batch."""
    chain: list[views.Version] = []
    step: views.Version | None = version
    while step is not None:
        chain.append(step)
        step = None if step.parent is None else views.version(ws.ledger, step.parent)
    for each in reversed(chain):
        arrival = views.arrival(ws.ledger, each.batch) if each.batch else None
        source = arrival.source if arrival else "a change without a batch"
        yield each, source.replace("|", "\\|")
