"""The quick bench's base: the lowest three layers of the demo's, with their weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from components.digest import file_digest
from components.files import publish_folder

LAYERS = 3


def small_base(base: Path, cache: Path) -> Path:
    """Return the folder of the small base, made from `base` when it is not there yet."""
    target = cache / f"{base.name}-{LAYERS}-layers-{file_digest(base / 'model.safetensors')[:12]}"
    if not target.exists():
        from safetensors.torch import load_file, save_file

        work = target.with_suffix(".part")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        above = tuple(f"encoder.layer.{number}." for number in range(LAYERS, 100))
        tensors = load_file(base / "model.safetensors")
        lower = {name: each for name, each in tensors.items() if not name.startswith(above)}
        save_file(lower, work / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
        config["num_hidden_layers"] = LAYERS
        (work / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
        shutil.copy(base / "tokenizer.json", work)
        publish_folder(work, target)
    return target
