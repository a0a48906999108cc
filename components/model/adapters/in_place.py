"""Methods that give the base other weights: what is stored is weights, and answering costs nothing.

Concept: some of the fork's parameters are replaced by copies of its own. They are trained as they
are (BitFit, full fine-tuning), or through something that is thrown away afterwards (HiWi, OSF).

Promise: the shared base is never written to. Trained copies are float32 whatever the base computes
in; a model that only answers has them in the base's own format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ...digest import canonical_json
from ..adapters.method import CONFIG, TRAINED, WEIGHTS, Method, Sample, Vector
from ..tensors import read_tensors, require_shapes, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

Names = Sequence[str]
CHANGED = "changed_weights"
"""Name of a model's attribute: which weights are its own, and with which settings."""


def train_as_they_are(fork: nn.Module, names: Names, settings: Any) -> nn.Module:
    """Let the weights themselves be trained."""
    for name in names:
        fork.get_parameter(name).requires_grad_(True)
    return fork


def value_of(model: nn.Module, name: str) -> Tensor:
    """Return a weight as the model computes with it."""
    module, _, leaf = name.rpartition(".")
    found: Tensor = getattr(model.get_submodule(module), leaf)
    return found.detach()


def in_place_method(
    names: Callable[[nn.Module, Any], Names],
    shape: tuple[str, ...],
    train: Callable[[nn.Module, Names, Any], nn.Module] = train_as_they_are,
    value: Callable[[nn.Module, str], Tensor] = value_of,
    refusal: Callable[[nn.Module, Any], str | None] = lambda model, settings: None,
    vector: Vector | None = TRAINED,
) -> Method:
    """Return a method that changes the weights called `names(fork, settings)`.

    Args:
        names: (fork, settings) -> full names of parameters.
        shape: the settings that `names` and `train` read.
        train: (fork whose named weights are its own, names, settings) -> the model to train.
        value: (that model, name) -> the weight as it is now.
        refusal: as of `Method`.
        vector: as of `Method`; None where `train` begins anew each time.
    """

    def attach(fork: nn.Module, settings: Any, sample: Sample) -> nn.Module:
        return _begin(
            fork, settings, {name: value_of(fork, name) for name in names(fork, settings)}
        )

    def _begin(fork: nn.Module, settings: Any, values: Mapping[str, Tensor]) -> nn.Module:
        put(fork, {name: each.float().clone() for name, each in values.items()})
        model = train(fork, tuple(values), settings)
        setattr(model, CHANGED, (tuple(values), settings))
        return model

    def save(model: nn.Module, base_name: str, folder: Path) -> None:
        changed, settings = getattr(model, CHANGED)
        tensors = {name: value(model, name) for name in changed}
        save_tensors(folder, tensors, {name: getattr(settings, name) for name in shape}, base_name)

    def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
        settings, saved = saved_settings(folder), read_tensors(folder / WEIGHTS)
        wanted = {name: value_of(fork, name) for name in names(fork, settings)}
        require_shapes(folder / WEIGHTS, saved, wanted)
        if trainable:
            return _begin(fork, settings, {name: saved[name] for name in wanted})
        put(fork, {name: saved[name].to(own.dtype) for name, own in wanted.items()})
        return fork

    return Method(attach, save, load, shape, in_place=True, refusal=refusal, vector=vector)


def put(fork: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Give the fork parameters of its own under these names; they do not require gradients."""
    from torch import nn

    for name, tensor in values.items():
        module, _, leaf = name.rpartition(".")
        device = fork.get_parameter(name).device
        own = nn.Parameter(tensor.to(device), requires_grad=False)
        setattr(fork.get_submodule(module), leaf, own)


def save_tensors(
    folder: Path, tensors: dict[str, Tensor], settings: Mapping[str, Any], base_name: str
) -> None:
    """Write an adapter of our own: its tensors, and the settings that decide their shapes."""
    folder.mkdir(parents=True)
    write_tensors(folder / WEIGHTS, tensors)
    config = {"base_model_name_or_path": base_name, "settings": dict(settings)}
    (folder / CONFIG).write_text(canonical_json(config) + "\n", encoding="utf-8")


def saved_settings(folder: Path) -> Any:
    """Return what `save_tensors` wrote of the settings, each as an attribute."""
    found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return SimpleNamespace(**found["settings"])
