"""Take a batch out of a solved head, as if it had never come.

Concept: the head is a function of two sums over all rows, so subtracting a batch's rows leaves the
head that never saw them. Labels that nobody else taught go with it. The rows are read once more, to
know what to subtract; the digests that the version kept say which ones they must be.

Promise: sums, weights and biases equal those of a stream without the batch, up to float64's
rounding. How sure the head is of its answers was found on other batches as they came, and stays.
A version whose adapter learned from the batch is refused: what an adapter took in can't be
subtracted.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.digest import json_digest
from components.errors import ConfigError, DataRejected
from components.model.bundle import (
    Bundle,
    Part,
    json_part,
    strategy_part,
    tensors_part,
    write_bundle,
)
from components.model.classifier import check_base, load_classifier
from components.model.determinism import reproducible
from components.model.encoding import ENCODERS, infer
from components.model.heads.solved_modules import SolvedHead
from components.model.placement import placement_of
from components.training.memory import remembered
from components.training.solved_head import (
    batches_of,
    solved,
    solved_state,
    solved_tensors,
    strength_of,
)
from components.training.sums import Sums

if TYPE_CHECKING:
    from torch import Tensor

    from components.items import Item
    from components.model.activation_cache import ActivationCache
    from components.model.base import Base
    from components.settings import Settings


def rows_to_forget(version: Bundle, batch: str, settings: Settings) -> list[str]:
    """Return the digests of a batch's items that a version's head was solved on.

    Raises:
        ConfigError: it keeps no sums, never saw the batch, its adapter learned from it, or another
            strategy is set than the one that says how its head is solved.
    """
    state = version.strategy_state()
    if "gram" not in state.tensors:
        raise ConfigError(
            f"A version of `strategy.method` {version.state['strategy']} can't forget a batch: what"
            " descent learned can't be subtracted.",
            "Roll back to a version before it, or use analytic, hybrid or prototype.",
        )
    before, now = version.state["strategy"], settings.strategy.method
    if before != now:
        raise ConfigError(
            f"The champion was learned by `strategy.method` {before}; now it is {now}.",
            f"Set it to {before} while you forget a batch.",
        )
    if batch in state.values.get("adapted_on", []):
        raise ConfigError(
            f"The adapter of the champion learned from batch {batch[:12]}, and that can't be"
            " subtracted.",
            "Roll back to a version before it.",
        )
    found = batches_of(state)
    if batch not in found:
        known = ", ".join(sorted(each[:12] for each in found if each)) or "none"
        raise ConfigError(
            f"The champion's head was not solved on batch {batch[:12]} by itself.",
            f"Batches that can be forgotten: {known}.",
        )
    return found[batch]


def without_batch(
    base: Base,
    bundles: Path,
    version: Bundle,
    batch: str,
    items: Sequence[Item],
    settings: Settings,
    cache: ActivationCache | None = None,
    request: int = 1,
) -> Bundle:
    """Write the bundle of a version that never saw a batch, and return it.

    Args:
        base: the frozen model.
        bundles: folder of all bundles.
        version: what is to forget.
        batch: the digest of the batch.
        items: the batch's rows.
        settings: of the root.
        cache: where the frozen layers' states are kept.
        request: how many times this version was asked to forget the batch; each gives a bundle of
            its own, as an earlier one may be barred.

    Raises:
        ConfigError: as `rows_to_forget`; or nothing would be left.
        DataRejected: rows that must be subtracted are not there any more.
    """
    check_base(base, version)
    wanted = rows_to_forget(version, batch, settings)
    rows = {item.digest: item for item in items}
    gone = [digest for digest in wanted if digest not in rows]
    if gone:
        raise DataRejected(
            f"{len(gone)} of {len(wanted)} rows of batch {batch[:12]} can't be read any more, so"
            " what they added can't be subtracted.",
            "Restore the batch's files (`dvc pull`), then run this again.",
        )
    own: Any = settings.strategy
    with reproducible(settings.seed, settings.training.threads):
        chosen = [rows[digest] for digest in wanted]
        sums, labels = _sums_of(base, version, chosen, settings, cache)
        state = version.strategy_state()
        left = Sums.from_tensors(state.tensors).minus(sums)
        kept = (left.counts > 0.5).nonzero().flatten().tolist()
        if len(kept) < 2:
            raise ConfigError(
                f"Without batch {batch[:12]} fewer than two labels would be left.",
                "Nothing was changed.",
            )
        left = Sums(left.gram, left.by_label[kept], left.counts[kept])
        head = solved(own, left, strength_of(own, left))
    batches = {name: held for name, held in batches_of(state).items() if name != batch}
    values = dict(state.values)
    values["sharpness"] = [each for each in values.get("sharpness", []) if each[0] != batch]
    memory = [ref for ref in remembered(version) if ref.batch != batch]
    parts = (
        Part("adapter", "answers", lambda folder: _copy(version.adapter, folder / "adapter")),
        tensors_part("head", "answers", version.head_tensors() | solved_tensors(head, values)),
        json_part("labels", "answers", [labels[place] for place in kept]),
        strategy_part(solved_state(left, batches, values)),
        json_part("memory", "learns", [ref.to_json() for ref in memory]),
    )
    return write_bundle(bundles, _state(version, batch, request), parts)


def _sums_of(
    base: Base,
    version: Bundle,
    items: Sequence[Item],
    settings: Settings,
    cache: ActivationCache | None,
) -> tuple[Sums, tuple[str, ...]]:
    import torch

    placement = placement_of(settings)
    loaded = load_classifier(base, version, placement, cache, merged=False)
    head, labels = loaded.head, loaded.labels
    assert isinstance(head, SolvedHead)
    contents = [item.content for item in items]
    tokens = ENCODERS[version.state["modality"]](base, contents, placement.max_tokens)
    loaded.prepare(tokens)
    features = torch.from_numpy(infer(loaded.features, tokens, placement.max_tokens))
    places = {label: place for place, label in enumerate(labels)}
    targets = torch.tensor([places[item.label] for item in items])

    def spread(rows: list[int]) -> Tensor:
        return head.spread(features[rows].to(placement.device)).cpu()

    return Sums.over(range(len(items)), spread, targets, len(labels)), labels


def _state(version: Bundle, batch: str, request: int) -> dict[str, Any]:
    """Return the state of a version that forgot: its parent's, and what it forgot."""
    own = ("format", "learning", "request")
    state = {name: each for name, each in version.state.items() if name not in own}
    again = {"request": request} if request > 1 else {}
    return {
        **state,
        **again,
        "forgot": batch,
        "key": json_digest(["forget", version.digest, batch, *again.values()]),
        "parent": version.digest,
        "trained": {"new": {}, "replayed": {}, "steps": 0},
    }


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
