"""Named tensors on disk: safetensors, the same bytes for the same values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write the tensors, wherever they lie, to `path`.

    Law: equal names, shapes and values give equal bytes.
    """
    from safetensors.torch import save

    plain = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    path.write_bytes(save(plain))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in `path` by name, on the CPU."""
    from safetensors.torch import load_file

    return load_file(path)
