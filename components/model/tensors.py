"""Named tensors on disk: safetensors, the same bytes for the same values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Corrupted

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


def require_shapes(place: Path, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Refuse saved tensors that would leave a module partly as it was made.

    Args:
        place: where they were read, for the message.
        found: what was read.
        wanted: tensors of the right names and shapes.

    Raises:
        Corrupted: a tensor is missing, unknown or of another shape.
    """
    names = sorted(found.keys() | wanted.keys())
    shapes = [[each[n].shape if n in each else None for n in names] for each in (found, wanted)]
    wrong = [name for name, one, other in zip(names, *shapes, strict=True) if one != other]
    if wrong:
        raise Corrupted(
            f"{place}: missing, unknown or of another shape: {', '.join(wrong[:3])}.",
            "Use the version of Ratchet that wrote it, or run its batch again.",
        )
