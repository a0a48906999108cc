"""The model as MLflow serves it: texts in, labels out. This file travels with each version.

Concept: MLflow's models-from-code. The folder it lies in holds the bundle (adapter, head,
labels); the frozen base is found by name and checked by digest, because it is large, shared
by every version and often there already.

Promise: nothing but the bundle's own bytes and the pinned base answers: every file of both
is checked against its digest before it is opened, and none of them is a pickle. It needs
`requirements.txt` beside it and nothing of Ratchet's. It computes in float32, each text by
itself, so an answer depends on its text alone; the gate scores in the format that
`training.precision` names, and gives the same labels but for near ties (docs/speed.md).

Use:
    model = mlflow.pyfunc.load_model("models:/ratchet@champion")
    model.predict(["where is my parcel?"])                      # ["delivery"]
    model.predict(["..."], params={"probabilities": True})      # [{"label": ..., ...}]

The base is taken from the first of these that there is: the environment variable
RATCHET_BASE, `base_folder` and `base` of `load_model(..., model_config={...})` or of this
version, the Hugging Face cache, the Hugging Face hub.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

WANTED = ["*.json", "*.safetensors", "*.txt"]


class RatchetModel(PythonModel):
    """A frozen base, one adapter, one linear head."""

    def load_context(self, context: Any) -> None:
        """Check and load the bundle and its base.

        Raises:
            RuntimeError: a file is not the one that was registered, or there is no base.
        """
        bundle = Path(context.artifacts["bundle"])
        config = dict(context.model_config or {})
        check_bundle(bundle, config.get("bundle"))
        state = json.loads((bundle / "state.json").read_text(encoding="utf-8"))
        self.labels = json.loads((bundle / "labels.json").read_text(encoding="utf-8"))
        self.max_tokens = int(state["serving"]["max_tokens"])
        self._load(find_base(config), bundle)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[str] | list[dict[str, Any]]:
        """Answer each text, in order.

        Args:
            context: unused.
            model_input: a string, a list of strings, or a frame (or dict of lists) with the
                column `text` or one column alone.
            params: `probabilities: True` asks for dicts with label, probability and
                probabilities (label to number, sums to 1).

        Raises:
            ValueError: there is no such column, or a cell is no string.
        """
        scores = self._logits(texts_of(model_input))
        best = scores.argmax(1) if len(scores) else np.zeros(0, int)
        if not (params or {}).get("probabilities"):
            return [self.labels[place] for place in best]
        shifted = np.exp(scores - scores.max(1, keepdims=True))
        shares = shifted / shifted.sum(1, keepdims=True)
        return [
            {
                "label": self.labels[place],
                "probability": float(row[place]),
                "probabilities": dict(zip(self.labels, map(float, row), strict=True)),
            }
            for place, row in zip(best, shares, strict=True)
        ]

    def _load(self, folder: Path, bundle: Path) -> None:
        import torch
        from peft import PeftModel
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer

        with quiet_transformers():
            base = AutoModel.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
            )
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            cut = self.tokenizer.backend_tokenizer.truncation or {}
            # tokenizer_config.json could say another side, and no digest covers that file.
            self.tokenizer.truncation_side = cut.get("direction", "right")
            model: Any = PeftModel.from_pretrained(base, str(bundle / "adapter"))
        if hasattr(model.base_model, "merge_and_unload"):  # the adapter costs nothing then
            model = model.merge_and_unload()
        self.model = model.eval()
        head = load_file(bundle / "head.safetensors")
        self.weight, self.bias = head["weight"], head["bias"]
        pads = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0)
        self.pad_id = next(pad for pad in pads if pad is not None)

    def _logits(self, texts: list[str]) -> np.ndarray:
        """Return float32 logits, (n_texts, n_labels), each text by itself, without padding."""
        import torch

        with torch.inference_mode():
            found = [self._answer(row) for row in self._tokens(texts)]
        return np.stack(found) if found else np.zeros((0, len(self.labels)), np.float32)

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        encoded = self.tokenizer(
            clean, truncation=True, max_length=self.max_tokens, return_attention_mask=False
        )
        return [list(ids) or [self.pad_id] for ids in encoded["input_ids"]]

    def _answer(self, row: list[int]) -> np.ndarray:
        """Return the logits of one text, (n_labels,)."""
        import torch

        ids = torch.tensor([row])
        hidden = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        pooled = hidden[0, -len(row) :].mean(0)  # behind the virtual tokens of a prompt
        return torch.nn.functional.linear(pooled, self.weight, self.bias).float().numpy()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Load without load reports: Ratchet checked them, and the digests are the same."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def texts_of(asked: Any) -> list[str]:
    """Return the texts of whatever was asked: a string, a list, a column named `text`."""
    if isinstance(asked, dict):
        asked = pd.DataFrame(asked)
    if isinstance(asked, pd.DataFrame):
        if "text" not in asked.columns and asked.shape[1] != 1:
            raise ValueError(f"No column 'text' among {list(asked.columns)}.")
        asked = asked["text"] if "text" in asked.columns else asked.iloc[:, 0]
    texts = [asked] if isinstance(asked, str) else list(asked)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"Text {place} is {type(text).__name__}, not a string.")
    return texts


def check_bundle(bundle: Path, digest: str | None) -> None:
    """Check the bundle: its manifest against `digest`, its files against the manifest.

    Raises:
        RuntimeError: names the files that are missing, changed or not listed.
    """
    listing = bundle / "manifest.json"
    files = [path for path in bundle.rglob("*") if path.is_file() and path != listing]
    found = {path.relative_to(bundle).as_posix(): file_digest(path) for path in files}
    manifest = json.loads(listing.read_text(encoding="utf-8"))
    wrong = sorted(name for name in {*manifest, *found} if manifest.get(name) != found.get(name))
    if digest not in (None, file_digest(listing)):
        wrong = [listing.name, *wrong]
    if wrong:
        raise RuntimeError(
            f"The bundle at {bundle} is not the one that was registered: {', '.join(wrong)} "
            "changed. Restore the artifacts of this version, or load another version."
        )


def find_base(config: dict[str, Any]) -> Path:
    """Return the folder of the base whose digest is `config["base_digest"]`.

    Raises:
        RuntimeError: there is none; the message says what was tried.
    """
    wanted, tried = config.get("base_digest"), []
    named = [os.environ.get("RATCHET_BASE"), config.get("base_folder"), config.get("base")]
    for place in filter(None, named):
        folder = Path(place).expanduser() if Path(place).expanduser().is_dir() else from_hub(place)
        if folder is None:
            tried.append(f"{place} (not found)")
        elif wanted and base_digest(folder) != wanted:
            tried.append(f"{place} (other weights)")
        else:
            return folder
    raise RuntimeError(
        f"The base model {config.get('base')} with digest {wanted} is not here. Tried: "
        f"{'; '.join(tried) or 'nothing'}. Set RATCHET_BASE to the folder that holds it."
    )


def from_hub(name: str) -> Path | None:
    """Return the snapshot of a hub id, from the cache before the network, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    for cached_only in (True, False):
        try:
            folder = snapshot_download(
                name,
                local_files_only=cached_only,
                allow_patterns=WANTED,
                ignore_patterns=["*/*"],
            )
        except (HFValidationError, OSError, ValueError):
            continue
        if (Path(folder) / "tokenizer.json").is_file():
            return Path(folder)
    return None


def base_digest(folder: Path) -> str:
    """Return SHA-256 over the canonical JSON of the sorted [[file name, SHA-256], ...]."""
    files = [*folder.glob("*.safetensors"), folder / "config.json", folder / "tokenizer.json"]
    rows = sorted([path.name, file_digest(path)] for path in files if path.is_file())
    text = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def drop_bytecode() -> None:
    """Remove the copy of this file that Python wrote on loading it, and its folder if empty."""
    # The copy would run in place of this file from then on; the audit holds this file alone.
    cached = __spec__.cached if __spec__ else None
    if cached:
        with suppress(OSError):
            Path(cached).unlink(missing_ok=True)
            Path(cached).parent.rmdir()


drop_bytecode()
mlflow.models.set_model(RatchetModel())
