"""VeRA: two learned vectors around random matrices that are drawn, never stored.

Source: Kopiczko et al. 2024, VeRA: Vector-based Random Matrix Adaptation, section 3.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...digest import bytes_digest
from ...errors import Corrupted
from ..adapters.merging import merge_peft
from ..adapters.method import TRAINED, load_peft, peft_method, save_peft
from ..adapters.targets import TARGETS, target_pattern

if TYPE_CHECKING:
    from torch import nn

    from components.settings.adapter import VeraSettings

DRAWN = "drawn.sha256"
"""The digest of the random matrices: another library may draw others from the same key."""


def config(fork: nn.Module, settings: VeraSettings) -> Any:
    """Return the `peft` config."""
    from peft import TaskType, VeraConfig

    return VeraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        target_modules=target_pattern(fork, settings),
        save_projection=False,
    )


def save(model: nn.Module, base_name: str, folder: Path) -> None:
    """Write the vectors, and the digest of the matrices that they belong to."""
    save_peft(model, base_name, folder)
    (folder / DRAWN).write_text(_drawn(model) + "\n", encoding="utf-8")


def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
    """Attach saved vectors to matrices that are drawn again."""
    adapted = load_peft(fork, folder, trainable)
    if _drawn(adapted) != (folder / DRAWN).read_text(encoding="utf-8").strip():
        raise Corrupted(
            f"{folder}: VeRA's random matrices come out otherwise with this version of PyTorch.",
            "Use the version that `state.json` of the bundle names.",
        )
    return adapted


def _drawn(adapted: Any) -> str:
    tuner = adapted.base_model
    drawn = [part["default"].detach().cpu().contiguous() for part in (tuner.vera_A, tuner.vera_B)]
    return bytes_digest(b"".join(each.numpy().tobytes() for each in drawn))


METHOD = replace(
    peft_method(config, shape=(*TARGETS, "rank")),
    save=save,
    load=load,
    merge=merge_peft,
    vector=TRAINED,
)
