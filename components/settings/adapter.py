"""`adapter`: the way to adapt the frozen base, one section a method.

A method is one class here and one row in `AdapterSettings`; `method` says which one stands in
`params.yaml`. Settings of the others beside it are named in a note and ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.settings.section import ByMethod, Member, Name, Positive


class AdapterSection(Member):
    """The input of every method: where in the base to adapt.

    `target_modules`: `feed-forward` takes the widening linear modules of the feed-forward
    blocks, `all-linear` every linear module, a list those whose names end so.
    `layers` adapts that many top layers, `all` (or more than there are) every one; `auto`
    tries on the first batch how many are worth their seconds, and records it.
    """

    target_modules: (
        Literal["feed-forward", "all-linear"] | Annotated[list[Name], Field(min_length=1)]
    ) = "feed-forward"
    layers: Literal["all", "auto"] | Positive = 3


class LoraSettings(AdapterSection):
    """LoRA: a low-rank update beside each adapted module."""

    method: Literal["lora"] = "lora"
    rank: Positive = 8
    alpha: Positive = 16
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


AdapterSettings = Annotated[LoraSettings, ByMethod()]
