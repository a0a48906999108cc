"""The frozen base model: checked against its digest, loaded once.

Concept: a base is a folder of safetensors, `config.json` and `tokenizer.json`; its digest
covers exactly these. Every adapted model is a fork: its own module objects over the same
weights, so several bundles cost one base in memory and cannot reach each other's adapters.

Promise: nothing but what the digest covers decides an answer: `tokenizer_config.json`, adapters
and other files in the folder are not read. Pickled weights are never opened (law 9). A base
without a pinned digest is accepted and its digest recorded; one that differs from the pin is
refused.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .base_lookup import TOKENIZER, WHOLE, base_digest, base_files, named_base
from .determinism import fixed_threads
from .quiet_loading import quiet_transformers

if TYPE_CHECKING:
    from torch import nn

    from components.settings import ModelSettings

    from .placement import Placement

EXACT = "exact_base"
"""Name of a fork's attribute: the base as it was loaded, in float32."""

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
        object.__setattr__(twin, EXACT, self.model)  # not as a module of the twin's
        return twin


def load_base(settings: ModelSettings, root: Path) -> Base:
    """Return the base that the settings name, from memory when it is loaded already.

    Args:
        settings: `base` is a folder (absolute, or relative to `root`) or a hub id, which is
            taken from the local cache and downloaded only when it is not there.
        root: where relative folders start.

    Raises:
        ConfigError: there is no such base, its digest is not the pinned one, it has pickled
            weights only, weights that do not fit its config, a `tokenizer.json` that is not
            one, or takes fewer tokens than `model.max_tokens`.
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
        ConfigError: `tokenizer.json` is not a tokenizer, or the weights do not fit the config.
    """
    import torch
    from transformers import AutoModel

    with quiet_transformers(), fixed_threads(1), _digested_files(folder) as alone:
        model, report = AutoModel.from_pretrained(
            alone,
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
    return Base(
        name=name,
        digest=digest,
        folder=folder,
        model=model,
        tokenizer=tokenizer,
        hidden_size=int(model.config.hidden_size),
        max_tokens=_longest(model),
        pad_id=_pad_id(model.config, tokenizer),
    )


@contextmanager
def _digested_files(folder: Path) -> Iterator[Path]:
    """Give a folder of links to what the digest covers and nothing else.

    transformers would also read adapters, other configs, other tokenizers, and a list of shards;
    that list is made from the shards.
    """
    from safetensors import safe_open

    with TemporaryDirectory() as place:
        alone = Path(place)
        for path in base_files(folder):
            (alone / path.name).symlink_to(path.resolve())
        if not (alone / WHOLE).exists():
            holders: dict[str, str] = {}
            for shard in sorted(alone.glob("*.safetensors")):
                with safe_open(shard, framework="pt") as tensors:
                    holders |= dict.fromkeys(tensors.keys(), shard.name)
            index = json.dumps({"metadata": {}, "weight_map": holders})
            (alone / f"{WHOLE}.index.json").write_text(index, encoding="utf-8")
        yield alone


def _tokenizer(folder: Path) -> Any:
    """Return what `tokenizer.json` describes: it normalizes and truncates as that file says."""
    from transformers import PreTrainedTokenizerFast

    try:
        return PreTrainedTokenizerFast(tokenizer_file=str(folder / TOKENIZER))  # type: ignore[no-untyped-call]
    except Exception as error:  # `tokenizers` has no class of its own for what it cannot read
        raise ConfigError(
            f"The {TOKENIZER} at {folder} is not a tokenizer: {error}.",
            "Save the fast tokenizer there with save_pretrained().",
        ) from error


def _pad_id(config: Any, tokenizer: Any) -> int:
    """Return the id that rows are padded with; it also stands for a text without tokens."""
    named = (getattr(config, name, None) for name in ("pad_token_id", "eos_token_id"))
    for found in (tokenizer.pad_token_id, *named):
        if isinstance(found, int) and found >= 0:
            return found
    return 0


def _longest(model: nn.Module) -> int:
    """RoBERTa's positions start behind the padding index, so it takes fewer than it lists."""
    positions = int(getattr(model.config, "max_position_embeddings", 0) or 8192)
    for name, table in model.named_modules():
        padding = getattr(table, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            return positions - int(padding) - 1
    return positions
