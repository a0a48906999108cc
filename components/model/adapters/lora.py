"""LoRA: a low-rank update beside each adapted linear module.

Some variants start from a part of the weight instead of from nothing. What they took is stored
beside the adapter and taken out of the weight again at each loading.

Source: Hu et al. 2022, LoRA, section 4. Variants: Liu et al. 2024, DoRA; Kalajdzievski 2023,
rsLoRA; Meng et al. 2024, PiSSA; Yang et al. 2024, CorDA (knowledge-preserved mode); Paischer et
al. 2024, EVA.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.in_place import put, value_of
from ..adapters.low_rank import LOW_RANK
from ..adapters.merging import merge_peft
from ..adapters.method import Method, Sample, load_peft, save_peft
from ..adapters.targets import TARGETS, target_modules, target_pattern
from ..quiet_loading import quiet_transformers
from ..tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from components.settings import LoraSettings

TAKEN = "taken_out"
"""Name of a model's attribute, and of its file: the first A and B of what starts in the weight."""


def config(fork: nn.Module, settings: LoraSettings) -> Any:
    """Return the `peft` config of a fresh adapter."""
    from peft import LoraConfig, TaskType
    from peft.tuners.lora.config import CordaConfig, EvaConfig

    variant = settings.variant
    starts = variant if variant in ("pissa", "corda", "eva") else True
    return LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=target_pattern(fork, settings),
        use_dora=variant == "dora",
        use_rslora=variant == "rslora",
        init_lora_weights=starts,
        corda_config=CordaConfig(corda_method="kpm") if variant == "corda" else None,
        eva_config=EvaConfig() if variant == "eva" else None,
    )


def attach(fork: nn.Module, settings: Any, sample: Sample) -> nn.Module:
    """Attach a fresh adapter of any variant."""
    from peft import get_peft_model
    from peft.tuners.lora import initialize_lora_eva_weights
    from peft.tuners.lora.corda import preprocess_corda

    own, rows = config(fork, settings), None
    if settings.variant in ("pissa", "corda"):  # these write into the weights that they adapt
        names = [f"{name}.weight" for name in target_modules(fork, settings)]
        put(fork, {name: value_of(fork, name).clone() for name in names})
    if settings.variant in ("corda", "eva"):
        rows = sample()
    with quiet_transformers():
        if settings.variant == "corda":
            preprocess_corda(fork, own, run_model=lambda: _run_singly(fork, rows or []))
        adapted: Any = get_peft_model(fork, own)
        if settings.variant == "eva":
            initialize_lora_eva_weights(adapted, rows, show_progress_bar=False)
            adapted.eval()  # that had set it to train
    setattr(adapted, TAKEN, _start(adapted) if settings.variant in ("pissa", "corda") else {})
    finished = adapted.peft_config["default"]
    finished.init_lora_weights, finished.corda_config, finished.eva_config = True, None, None
    _finish(adapted)
    return adapted  # type: ignore[no-any-return]


def save(model: nn.Module, base_name: str, folder: Path) -> None:
    """Write the adapter as `peft` does, and what it took out of the weights."""
    save_peft(model, base_name, folder)
    if taken := getattr(model, TAKEN):
        write_tensors(folder / f"{TAKEN}.safetensors", taken)


def load(fork: nn.Module, folder: Path, trainable: bool) -> nn.Module:
    """Attach a saved adapter; its weights are the base's without what it took."""
    adapted: Any = load_peft(fork, folder, trainable)
    file = folder / f"{TAKEN}.safetensors"
    taken = read_tensors(file) if file.exists() else {}
    for name, module in _modules(adapted):
        if taken:
            layer = module.get_base_layer()
            rest = _without(layer, module, taken[f"{name}.A"], taken[f"{name}.B"])
            put(layer, {"weight": rest})
    setattr(adapted, TAKEN, taken)
    _finish(adapted)
    return adapted  # type: ignore[no-any-return]


def _run_singly(model: nn.Module, rows: list[dict[str, Any]]) -> None:
    """Run each row alone and unpadded: `peft` takes the covariance of two-dimensional inputs."""
    for inputs in rows:
        for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True):
            model(input_ids=ids[mask.bool()][None])


def _modules(adapted: nn.Module) -> list[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return [(name, each) for name, each in adapted.named_modules() if isinstance(each, LoraLayer)]


def _start(adapted: nn.Module) -> dict[str, Tensor]:
    return {
        f"{name}.{letter}": part["default"].weight.detach().clone()
        for name, module in _modules(adapted)
        for letter, part in (("A", module.lora_A), ("B", module.lora_B))
    }


def _without(layer: Any, module: Any, down: Tensor, up: Tensor) -> Tensor:
    """Return the weight without s B A, by the very sum with which `peft` took it out."""
    from peft.utils.other import transpose

    turned, weight = module.fan_in_fan_out, layer.weight.detach()
    down, up = down.to(weight.device), up.to(weight.device)
    rest = transpose(weight.float(), turned) - module.scaling["default"] * up @ down
    return transpose(rest.to(weight.dtype), turned)


def _finish(adapted: nn.Module) -> None:
    """Let plain LoRA modules compute the fused way."""
    from ..adapters.fused_lora import fuse

    fuse(adapted)


METHOD = Method(
    attach,
    save,
    load,
    shape=(*TARGETS, "alpha", "dropout", "rank", "variant"),
    merge=merge_peft,
    vector=LOW_RANK,
)
