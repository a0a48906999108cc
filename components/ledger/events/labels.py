"""Events of the pools' inputs: the labels that people gave them, and their removal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from components.ledger.events.kind import Payload, event


@event(
    "label.given",
    read_by=("answers", "operations.labelling", "operations.reviews"),
    leased=False,
)
class LabelGiven(Payload):
    """A person answered a question about an input.

    `answer`: `label` (it is `label`), `neither` (it is none of `offered`) or `unclear` (the person
    could not tell). `asked_by`: the evidence of the decision that asked. `again`: the input had an
    answer, and was asked a second time to see how far answers can be trusted. `by`: who had logged
    in, where the answer was given in MLflow; `call`: the event by which its server recorded it.
    """

    task: str
    item: str
    answer: Literal["label", "neither", "unclear"]
    label: str | None
    offered: Sequence[str]
    asked_by: str
    again: bool = False
    by: str | None = None
    call: int | None = None


@event(
    "label.withdrawn",
    read_by=("answers", "operations.approval", "operations.labelling"),
    leased=False,
)
class LabelWithdrawn(Payload):
    """A person took an answer back; `given` is the number of its event."""

    task: str
    item: str
    given: int


@event(
    "removal.begun",
    read_by=(
        "holdout",
        "ledger.views.about_labels",
        "operations.pool_removal",
        "operations.verification.batches",
    ),
    intent="opens",
)
class RemovalBegun(Payload):
    """A person took inputs out of a pool: they may train now, and their texts are being deleted.

    `sources`: the files of inputs; `items`: how many inputs they had.
    """

    key: str
    task: str
    exam: str
    sources: Sequence[str]
    items: int
    reason: str


@event("removal.done", read_by=("operations.verification.batches",), intent="closes")
class RemovalDone(Payload):
    """The texts of removed inputs were deleted here; `left`: copies that are out of reach."""

    key: str
    sources: Sequence[str]
    left: Sequence[str]
