"""Labels that the champion contradicts: wrong ones, swapped ones, known ones under a new name.

Concept: the champion answers a sample of a file's rows. Where it is sure and the row says something
else, either the label is wrong or the champion is; which one, people see from the worst ones.

Promise: nothing is kept. What is said is a hint; no row is rejected for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.data.source_file import shown
from components.evaluation.cause import percent
from components.items import Item
from components.ledger import views
from components.workspace.root import Workspace

ANSWERED = 500
"""Rows that the champion answers: a few seconds on two cores."""

SURE = 0.9
"""Probability from which the champion's answer counts as sure."""

SHOWN = 5
"""Rows and pairs of labels that are listed."""

SUSPICIOUS, MOSTLY, FEWEST = 0.05, 0.5, 5
"""A warning is given from so many rows, and from so large a share of them: of all labels, and of
one label that looks like another."""


def champion_on(
    ws: Workspace, items: Sequence[Item], known: Collection[str]
) -> dict[str, Any] | None:
    """Return how the champion answers rows of the tasks that it knows; None without any.

    Args:
        ws: the root.
        items: in an order that says nothing about them; the first `ANSWERED` are asked.
        known: the champion's labels; rows of others count apart.
    """
    champion, tasks = views.champion(ws.ledger), views.known_tasks(ws.ledger)
    own = [item for item in items if item.task in tasks]
    asked = own[:ANSWERED]
    if champion is None or not asked:
        return None
    from components.model.answering import predict
    from components.model.bundle import open_bundle
    from components.model.placement import placement_of

    bundle = open_bundle(ws.bundles, champion.bundle)
    texts = [item.content for item in asked]
    given = predict(ws.base, bundle, texts, placement_of(ws.in_force()))
    other: list[dict[str, Any]] = [
        {
            "text": item.content,
            "label": item.label,
            "champion": label,
            "sure": float(max(chances)),
            "task": item.task,
        }
        for item, label, chances in zip(asked, given.labels, given.probabilities, strict=True)
        if label != item.label
    ]
    sure = [each for each in other if each["sure"] >= SURE]
    worst = sorted(
        (each for each in sure if each["label"] in known),
        key=lambda each: (-each["sure"], each["text"]),
    )
    rows = Counter(item.label for item in asked)
    pairs = Counter((each["label"], each["champion"]) for each in sure)
    return {
        "version": champion.version,
        "rows": len(own),
        "answered": len(asked),
        "compared": sum(item.label in known for item in asked),
        "otherwise": sum(each["label"] in known for each in other),
        "surely_otherwise": len(worst),
        "pairs": [
            {
                "label": label,
                "champion": said,
                "rows": count,
                "of": rows[label],
                "new": label not in known,
            }
            for (label, said), count in pairs.most_common()
        ],
        "worst": worst[:SHOWN],
    }


def label_warnings(
    found: Mapping[str, Any] | None, missing: Collection[str], said_of: Collection[str]
) -> list[str]:
    """Return what the answers say of whole labels, a sentence each.

    `missing`: labels that the champion knows and the file lacks; `said_of`: new labels that
    another warning is about already.
    """
    if found is None:
        return []
    mostly = {
        (each["label"], each["champion"]): each
        for each in found["pairs"]
        if each["rows"] >= max(FEWEST, MOSTLY * each["of"])
    }
    said, explained = [], 0
    for (label, champion), each in mostly.items():
        rows = f"{each['rows']:,} of {each['of']:,} rows"
        if each["new"] and champion in missing and label not in said_of:
            said.append(
                f"The label {shown([label])} may be a new name of {shown([champion])}: the "
                f"champion surely answers so to {rows} of it. If so, give them the known name."
            )
        elif not each["new"]:
            explained += each["rows"]
            if (champion, label) not in mostly:
                said.append(
                    f"Rows labelled {shown([label])} look like {shown([champion])}: the champion "
                    f"surely answers so to {rows}. Either they are labelled wrongly, or it does "
                    "not know such texts yet: read some of them before they are trained on."
                )
            elif label < champion:
                said.append(
                    f"The labels {shown([label])} and {shown([champion])} look swapped: the "
                    f"champion surely answers {shown([champion])} to {rows} labelled "
                    f"{shown([label])}, and the other way round. Correct the file if they are."
                )
    left = found["surely_otherwise"] - explained
    if left >= max(FEWEST, SUSPICIOUS * found["compared"]):
        more = f" more, besides those {explained:,}" if explained else ""
        said.append(
            f"The champion surely answers {left:,} of {found['compared']:,} rows otherwise than "
            f"labelled ({percent(left / found['compared'])}){more}. Either these labels are "
            "wrong, or it does not know such texts yet: read the worst ones above."
        )
    return said
