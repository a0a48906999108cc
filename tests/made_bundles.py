"""Bundles of every kind, made without training, and what is handed to the registry with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from components.digest import file_digest
from components.model.adapters import METHODS
from components.model.adapters.method import no_sample
from components.model.base import Base
from components.model.bundle import Bundle, Part, json_part, tensors_part, write_bundle
from components.model.heads import HEADS
from components.model.placement import Placement
from components.registry import Submission
from components.registry.packaging import COMPONENTS, travelling_code
from components.settings import Settings
from components.settings.section import member, sections_of

PLAIN = Placement("cpu", "float32", 128, 1)
LABELS = ["bad", "fair", "good"]


def settings_for(method: str, **values: Any) -> Any:
    """Return a method's own settings, LoRA's for one that has none; it takes what it knows."""
    section = member(sections_of(Settings, "adapter"), method)
    known = {name: value for name, value in values.items() if name in section.model_fields}
    return section.model_validate({"method": section.default_of("method"), **known})


def made_bundle(
    base: Base,
    bundles: Path,
    method: str = "lora",
    head: str = "linear",
    seed: int = 0,
    more: Sequence[Part] = (),
    said: Mapping[str, Any] = MappingProxyType({}),
) -> Bundle:
    """Return a bundle with random weights throughout; `more` parts and `said` in its state."""
    own, draw = METHODS[method], torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = own.attach(
            base.fork(PLAIN),
            settings_for(method, layers="all", target_modules="all-linear"),
            no_sample,
        )
        grown = HEADS[head](None, base.hidden_size, len(LABELS))
        solved = [each for name, each in grown.named_buffers() if name in ("weight", "bias")]
        for weight in [*model.parameters(), *grown.parameters(), *solved]:
            if weight.requires_grad or any(weight is each for each in solved):
                weight += 0.3 * torch.randn(weight.shape, generator=draw)
    parts = (
        Part("adapter", "answers", lambda folder: own.save(model, base.name, folder / "adapter")),
        tensors_part("head", "answers", grown.state_dict()),
        json_part("labels", "answers", LABELS),
    )
    state = {
        "adapter": {"method": method},
        "base": {"digest": base.digest, "name": base.name},
        "head": head,
        "key": "made",
        "kind": "classifier",
        "serving": {"max_tokens": 24},
    }
    return write_bundle(bundles, {**state, **said}, (*parts, *more))


def resealed(bundle: Bundle, name: str, content: str | bytes) -> str:
    """Write a file of a bundle again, with digests that fit; return the new bundle's digest."""
    folder = bundle.folder.parent / "resealed"
    shutil.copytree(bundle.folder, folder)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if name != "manifest.json":
        files = {**bundle.files, name: file_digest(folder / name)}
        (folder / "manifest.json").write_text(json.dumps(files), encoding="utf-8")
    return folder.rename(folder.with_name(file_digest(folder / "manifest.json"))).name


def submission_of(base: Base, bundle: Bundle, key: str = "1") -> Submission:
    """Return what registers a bundle."""
    return Submission(
        key=key * 64,
        bundle=bundle.folder,
        bundle_digest=bundle.digest,
        batch="b" * 64,
        parent_version=None,
        headline="Promote: learned parcels.",
        base_name=base.name,
        base_digest=base.digest,
        base_folder=base.folder,
    )


def copied_code(target: Path) -> Path:
    """Return a copy of what travels, to be changed: a folder that may stand for `components`."""
    with travelling_code(COMPONENTS) as package:
        return Path(shutil.copytree(package, target))
