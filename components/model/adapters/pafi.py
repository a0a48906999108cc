"""PaFi: the smallest weights of the base's linear modules, over all of them, chosen without data.

Which ones they are follows from the base, so values alone are stored, and a digest of the places.

Source: Liao, Meng and Monz 2023, Parameter-Efficient Fine-Tuning without Introducing New Latency,
section 3.1: trainable is what is at most as large as the k-th smallest magnitude.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...digest import bytes_digest
from ...errors import Corrupted
from ..adapters.in_place import CHANGED, put, save_tensors, saved_settings, value_of
from ..adapters.method import CONFIG, TRAINED, WEIGHTS, Method, Sample
from ..adapters.targets import linear_modules, needs_linear
from ..base import EXACT
from ..tensors import read_tensors, require_shapes

if TYPE_CHECKING:
    from torch import Tensor, nn

Places = dict[str, "Tensor"]
"""Name of a weight -> places in it, flattened, int64, ascending."""


def smallest(model: nn.Module, names: list[str], share: float) -> Places:
    """Return where the smallest magnitudes are: `share` of all weights together, at least one.

    Law: of equal magnitudes the first ones are taken, so every machine chooses the same.
    """
    import torch

    sizes = [model.get_parameter(name).detach().abs().flatten().cpu() for name in names]
    whole = torch.cat(sizes)
    count = max(1, round(share * len(whole)))
    limit = whole.kthvalue(count).values
    below, equal = whole < limit, (whole == limit).nonzero().flatten()
    below[equal[: count - int(below.sum())]] = True
    parts = torch.split(below, [len(size) for size in sizes])
    return {name: part.nonzero().flatten() for name, part in zip(names, parts, strict=True)}


@lru_cache(maxsize=4)
def _of_base(exact: nn.Module, layers: str | int, share: float) -> Places:
    names = [f"{name}.weight" for name in linear_modules(exact, layers)]
    return smallest(exact, names, share)


def places_of(fork: nn.Module, settings: Any) -> Places:
    """Return the places in the float32 base, whatever the fork computes in."""
    return _of_base(getattr(fork, EXACT), settings.layers, settings.share)


def attach(fork: nn.Module, settings: Any, sample: Sample) -> nn.Module:
    """Let the smallest weights be trained."""
    found = places_of(fork, settings)
    values = {name: _at(value_of(fork, name), places).float() for name, places in found.items()}
    return _begin(fork, settings, found, values)


def save(model: nn.Module, base_name: str, folder: Path) -> None:
    """Write the values, and the digest of their places."""
    found, settings = getattr(model, CHANGED)
    values = {name: _at(value_of(model, name), places) for name, places in found.items()}
    said = {"layers": settings.layers, "share": settings.share, "places": _digest(found)}
    save_tensors(folder, values, said, base_name)


def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
    """Put the values back where they were.

    Raises:
        Corrupted: the base's smallest weights are others than those that were trained.
    """
    settings, saved = saved_settings(folder), read_tensors(folder / WEIGHTS)
    found = places_of(fork, settings)
    require_shapes(folder / WEIGHTS, saved, {name: each.float() for name, each in found.items()})
    if _digest(found) != json.loads((folder / CONFIG).read_text())["settings"]["places"]:
        raise Corrupted(
            f"{folder}: its values belong to other places than the base's smallest weights.",
            "Use the base that it was trained on.",
        )
    if trainable:
        return _begin(fork, settings, found, saved)
    whole = {}
    for name, places in found.items():
        own = value_of(fork, name).clone()
        own.view(-1)[places.to(own.device)] = saved[name].to(own.device, own.dtype)
        whole[name] = own
    put(fork, whole)
    return fork


def _begin(fork: nn.Module, settings: Any, found: Places, values: dict[str, Tensor]) -> nn.Module:
    from torch.nn.utils.parametrize import register_parametrization

    from ..adapters.weight_readers import Sparse

    put(fork, {name: value_of(fork, name).float().clone() for name in found})
    for name, places in found.items():
        own = fork.get_parameter(name)
        sparse = Sparse(places.to(own.device), values[name].to(own.device).clone())
        register_parametrization(fork.get_submodule(name.removesuffix(".weight")), "weight", sparse)
    setattr(fork, CHANGED, (found, settings))
    return fork


def _at(weight: Tensor, places: Tensor) -> Tensor:
    return weight.flatten()[places.to(weight.device)]


def _digest(found: Places) -> str:
    return bytes_digest(b"".join(found[name].numpy().tobytes() for name in sorted(found)))


METHOD = Method(
    attach,
    save,
    load,
    shape=("layers", "share"),
    in_place=True,
    refusal=needs_linear,
    vector=TRAINED,
)
