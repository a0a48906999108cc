"""`model`: the model that is kept current."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.settings.section import Name, Section


class ModelSettings(Section):
    """The model that is kept current.

    `base` is a hub id or a local folder; `base_digest` pins its weights (SHA-256 over the
    weight files); `max_tokens` counts word pieces per text.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")] = "ratchet"
    base: Name = "sentence-transformers/all-MiniLM-L6-v2"
    base_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 128
