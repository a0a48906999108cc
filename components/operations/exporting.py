"""A version as a plain Hugging Face model folder: merged, checked, described.

Concept: the adapter is added into the base's weights, and base and head are saved as one model
beside its tokenizer, the code that puts them together (`exported_model`), and a model card.

Promise: before the folder gets its name, another process loads it as a stranger would, without
Ratchet, and its answers are compared with those of the version as it is served. A folder that
answers otherwise is removed. What can't be one such model is refused, and told what does serve it.
One that is there is replaced only where an export wrote all of it, and only when that is asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from components.errors import ConfigError, Corrupted
from components.files import PART_SUFFIX, write_bytes
from components.ledger import views
from components.ledger.events import VersionExported
from components.operations import exported_folder
from components.operations.exported_folder import Holds
from components.registry.packaging import requirements
from components.workspace.root import Workspace

if TYPE_CHECKING:
    from torch import nn

    from components.model.base import Base
    from components.model.bundle import Bundle
    from components.model.serving import Served

CODE = "modeling_ratchet"
MODELS = Path(__file__).with_name("exported_model.py")
NEEDED = ("torch", "transformers", "tokenizers", "safetensors")
"""What whoever loads the folder installs: its `requirements.txt`, pinned as it was checked."""

TOLERANCE = 1e-4
"""Largest difference of a probability; rounding alone makes about 1e-6 of it."""

ODD_TEXTS = ("", " ", "?", "word " * 1000, "emoji 🙂, Ünïcode, 日本語")
EXAM_TEXTS = 200
"""So many texts of the exams are asked, drawn evenly, beside the odd ones."""

STRANGER = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging
logging.set_verbosity_error()
logging.disable_progress_bar()
given = json.load(sys.stdin)
torch.set_num_threads(given["threads"])
folder, trusted = given["folder"], {"trust_remote_code": True}
tokenizer = AutoTokenizer.from_pretrained(folder, **trusted)
model = AutoModelForSequenceClassification.from_pretrained(folder, **trusted).eval()
assert "components" not in sys.modules
found = []
with torch.inference_mode():
    for start in range(0, len(given["texts"]), 16):
        texts = given["texts"][start : start + 16]
        asked = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        found += model(**asked).logits.softmax(1).tolist()
names = [model.config.id2label[place] for place in range(model.config.num_labels)]
json.dump({"labels": names, "probabilities": found}, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported. `difference`: the largest of a probability, over `texts` texts.

    `replaced`: what the folder held before, in words. `written`: False where it held just this.
    """

    version: int
    folder: str
    labels: list[str]
    megabytes: float
    texts: int
    difference: float
    replaced: str | None = None
    written: bool = True


