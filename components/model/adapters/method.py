"""The outline of an adapter method, and the one that every `peft` method fills in.

Concept: a method attaches a fresh adapter to a fork of the base, saves what it added, and
attaches it again from the saved files. The loop sees only a module whose trainable
parameters are the adapter's.

Promise: saved keys, file names and configs depend on the settings and the base's
architecture alone: no machine path, no set order, no date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...digest import canonical_json
from ..quiet_loading import quiet_transformers
from ..tensors import read_tensors, require_shapes, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from components.settings import AdapterSettings

    Group = tuple[list[Tensor], float]

Inputs = dict[str, Any]
"""What a model is called with: ids and mask, int64 of shape (n_rows, length)."""

Sample = Callable[[], list[Inputs]]
"""Gives some rows of the first batch, for methods that start from what they see."""

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def trainable_weights(model: nn.Module) -> list[Tensor]:
    """Return the weights of an adapted model that are trained."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def one_group(model: nn.Module) -> list[Group]:
    """Return all that is trained, at one learning rate."""
    return [(trainable_weights(model), 1.0)]


@dataclass(frozen=True, slots=True)
class Vector:
    """An adapted model as one point, where means and sums of adapters make sense.

    read: adapted model -> tensors by name, copies. write: puts such tensors in, in place.
    fixed_start: every fresh adapter is the same point, so movements from there add up.
    """

    read: Callable[[nn.Module], dict[str, Tensor]]
    write: Callable[[nn.Module, Mapping[str, Tensor]], None]
    fixed_start: bool = True


def _read_trained(model: nn.Module) -> dict[str, Tensor]:
    named = model.named_parameters()
    return {name: weight.detach().clone() for name, weight in named if weight.requires_grad}


def _write_trained(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                weight.copy_(values[name])


TRAINED = Vector(_read_trained, _write_trained)
"""The trained weights themselves: for methods whose effect is linear in them, or nearly so."""

DRAWN = Vector(_read_trained, _write_trained, fixed_start=False)
"""The same, for methods whose fresh weights are drawn at random."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to adapt a frozen model.

    attach: (fork, settings, sample) -> the adapted model, adapter trainable, freshly initialised
        from the global seed. Few methods look at the sample.
    save: (adapted model, base name, folder) writes the adapter into an empty folder.
    load: (fork, folder, trainable) -> the adapted model as it was saved.
    shape: the settings that what is saved depends on. Training goes on from a parent only where
        they are the parent's, since a loaded adapter would not follow another value; all other
        settings may change and take effect at once. One that a parent does not name counts as
        its default: the default of a shape must be what earlier versions did.
    penalty: adapted model -> a scalar that is added to the loss of each step.
    groups: adapted model -> [(weights, factor of the adapter's learning rate)]; each trainable
        weight of the adapter stands in exactly one group.
    after_step: (adapted model, steps done, steps) may change the adapter's weights in place, after
        the optimizer moved; gradients are still there.
    merge: adapted model -> a plain model that gives its answers in less time, for serving; None
        where there is none. It leaves the base's weights alone.
    in_place: the loaded model is the base with other weights, so it needs no merging.
    neutral: a fresh adapter changes no answer, but for rounding.
    refusal: (fork, settings) -> why they do not fit, as the end of a sentence; None where they do.
    positions: settings -> how many of the base's positions it takes beside a text's.
    vector: what versions are averaged by; None where a mean of two adapters means nothing.
    """

    attach: Callable[[nn.Module, AdapterSettings, Sample], nn.Module]
    save: Callable[[nn.Module, str, Path], None]
    load: Callable[[nn.Module, Path, bool], nn.Module]
    shape: tuple[str, ...]
    penalty: Callable[[nn.Module], Tensor | float] = lambda model: 0.0
    groups: Callable[[nn.Module], list[Group]] = one_group
    after_step: Callable[[nn.Module, int, int], None] = lambda model, done, steps: None
    merge: Callable[[nn.Module], nn.Module] | None = None
    in_place: bool = False
    neutral: bool = True
    refusal: Callable[[nn.Module, Any], str | None] = lambda model, settings: None
    positions: Callable[[Any], int] = lambda settings: 0
    vector: Vector | None = None

    @property
    def extra_cost(self) -> str:
        """What answering costs beside the base, in words."""
        if self.in_place:
            return "none"
        return "none once merged" if self.merge else "some in each pass"


def its_tokens(settings: Any) -> int:
    """Return how many tokens a prompt has."""
    return int(settings.tokens)


def no_sample() -> list[Inputs]:
    """Give no rows."""
    return []


def untouched(model: nn.Module) -> None:
    """Leave an adapted model as `peft` made it."""


def peft_method(
    config: Callable[[nn.Module, Any], Any],
    finish: Callable[[nn.Module], None] = untouched,
    shape: tuple[str, ...] = (),
) -> Method:
    """Return the method whose `peft` config `config(fork, its settings)` makes.

    `finish` may replace how modules compute, never what they are or are called. `shape`: every
    setting that goes into the config; `peft` keeps the saved one.
    """

    def attach(fork: nn.Module, settings: AdapterSettings, sample: Sample) -> nn.Module:
        from peft import get_peft_model

        with quiet_transformers():
            adapted: nn.Module = get_peft_model(fork, config(fork, settings))
        finish(adapted)
        return adapted

    def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
        adapted = load_peft(fork, folder, trainable)
        finish(adapted)
        return adapted

    return Method(attach, save_peft, load, shape)


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

    with quiet_transformers():
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = not trainable
        config.base_model_name_or_path = None  # checked by digest, not by name
        if hasattr(config, "init_lora_weights"):
            config.init_lora_weights = True  # others (PiSSA, OLoRA) write into the shared base
        adapted: Any = get_peft_model(fork, config)
        saved = read_tensors(folder / WEIGHTS)
        made = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        require_shapes(folder / WEIGHTS, saved, made)
        set_peft_model_state_dict(adapted, saved)
    if not trainable:
        adapted.requires_grad_(False)
    return adapted  # type: ignore[no-any-return]
