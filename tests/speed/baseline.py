"""The update as most people would write it: Trainer and peft, as their documentation shows.

Stands alone: nothing of Ratchet is imported. Both forms train LoRA (rank 8, alpha 16) on query
and value of every layer, and the classification head, with padding to the longest of a batch.

- plain: the arguments of peft's quicktour: batches of 32, the update's own exam evaluated and
  the adapter saved after every epoch, the most accurate of them kept; in float32, each exam
  predicted by itself.
- tuned: nothing evaluated or saved in between; rows of like length share a batch, bfloat16
  autocast in training; the exams in one call, sorted by length, in batches of 64, the model in
  bfloat16.

The learning rate is chosen for each corpus, around the 1e-3 of peft's documentation, on a seed
that no published figure uses; update.py has it.

The clock (CPU seconds of this process, all its threads; it has no children) runs from the texts
to the last exam answer. Outside of it, as for a worker that is up: imports, loading the model,
one step and one answer on other texts with a model of their own. The test items are answered
after it.

    python tests/speed/baseline.py PROBLEM.json BASE RESULT.json --rate 1e-3 [--tuned]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging

EPOCHS, BATCH_SIZE, TUNED_EVAL_BATCH_SIZE = 5, 32, 64


def load_model(base: str, labels: list[str]) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(
        base,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
    )
    lora = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16, target_modules=["query", "value"]
    )
    return get_peft_model(model, lora)


class TimedTrainer(Trainer):
    """A trainer that counts the CPU seconds of its evaluations between epochs."""

    evaluating = 0.0

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        began = time.process_time()
        found = super().evaluate(*args, **kwargs)
        self.evaluating += time.process_time() - began
        return found


def accuracy(found: Any) -> dict[str, float]:
    return {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())}


def make_trainer(
    model: Any,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    own: list[dict[str, Any]],
    args: argparse.Namespace,
    **more: Any,
) -> TimedTrainer:
    common = {
        "output_dir": args.scratch,
        "learning_rate": args.rate,
        "per_device_train_batch_size": BATCH_SIZE,
        "per_device_eval_batch_size": BATCH_SIZE,
        "num_train_epochs": EPOCHS,
        "weight_decay": 0.01,
        "report_to": "none",
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "logging_strategy": "no",
        "seed": args.seed,
    }
    plain = {
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "load_best_model_at_end": True,
        "metric_for_best_model": "accuracy",
    }
    tuned = {
        "save_strategy": "no",
        "train_sampling_strategy": "group_by_length",
        "bf16": True,
        "bf16_full_eval": True,
        "per_device_eval_batch_size": TUNED_EVAL_BATCH_SIZE,
    }
    return TimedTrainer(
        model=model,
        args=TrainingArguments(**{**common, **(tuned if args.tuned else plain), **more}),
        train_dataset=rows,
        eval_dataset=own,
        compute_metrics=accuracy,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )


def encode(
    tokenizer: Any, rows: list[list[str]], labels: list[str], max_tokens: int
) -> list[dict[str, Any]]:
    places = {label: place for place, label in enumerate(labels)}
    encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=max_tokens)
    return [
        {"input_ids": ids, "attention_mask": mask, "labels": places[label]}
        for ids, mask, (_, label) in zip(
            encoded["input_ids"], encoded["attention_mask"], rows, strict=True
        )
    ]


def answer(trainer: Trainer, rows: list[dict[str, Any]]) -> list[int]:
    """Return the place of each row's label, in the order of the rows."""
    return trainer.predict(rows).predictions.argmax(-1).tolist()


def answer_sorted(trainer: Trainer, rows: list[dict[str, Any]]) -> list[int]:
    """As `answer`, with rows of similar length in a batch."""
    trainer.args.train_sampling_strategy = "sequential"  # by length, predict returns another order
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]["input_ids"]))
    found = answer(trainer, [rows[place] for place in order])
    return [place for _, place in sorted(zip(order, found, strict=True))]


def update(
    problem: dict[str, Any], args: argparse.Namespace, tokenizer: Any, model: Any
) -> dict[str, Any]:
    labels = sorted({label for _, label in problem["train"]})
    exams = {**problem["exams"], "own": problem["own"]}
    marks = [time.process_time()]
    started = time.perf_counter()
    train = encode(tokenizer, problem["train"], labels, args.max_tokens)
    items = {task: encode(tokenizer, rows, labels, args.max_tokens) for task, rows in exams.items()}
    marks.append(time.process_time())
    trainer = make_trainer(model, tokenizer, train, items["own"], args)
    trainer.train()
    marks.append(time.process_time())
    if args.tuned:
        found = answer_sorted(trainer, [row for rows in items.values() for row in rows])
        answers = {task: [found.pop(0) for _ in rows] for task, rows in items.items()}
    else:
        answers = {task: answer(trainer, rows) for task, rows in items.items()}
    marks.append(time.process_time())
    wall_seconds = time.perf_counter() - started
    test = encode(tokenizer, problem["test"], labels, args.max_tokens)
    answers["test"] = answer_sorted(trainer, test)
    phases = [end - start for start, end in pairwise(marks)]
    return {
        "cpu_seconds": marks[-1] - marks[0],
        "wall_seconds": wall_seconds,
        "phases": {
            "tokenise": phases[0],
            "train": phases[1] - trainer.evaluating,
            "evaluate": trainer.evaluating,
            "exams": phases[2],
        },
        "answers": {task: [labels[place] for place in own] for task, own in answers.items()},
    }


def warm_up(problem: dict[str, Any], args: argparse.Namespace, tokenizer: Any) -> None:
    """Pay for what only a process's first step costs."""
    labels = sorted({label for _, label in problem["spare"]})
    rows = encode(tokenizer, problem["spare"], labels, args.max_tokens)
    model = load_model(args.base, labels)
    trainer = make_trainer(model, tokenizer, rows, rows, args, max_steps=1)
    trainer.train()
    answer(trainer, rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("problem", type=Path)
    parser.add_argument("base")
    parser.add_argument("result", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tuned", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    problem = json.loads(args.problem.read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    with tempfile.TemporaryDirectory() as args.scratch:
        warm_up(problem, args, tokenizer)
        set_seed(args.seed)
        model = load_model(args.base, sorted({label for _, label in problem["train"]}))
        found = update(problem, args, tokenizer, model)
    args.result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