def export(ws: Workspace, version: views.Version, folder: Path, force: bool = False) -> Exported:
    """Write a version as a Hugging Face model into `folder`; nothing if it holds just that.

    `force`: replace what an earlier export wrote there.

    Raises:
        ConfigError: something else is there, or the version can't be one such model.
        Corrupted: the exported model gives other answers; `folder` is as it was.
    """
    from components.model.bundle import open_bundle
    from components.model.serving import open_served
    from components.operations.exported_card import card

    bundle = open_bundle(ws.bundles, version.bundle)
    before = exported_folder.read(folder) if folder.exists() else None
    if before is not None:
        damaged = exported_folder.damaged(folder, before)
        if damaged is None and (before.version, before.bundle) == (version.version, bundle.digest):
            return _exported(folder, bundle, before, written=False)
        if not force:
            what = f", and {damaged} in it was changed" if damaged else ""
            raise ConfigError(
                f"{folder} holds {before}{what}.",
                f"Add --force to replace it with version {version.version}.",
            )
    body = _plain_body(ws, version, bundle)
    place = folder.resolve()
    part = place.with_name(f"{place.name}{PART_SUFFIX}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _write(part, ws.base, bundle, body)
        ws.progress("exporting", 1, 3)
        texts = [*ODD_TEXTS, *_exam_texts(ws)]
        served = open_served(bundle.folder, [str(ws.base.folder)])
        difference = _difference(version, served, part, texts)
        ws.progress("exporting", 2, 3)
        holds = Holds(
            model=ws.settings.model.name,
            version=version.version,
            bundle=bundle.digest,
            root=ws.root.name,
            exported=ws.clock().isoformat(timespec="seconds"),
            status=version.status,
            texts=len(texts),
            difference=difference,
            files={},
        )
        about = card(ws, version, bundle, holds, place.name)
        write_bytes(part / "README.md", about.encode())
        exported_folder.write(part, holds)
        exported_folder.publish(part, place)
        _record(ws, version, place)
        ws.progress("exporting", 3, 3)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _exported(folder, bundle, holds, replaced=str(before) if before else None)


def _record(ws: Workspace, version: views.Version, place: Path) -> None:
    """Let `ratchet status` know where the version lies: counted from the root, where it can be."""
    inside = place.is_relative_to(ws.root)
    told = VersionExported(
        version=version.version,
        bundle=version.bundle,
        folder=str(place.relative_to(ws.root) if inside else place),
        status=version.status,
    )
    ws.ledger.append(told, None)


def _exported(
    folder: Path,
    bundle: Bundle,
    holds: Holds,
    replaced: str | None = None,
    written: bool = True,
) -> Exported:
    size = sum(file.stat().st_size for file in folder.rglob("*"))
    return Exported(
        holds.version,
        str(folder),
        list(bundle.labels),
        round(size / 1e6, 1),
        holds.texts,
        holds.difference,
        replaced,
        written,
    )


def _plain_body(ws: Workspace, version: views.Version, bundle: Bundle) -> nn.Module:
    """Return the base with the adapter added into its weights.

    Raises:
        ConfigError: no model of these very modules gives the version's answers.
    """
    from components.model.adapters import METHODS
    from components.model.answering import kind_of
    from components.model.classifier import check_base
    from components.model.placement import Placement

    check_base(ws.base, bundle)
    kind_of(bundle)
    state = bundle.state
    if state["modality"] != "text":
        raise _refusal(ws, version, f"answers to {state['modality']}s, not to texts")
    if state["kind"] != "classifier":
        raise _refusal(ws, version, f"chooses among {state['kind']} for each text")
    name = state["adapter"]["method"]
    method = METHODS[name]
    whole = ws.base.fork(Placement("cpu", "float32", bundle.max_tokens, 1))
    body = method.load(whole, bundle.adapter, False)
    body = method.merge(body) if method.merge else body
    if body.state_dict().keys() != ws.base.model.state_dict().keys():
        raise _refusal(ws, version, f"has an adapter ({name}) that can't be merged into the base")
    return body


def _refusal(ws: Workspace, version: views.Version, why: str) -> ConfigError:
    number, name = version.version, ws.settings.model.name
    return ConfigError(
        f"Version {number} {why}, so it can't be one plain model of Hugging Face.",
        f"Serve it from MLflow, which needs no Ratchet either: `mlflow models serve -m "
        f"models:/{name}/{number} --env-manager local`.",
    )


def _write(folder: Path, base: Base, bundle: Bundle, body: nn.Module) -> None:
    """Write weights, config, tokenizer and code."""
    from components.model.heads.solved_modules import SLOPE
    from components.model.quiet_loading import quiet_transformers
    from components.operations.exported_model import (
        RatchetConfig,
        RatchetForSequenceClassification,
    )

    head, of_base = bundle.head_tensors(), cast(Any, body).config
    said: dict[str, Any] = of_base.to_dict()
    config = RatchetConfig(
        base={name: each for name, each in said.items() if name != "_name_or_path"},
        head=bundle.state["head"],
        tensors={
            name: [list(each.shape), str(each.dtype).removeprefix("torch.")]
            for name, each in sorted(head.items())
        },
        read=tuple(_read(base, bundle)),
        slope=SLOPE,
        id2label=dict(enumerate(bundle.labels)),
        label2id={label: place for place, label in enumerate(bundle.labels)},
        architectures=[RatchetForSequenceClassification.__name__],
        auto_map={
            "AutoConfig": f"{CODE}.{RatchetConfig.__name__}",
            "AutoModelForSequenceClassification": (
                f"{CODE}.{RatchetForSequenceClassification.__name__}"
            ),
        },
        pad_token_id=base.pad_id,
    )
    with quiet_transformers():
        model = RatchetForSequenceClassification(config)
        model.base.load_state_dict(body.state_dict())
        model.head.load_state_dict(head)
        model.save_pretrained(folder)
        _tokenizer(base, bundle).save_pretrained(folder)
    shutil.copyfile(MODELS, folder / f"{CODE}.py")
    write_bytes(
        folder / "requirements.txt", "".join(f"{x}\n" for x in requirements(NEEDED)).encode()
    )


def _read(base: Base, bundle: Bundle) -> list[int]:
    """Return above how many layers the head reads means, the last one left out."""
    from components.model.heads import HEADS, means_read
    from components.model.layers import layers_read

    tensors = bundle.head_tensors()
    means = means_read(HEADS[bundle.state["head"]](tensors, base.hidden_size, len(bundle.labels)))
    return layers_read(base.model)[-means:-1] if means > 1 else []


def _tokenizer(base: Base, bundle: Bundle) -> Any:
    """Return the base's tokenizer, which cuts and pads as the version does."""
    import copy

    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.model_max_length = bundle.max_tokens
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(base.pad_id)
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    return tokenizer


def _exam_texts(ws: Workspace) -> list[str]:
    """Return texts of the exams, evenly drawn; none where there are no exams."""
    from components.pipeline.exams import open_exams

    exams = open_exams(ws, views.exams(ws.ledger, EXAM_TEXTS))
    texts = sorted({item.content for exam in exams for item in exam.items})
    return texts[:: max(1, -(-len(texts) // EXAM_TEXTS))]


def _difference(
    version: views.Version, served: Served, folder: Path, texts: Sequence[str]
) -> float:
    """Return how far the probabilities of an exported model are from the version's, at most.

    Raises:
        Corrupted: it can't be loaded, has other labels, or is too far off.
    """
    expected = served.version.answer(texts)
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    with TemporaryDirectory() as cache:  # transformers copies the folder's code into it
        told = subprocess.run(
            [sys.executable, "-I", "-c", STRANGER],
            input=json.dumps({"folder": str(folder.resolve()), "texts": clean, "threads": 1}),
            capture_output=True,
            text=True,
            cwd=cache,
            env=_environment(cache),
            check=False,
        )
    here = f"Version {version.version} was not exported"
    remedy = "The folder was removed. Serve the version from MLflow, and report this as a defect."
    if told.returncode:
        last = told.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise Corrupted(f"{here}: Hugging Face can't load it: {last[0]}.", remedy)
    found = json.loads(told.stdout)
    if found["labels"] != list(expected.classes):
        raise Corrupted(f"{here}: the exported model has other labels.", remedy)
    difference = float(abs(expected.probabilities - found["probabilities"]).max())
    if not difference <= TOLERANCE:
        raise Corrupted(
            f"{here}: the exported model gives other answers: a probability differs by "
            f"{difference:.2g}, more than {TOLERANCE:g}.",
            remedy,
        )
    return difference


def _environment(cache: str) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": cache, "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **offline}
