"""The outline of an adapter method, and the one that every `peft` method fills in.

Concept: a method attaches a fresh adapter to a fork of the base, saves what it added, and
attaches it again from the saved files. The loop sees only a module whose trainable
parameters are the adapter's.

Promise: saved keys, file names and configs depend on the settings and the base's
architecture alone: no machine path, no set order, no date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...digest import canonical_json
from ...errors import ConfigError
from ..quiet_loading import quiet_transformers
from ..tensors import read_tensors, require_shapes, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from components.settings import AdapterSettings

    Group = tuple[list[Tensor], float]

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"

TARGETS = ("layers", "target_modules")
"""The settings behind `target_pattern`."""


def trainable_weights(model: nn.Module) -> list[Tensor]:
    """Return the weights of an adapted model that are trained."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def one_group(model: nn.Module) -> list[Group]:
    """Return all that is trained, at `training.learning_rate`."""
    return [(trainable_weights(model), 1.0)]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to adapt a frozen model.

    attach: (fork, settings) -> the adapted model, adapter trainable, freshly initialised
        from the global seed.
    save: (adapted model, base name, folder) writes the adapter into an empty folder.
    load: (fork, folder, trainable) -> the adapted model as it was saved.
    shape: the settings that what is saved depends on. Training goes on from a parent only where
        they are the parent's, since a loaded adapter would not follow another value; all other
        settings may change and take effect at once. One that a parent does not name counts as
        its default: the default of a shape must be what earlier versions did.
    penalty: adapted model -> a scalar that is added to the loss of each step.
    groups: adapted model -> [(weights, factor of `training.learning_rate`)]; each trainable
        weight of the adapter stands in exactly one group.
    after_step: (adapted model, steps done, steps) may change the adapter's weights in place, after
        the optimizer moved; gradients are still there.
    merge: adapted model -> a plain model that gives its answers in less time, for serving; None
        where there is none. It leaves the base's weights alone.
    """

    attach: Callable[[nn.Module, AdapterSettings], nn.Module]
    save: Callable[[nn.Module, str, Path], None]
    load: Callable[[nn.Module, Path, bool], nn.Module]
    shape: tuple[str, ...]
    penalty: Callable[[nn.Module], Tensor | float] = lambda model: 0.0
    groups: Callable[[nn.Module], list[Group]] = one_group
    after_step: Callable[[nn.Module, int, int], None] = lambda model, done, steps: None
    merge: Callable[[nn.Module], nn.Module] | None = None


def untouched(model: nn.Module) -> None:
    """Leave an adapted model as `peft` made it."""


def peft_method(
    config: Callable[[Any, str], Any],
    finish: Callable[[nn.Module], None] = untouched,
    shape: tuple[str, ...] = (),
) -> Method:
    """Return the method whose `peft` config `config(its settings, target pattern)` makes.

    `finish` may replace how modules compute, never what they are or are called. `shape`: every
    setting that goes into the config; `peft` keeps the saved one.
    """

    def attach(fork: nn.Module, settings: AdapterSettings) -> nn.Module:
        from peft import get_peft_model

        targets = target_pattern(fork, settings)
        with quiet_transformers():
            adapted: nn.Module = get_peft_model(fork, config(settings, targets))
        finish(adapted)
        return adapted

    def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
        adapted = load_peft(fork, folder, trainable)
        finish(adapted)
        return adapted

    return Method(attach, save_peft, load, (*TARGETS, *shape))


def save_peft(model: Any, base_name: str, folder: Path) -> None:
    """Write the default adapter's weights and config, in the layout `peft` loads."""
    from peft import get_peft_model_state_dict

    folder.mkdir(parents=True)
    # "auto", peft's default, asks the hub whether the vocabulary was changed.
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    write_tensors(folder / WEIGHTS, weights)
    values = model.peft_config["default"].to_dict() | {
        "base_model_name_or_path": base_name,
        "inference_mode": True,
    }
    plain = {key: sorted(v) if isinstance(v, set) else v for key, v in values.items()}
    (folder / CONFIG).write_text(canonical_json(plain) + "\n", encoding="utf-8")


def load_peft(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
    """Attach the adapter saved in `folder` to `fork`.

    Not by `PeftModel.from_pretrained`, which refuses to train a loaded prompt on.

    Raises:
        Corrupted: its tensors are not those that its config asks for.
    """
    from peft import (
        PeftConfig,
        get_peft_model,
        get_peft_model_state_dict,
        set_peft_model_state_dict,
    )

    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = not trainable
    config.base_model_name_or_path = None  # checked by digest, not by name
    if hasattr(config, "init_lora_weights"):
        config.init_lora_weights = True  # others (PiSSA, OLoRA) write into the shared base
    with quiet_transformers():
        adapted: Any = get_peft_model(fork, config)
    saved = read_tensors(folder / WEIGHTS)
    made = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    require_shapes(folder / WEIGHTS, saved, made)
    set_peft_model_state_dict(adapted, saved)
    return adapted  # type: ignore[no-any-return]


def target_pattern(model: nn.Module, settings: AdapterSettings) -> str:
    """Return a pattern that matches exactly the full names of the modules to adapt.

    `layers: N` keeps the top N transformer layers, of a shallower model all. In them,
    `all-linear` takes every linear module, `feed-forward` those that widen their input
    outside of attention, a list those whose name ends in one of its words.

    Raises:
        ConfigError: a target fits no module.
    """
    linear = _linear_modules(model, settings.layers)
    if settings.target_modules == "all-linear":
        return "|".join(map(re.escape, linear))
    if settings.target_modules == "feed-forward":
        return "|".join(map(re.escape, _feed_forward(model, linear)))
    endings = sorted({_ending(name) for name in linear})
    chosen: set[str] = set()
    for target in settings.target_modules:
        fitting = [name for name in linear if f".{name}".endswith(f".{target}")]
        if not fitting:
            raise ConfigError(
                f"`adapter.target_modules` names {target!r}, which matches no linear module "
                "of the adapted layers.",
                f"Use all-linear, or one or more of: {', '.join(endings)}.",
            )
        chosen.update(fitting)
    return "|".join(re.escape(name) for name in linear if name in chosen)


def _linear_modules(model: nn.Module, layers: str | int) -> list[str]:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    from ..layers import layer_stack

    stack, layers_there = layer_stack(model)
    count = len(layers_there)
    first = 0 if layers == "all" else max(0, count - int(layers))
    wanted = tuple(f"{stack}.{place}." for place in range(first, count))
    return [
        name
        for name, module in model.named_modules()
        if name.startswith(wanted) and isinstance(module, nn.Linear | Conv1D)
    ]


def _feed_forward(model: nn.Module, linear: list[str]) -> list[str]:
    """Return the linear modules that widen, no part of whose name tells of attention."""
    from transformers.pytorch_utils import Conv1D

    chosen = []
    for name in linear:
        module: Any = model.get_submodule(name)
        turned = isinstance(module, Conv1D)  # GPT-2 keeps its weights as (in, out)
        narrow, wide = module.weight.shape if turned else module.weight.shape[::-1]
        if wide > narrow and "att" not in name.lower():
            chosen.append(name)
    if not chosen:
        raise ConfigError(
            f"{type(model).__name__} has no feed-forward module that Ratchet can find.",
            "Set `adapter.target_modules` to all-linear, or one or more of: "
            f"{', '.join(linear[-6:])}.",
        )
    return chosen


def _ending(name: str) -> str:
    return re.sub(r"^.*?\.\d+\.", "", name)
