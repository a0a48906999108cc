"""Bottleneck adapters: y + up(relu(down(y))) behind a block's last linear module, up zero at first.

AdapterDrop: while it learns, each pass leaves out a random number of the lowest adapters, at most
`drop_layers` layers' worth; a model that answers leaves out all of those.

Source: Houlsby et al. 2019, Parameter-Efficient Transfer Learning for NLP, section 2 (behind both
blocks); Pfeiffer et al. 2021, AdapterFusion, section 3 (behind the feed-forward block); Rückle et
al. 2021, AdapterDrop, section 4.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.in_place import CHANGED, save_tensors, saved_settings
from ..adapters.method import DRAWN, WEIGHTS, Method, Sample
from ..adapters.targets import is_attention, linear_modules, narrowing, sizes
from ..tensors import read_tensors, require_shapes

if TYPE_CHECKING:
    from torch import nn

SHAPE = ("drop_layers", "layers", "placement", "size")


def blocks(fork: nn.Module, settings: Any) -> list[list[str]]:
    """Return, lowest layer first, the modules that adapters stand behind."""
    linear = linear_modules(fork, settings.layers)
    narrow, found = set(narrowing(fork, linear)), []
    for _, names in groupby(linear, lambda name: re.match(r".*?\.\d+\.", name)[0]):  # type: ignore[index]
        own = list(names)
        attention = [name for name in own if is_attention(name)]
        last = attention[-1:] if settings.placement == "houlsby" else []
        found.append(last + [name for name in own if name in narrow])
    return found


def attach(fork: nn.Module, settings: Any, sample: Sample) -> nn.Module:
    """Insert fresh adapters."""
    return _insert(fork, settings, 0)


def save(model: nn.Module, base_name: str, folder: Path) -> None:
    """Write the inserted networks."""
    settings = getattr(model, CHANGED)
    tensors = {name: each for name, each in model.state_dict().items() if ".adapter." in name}
    save_tensors(folder, tensors, {name: getattr(settings, name) for name in SHAPE}, base_name)


def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
    """Insert saved adapters; a model that answers goes without the lowest `drop_layers`."""
    settings, saved = saved_settings(folder), read_tensors(folder / WEIGHTS)
    dropped = 0 if trainable else settings.drop_layers
    model = _insert(fork, settings, dropped)
    made = {name: each for name, each in model.state_dict().items() if ".adapter." in name}
    if dropped:
        saved = {name: each for name, each in saved.items() if name in made}
    require_shapes(folder / WEIGHTS, saved, made)
    model.load_state_dict(saved, strict=False)
    for name, weight in model.named_parameters():
        weight.requires_grad_(trainable and ".adapter." in name)
    return model


def _insert(fork: nn.Module, settings: Any, dropped: int) -> nn.Module:
    from ..adapters.inserted import Adapted, drop_at_random

    layers = []
    for names in blocks(fork, settings)[dropped:]:
        inserted = []
        for name in names:
            above, _, leaf = name.rpartition(".")
            module = fork.get_submodule(name)
            adapted = Adapted(module, sizes(module)[0], settings.size)
            setattr(fork.get_submodule(above), leaf, adapted.to(_device_of(module)))
            inserted.append(adapted)
        layers.append(inserted)
    if settings.drop_layers and not dropped:
        drop_at_random(fork, layers, settings.drop_layers)
    setattr(fork, CHANGED, settings)
    return fork


def _device_of(module: Any) -> Any:
    return module.weight.device


def refusal(fork: nn.Module, settings: Any) -> str | None:
    """Refuse a base with blocks that cannot be found, and to leave out every adapter."""
    found = blocks(fork, settings)
    if not found or not all(found):
        return f"{type(fork).__name__} has layers without a block that Ratchet can find"
    if settings.drop_layers >= len(found):
        return f"`adapter.drop_layers` leaves out all {len(found)} adapted layers"
    return None


METHOD = Method(attach, save, load, shape=SHAPE, refusal=refusal, vector=DRAWN)
