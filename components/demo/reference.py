"""The frozen reference stream: the same functions on the same rows must give the same numbers.

Concept: four small batches of made-up sentences in `data/reference/`, one of them with
flipped labels, on a tiny random base that is made from a seed. `dvc.yaml` runs this module;
`dvc repro -f` followed by `git diff --exit-code dvc.lock` proves that the numbers reproduce.

Promise: reads, validates, splits, trains, scores and judges with the very functions of the
pipeline, and touches neither ledger nor registry. What it writes are counts, accuracies and
decisions; digests of weights are left out, because processors may differ in the last bit.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.readers import read_batch
from components.data.split import Split, split_items
from components.data.validation import Validation, validate
from components.files import write_bytes
from components.gate import Answers, Decision, Examination, ExamResult, NewTask, Rules, judge
from components.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.items import Item
    from components.model.base import Base
    from components.model.bundle import Bundle

TASK = "mood"
FOLDER = Path("data/reference")
BATCHES = ("first", "second", "flipped", "third")
TINY_MODEL = {"base": "base", "base_digest": None, "max_tokens": 16}
TINY_TRAINING = {
    "epochs": 6,
    "learning_rate": 0.003,
    "head_learning_rate": 0.03,
    "warmup_steps": 2,
    "threads": 1,
}


TINY_STRATEGY = {"update_share": 1.0, "replay_ratio": 0.5}
"""Whole steps beside few remembered rows: a poisoned batch must do its harm in one."""


def main() -> None:
    """Run the stream and write `data/reference/numbers.json`."""
    settings = reference_settings(load_settings(Path("params.yaml")))
    with tempfile.TemporaryDirectory() as scratch:
        numbers = run_stream(FOLDER, Path(scratch), settings)
    text = json.dumps(numbers, indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_bytes(FOLDER / "numbers.json", text.encode())


def reference_settings(settings: Settings) -> Settings:
    """Return the root's settings with a model and a schedule that fit the tiny base."""
    return Settings(
        seed=settings.seed,
        adapter=settings.adapter,
        strategy=settings.strategy.model_copy(update=TINY_STRATEGY),
        gate=settings.gate,
        model=settings.model.model_copy(update=TINY_MODEL),
        training=settings.training.model_copy(update=TINY_TRAINING),
    )


def run_stream(folder: Path, scratch: Path, settings: Settings) -> dict[str, Any]:
    """Run every batch of `folder` in order and return its numbers by batch."""
    from components.demo.tiny_base import write_tiny_base
    from components.model.base import load_base

    exam = _validated(folder / "exam.jsonl", settings).accepted
    words = sorted({word for item in exam for word in item.text.split()})
    write_tiny_base(scratch / "base", words, hidden=32)
    stream = _Stream(load_base(settings.model, scratch), scratch / "bundles", settings, exam)
    return {name: stream.run(_validated(folder / f"{name}.jsonl", settings)) for name in BATCHES}


class _Stream:
    """A champion that moves along, kept in memory."""

    def __init__(self, base: Base, bundles: Path, settings: Settings, exam: Sequence[Item]) -> None:
        self._base, self._bundles, self._settings, self._exam = base, bundles, settings, exam
        self._champion: Bundle | None = None
        self._learned: dict[str, Item] = {}

    def run(self, checked: Validation) -> dict[str, Any]:
        """Learn one batch, judge it, and promote it where the gate says so."""
        split = self._split(checked)
        bundle = self._learn(split)
        decision = self._judge(split, bundle)
        right = sum(self._answers(bundle, self._exam).correct)
        if decision.action == "promote":
            self._champion = bundle
            self._learned |= {item.digest: item for item in split.train}
        return {
            "accepted": len(checked.accepted),
            "rejected": len(checked.rejected),
            "trained": len(split.train),
            "held_out": len(split.holdout),
            "right_of_exam": right,
            "action": decision.action,
            "verdicts": [
                {
                    "check": verdict.check,
                    "outcome": verdict.outcome,
                    "right_to_wrong": verdict.right_to_wrong,
                    "wrong_to_right": verdict.wrong_to_right,
                }
                for verdict in decision.verdicts
            ],
        }

    def _split(self, checked: Validation) -> Split:
        held = frozenset(item.near for item in self._exam)
        trained = frozenset(item.near for item in self._learned.values())
        fractions = {TASK: self._settings.holdout.fraction}
        return split_items(checked.accepted, fractions, self._settings.seed, held, trained)

    def _learn(self, split: Split) -> Bundle:
        from components.training.candidate import Lesson, learn, replayed_refs

        lesson = Lesson(
            batch=split.train[0].digest,
            items=split.train,
            parent=self._champion,
            anchors={},
            wall="reference",
            replayed=(),
        )
        refs = replayed_refs(lesson, self._settings)
        lesson = replace(lesson, replayed=tuple(self._learned[ref.item] for ref in refs))
        return learn(self._base, self._bundles, lesson, self._settings)

    def _judge(self, split: Split, bundle: Bundle) -> Decision:
        champion, known = self._champion, self._champion is not None
        sat = self._answers(champion, self._exam) if champion else None
        own = self._answers(champion, split.holdout) if champion else None
        exam = ExamResult(
            TASK, TASK, sat, self._answers(bundle, self._exam), sat, known, in_batch=True
        )
        learned = NewTask(TASK, self._answers(bundle, split.holdout), own, 0.6, known)
        gate = self._settings.gate
        rules = Rules(gate.margin_points, gate.anchor_margin_points, gate.floor_points, gate.alpha)
        return judge(Examination([exam], [learned]), rules)

    def _answers(self, bundle: Bundle, items: Sequence[Item]) -> Answers:
        from components.model.answering import predict
        from components.model.placement import placement_of

        placement = placement_of(self._settings)
        given = predict(self._base, bundle, [item.text for item in items], placement).labels
        right = [label == item.label for label, item in zip(given, items, strict=True)]
        return Answers([item.digest for item in items], right)


def _validated(path: Path, settings: Settings) -> Validation:
    return validate(read_batch(path, settings.data, TASK), settings.data, frozenset())


if __name__ == "__main__":
    main()
