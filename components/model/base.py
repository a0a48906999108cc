"""The frozen base model: checked against its digest, loaded once.

Concept: a base is a folder of safetensors, `config.json` and `tokenizer.json`; its digest
covers exactly these. Every adapted model is a fork: its own module objects over the same
weights, so several bundles cost one base in memory and cannot reach each other's adapters.

Promise: pickled weights are never opened (law 9). A base without a pinned digest is accepted
and its digest recorded; one that differs from the pin is refused.
"""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .base_lookup import base_digest, named_base
from .determinism import fixed_threads
from .quiet_loading import quiet_transformers

if TYPE_CHECKING:
    from torch import nn

    from components.settings import ModelSettings

    from .placement import Placement

_AS_LOADED = ("cpu", "float32", "sdpa")
_LOADED: dict[tuple[str, str], Base] = {}


@dataclass(frozen=True, eq=False)
class Base:
    """A frozen encoder or decoder with its tokenizer.

    `name` is the hub id, or the last part of the folder: no machine path. `max_tokens` is
    the longest input that the architecture takes. `model` lies on the CPU and is never
    written to.
    """

    name: str
    digest: str
    folder: Path
    model: nn.Module
    tokenizer: Any
    hidden_size: int
    max_tokens: int
    pad_id: int
    _placed: dict[tuple[str, str, str], nn.Module] = field(
        init=False, repr=False, default_factory=dict
    )

    def placed(self, placement: Placement) -> nn.Module:
        """Return this base as `placement` wants it; one copy of the weights for each.

        Buffers keep their format: rounded rotary frequencies would turn far positions wrong.
        """
        key = (placement.device, placement.precision, placement.attention)
        if key not in self._placed:
            model = self.model
            if key != _AS_LOADED:
                model = copy.deepcopy(model)
                for weight in model.parameters():
                    weight.data = weight.data.to(placement.dtype)
                model = model.to(placement.device)
                with suppress(ValueError):  # an architecture with one attention only
                    model.set_attn_implementation(placement.attention)  # type: ignore[operator]
            self._placed[key] = model
        return self._placed[key]

    def fork(self, placement: Placement) -> nn.Module:
        """Return a model with modules of its own over this base's weights.

        An adapter method replaces a parameter that it changes; it never writes into one.
        """
        whole = self.placed(placement)
        shared = {id(tensor): tensor for tensor in chain(whole.parameters(), whole.buffers())}
        twin: nn.Module = copy.deepcopy(whole, shared)
        return twin


def load_base(settings: ModelSettings, root: Path) -> Base:
    """Return the base that the settings name, from memory when it is loaded already.

    Args:
        settings: `base` is a folder (absolute, or relative to `root`) or a hub id, which is
            taken from the local cache and downloaded only when it is not there.
        root: where relative folders start.

    Raises:
        ConfigError: there is no such base, its digest is not the pinned one, it has pickled
            weights only, no fast tokenizer, weights that do not fit its config, or takes
            fewer tokens than `model.max_tokens`.
    """
    folder = named_base(settings.base, root)
    digest = base_digest(folder)
    if settings.base_digest not in (None, digest):
        raise ConfigError(
            f"The base at {folder} has digest {digest}, but `model.base_digest` pins"
            f" {settings.base_digest}.",
            "Restore the pinned weights; a new base needs a new root or a new pin.",
        )
    name = folder.name if Path(settings.base).is_absolute() else settings.base
    if (name, digest) not in _LOADED:
        _LOADED[name, digest] = read_base(name, digest, folder)
    base = _LOADED[name, digest]
    if settings.max_tokens > base.max_tokens:
        raise ConfigError(
            f"`model.max_tokens` is {settings.max_tokens}, but {base.name} takes at most"
            f" {base.max_tokens}.",
            f"Set it to {base.max_tokens} or less.",
        )
    return base


def read_base(name: str, digest: str, folder: Path) -> Base:
    """Load the base in `folder`, whose digest was checked.

    Raises:
        ConfigError: it has no fast tokenizer, or weights that do not fit its config.
    """
    import torch
    from transformers import AutoModel

    with quiet_transformers(), fixed_threads(1):
        model, report = AutoModel.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    absent = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if absent:
        raise ConfigError(
            f"The weights at {folder} lack {len(absent)} tensors of {type(model).__name__}, "
            f"starting with {absent[0]}.",
            "Use a complete checkpoint; Ratchet never trains on random weights.",
        )
    if hasattr(model, "pooler"):
        model.pooler = None  # mean pooling instead; many checkpoints lack its weights
    model.eval().requires_grad_(False)
    tokenizer = _tokenizer(folder)
    pad_ids = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return Base(
        name=name,
        digest=digest,
        folder=folder,
        model=model,
        tokenizer=tokenizer,
        hidden_size=int(model.config.hidden_size),
        max_tokens=_longest(model.config, tokenizer),
        pad_id=next(pad for pad in pad_ids if pad is not None),
    )


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    if not tokenizer.is_fast:
        raise ConfigError(
            f"The tokenizer at {folder} has no fast version.",
            "Save it with a fast tokenizer class (tokenizer.json).",
        )
    _as_digested(tokenizer)
    return tokenizer


def _as_digested(tokenizer: Any) -> None:
    """Cut and pad as `tokenizer.json` says; no digest covers `tokenizer_config.json`."""
    backend = tokenizer.backend_tokenizer
    tokenizer.truncation_side = (backend.truncation or {}).get("direction", "right")
    tokenizer.padding_side = (backend.padding or {}).get("direction", "right")


def _longest(config: Any, tokenizer: Any) -> int:
    """RoBERTa's positions start behind the padding index, so it takes fewer than it lists."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 8192)
    if config.model_type in {"roberta", "xlm-roberta", "camembert"}:
        positions -= int(config.pad_token_id or 0) + 1
    return min(positions, int(tokenizer.model_max_length))
