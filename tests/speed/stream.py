"""The demo's stream, learned batch by batch, against retraining on all data at every batch.

Both sides get the demo's honest batches in their order (the broken and the poisoned one never
train), 5 epochs, with `replay`. Only training is timed.

- ours: each batch with its replayed rows, from the version before, activations cached on disk;
- plain, tuned: the scripts of part 1, from the plain base on all rows so far, at every batch;
- our loop: the same retraining by our own trainer, which shows how much of the difference is
  the number of rows and how much the loop.

Retraining is run in full for the last batch, on all rows; the earlier ones are counted at its
seconds a row. Plain is run only on the first seed, because it takes minutes. Accuracy is the
mean over the demo's exams after the last batch.

    make bench-speed ARGS=stream
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from components.demo import fetch
from components.demo.stream import make_stream
from components.items import Item
from components.settings import Settings, parse_settings
from tests.page import Check, Section
from tests.speed.corpora import CACHE, base_folder
from tests.speed.update import RATES, REPOSITORY, Worker, as_items

if TYPE_CHECKING:
    from components.model.bundle import Bundle

SEEDS = (0, 1, 2)
SPOILED = ("products-junk", "products-poisoned")
EPOCHS, MAX_TOKENS, WANTED = 5, 64, 10.0
SIDES = ("ours", "plain", "tuned", "our loop")
PROCESSES = 2


def measure(folder: Path, plots: Path) -> Section:
    """Run all sides on all seeds, in turn."""
    stories = {seed: folder / f"story-{seed}.json" for seed in SEEDS}
    for seed, story in stories.items():
        story.write_text(json.dumps(story_of(seed)), encoding="utf-8")
    runs = [(side, seed) for seed in SEEDS for side in SIDES if side != "plain" or seed == SEEDS[0]]
    with ThreadPoolExecutor(PROCESSES) as pool:
        results = list(pool.map(lambda run: _run(stories[run[1]], *run), runs))
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for (side, _), result in zip(runs, results, strict=True):
        found[side].append(result)
    seconds = {side: median(run["seconds"] for run in own) for side, own in found.items()}
    right = {side: 100 * mean(run["accuracy"] for run in own) for side, own in found.items()}
    checks = [
        Check(
            "training CPU seconds, retrained by the plain script over ours",
            seconds["plain"] / seconds["ours"],
            "at least",
            WANTED,
        ),
        Check(
            "accuracy, ours minus retrained (tuned, 3 seeds)",
            right["ours"] - right["tuned"],
            "at least",
            -1.0,
            " points",
        ),
    ]
    title = "The demo's stream against retraining"
    return Section(title, checks, _text(found, seconds), [], {"runs": found})


def _run(story: Path, side: str, seed: int) -> dict[str, Any]:
    result = story.with_suffix(f".{side.replace(' ', '-')}.result")
    command = [sys.executable, "-m", "tests.speed.stream", str(story), str(base_folder())]
    subprocess.run([*command, str(result), side], check=True, cwd=REPOSITORY)
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def story_of(seed: int) -> dict[str, Any]:
    """Return the honest batches in their order, and the exams."""
    ratings = fetch.fetch(CACHE / "demo", print).ratings
    stream = make_stream({name: fetch.read_rated(path) for name, path in ratings.items()}, seed)
    batches = [
        [scene.name, scene.task, [(row["text"], row["label"]) for row in scene.rows if _whole(row)]]
        for scene in stream.scenes
        if scene.kind == "batch" and scene.name not in SPOILED
    ]
    exams = {
        scene.name: [(row["text"], row["label"]) for row in scene.rows]
        for scene in stream.scenes
        if scene.kind == "holdout"
    }
    return {"seed": seed, "batches": batches, "exams": exams}


def _whole(row: dict[str, Any]) -> bool:
    words = (row.get("text"), row.get("label"))
    return all(isinstance(word, str) for word in words) and row["label"] in (
        "negative",
        "neutral",
        "positive",
    )


@dataclass(frozen=True, slots=True)
class Learned:
    """A version, the CPU seconds of its training, and the rows of an epoch."""

    bundle: Bundle
    seconds: float
    rows: int


def versions(story: dict[str, Any], worker: Worker) -> Iterator[Learned]:
    """Learn the stream batch by batch, each from the version before."""
    seen: dict[str, Item] = {}
    parent = None
    for name, task, rows in story["batches"]:
        items = {item.digest: item for item in as_items(rows, task)}
        seen |= items
        learned = _learn(worker, name, items, parent, seen)
        parent = learned.bundle
        yield learned


def whole(story: dict[str, Any], worker: Worker) -> list[Learned]:
    """Learn all rows at once; count the earlier retrainings at its seconds a row."""
    seen: dict[str, Item] = {}
    sizes = []
    for _, task, rows in story["batches"]:
        seen |= {item.digest: item for item in as_items(rows, task)}
        sizes.append(len(seen))
    last = _learn(worker, "whole", seen, None, seen)
    return [Learned(last.bundle, last.seconds / sizes[-1] * size, size) for size in sizes]


def _learn(
    worker: Worker, name: str, items: dict[str, Item], parent: Bundle | None, seen: dict[str, Item]
) -> Learned:
    from components.training.candidate import Lesson, learn, replayed_refs

    lesson = Lesson(name, tuple(items.values()), parent, {}, "", ())
    refs = replayed_refs(lesson, worker.settings)
    lesson = replace(lesson, replayed=tuple(seen[ref.item] for ref in refs))
    began = time.process_time()
    folder = worker.folder / "bundles"
    bundle = learn(worker.base, folder, lesson, worker.settings, cache=worker.cache)
    taken = time.process_time() - began
    trained = bundle.state["trained"]
    rows = sum(sum(trained[kind].values()) for kind in ("new", "replayed"))
    return Learned(bundle, taken, rows)


def ours(story: dict[str, Any], worker: Worker, at_once: bool) -> dict[str, Any]:
    """Return what learning the stream took, and how the last version answers."""
    learned = whole(story, worker) if at_once else list(versions(story, worker))
    shares = [
        mean(map(bool, worker.answers(learned[-1].bundle, as_items(rows, task)).correct))
        for task, rows in story["exams"].items()
    ]
    return {
        "seconds": sum(each.seconds for each in learned),
        "taken": [each.seconds for each in learned],
        "rows": [each.rows for each in learned],
        "accuracy": mean(shares),
    }


def retrained(story: dict[str, Any], base: str, folder: Path, tuned: bool) -> dict[str, Any]:
    """Retrain by the script on all rows; count the earlier retrainings at its seconds a row."""
    sizes = list(accumulate(len(rows) for _, _, rows in story["batches"]))
    rows = [row for _, _, more in story["batches"] for row in more]
    spare = rows[:40]
    problem = {"train": rows, "exams": story["exams"], "own": spare, "test": spare, "spare": spare}
    place, result = folder / "problem.json", folder / "result.json"
    place.write_text(json.dumps(problem), encoding="utf-8")
    command = [sys.executable, "tests/speed/baseline.py", str(place), base, str(result)]
    words = [
        f"--rate={RATES['sentiment']}",
        f"--seed={story['seed']}",
        f"--max-tokens={MAX_TOKENS}",
    ]
    subprocess.run([*command, *words, *["--tuned"] * tuned], check=True, cwd=REPOSITORY)
    found = json.loads(result.read_text(encoding="utf-8"))
    taken = found["phases"]["train"] + found["phases"]["tokenise"]
    shares = [
        mean(given == label for given, (_, label) in zip(found["answers"][task], own, strict=True))
        for task, own in story["exams"].items()
    ]
    seconds = taken / sizes[-1] * sum(sizes)
    return {"seconds": seconds, "taken": [taken], "rows": sizes, "accuracy": mean(shares)}


def settings_of(story: dict[str, Any]) -> Settings:
    """Return the default settings, with `replay` and the story's seed."""
    return parse_settings(
        {
            "seed": story["seed"],
            "model": {"base": str(base_folder()), "max_tokens": MAX_TOKENS},
            "strategy": {"method": "replay"},
            "training": {"epochs": EPOCHS, "threads": 1, "device": "cpu"},
        },
        "the benchmark",
    )


def _text(found: dict[str, list[dict[str, Any]]], seconds: dict[str, float]) -> str:
    rows = [
        "| | training CPU s (by seed) | over ours | rows an epoch, in sum | accuracy (by seed) |"
    ]
    rows.append("|---|---|---|---|---|")
    for side, runs in found.items():
        every = ", ".join(f"{run['seconds']:.0f}" for run in runs)
        shares = ", ".join(f"{100 * run['accuracy']:.1f}" for run in runs)
        ratio = seconds[side] / seconds["ours"]
        rows.append(f"| {side} | {every} | {ratio:.1f} | {sum(runs[0]['rows']):,} | {shares} |")
    intro = (__doc__ or "").split("    make")[0].strip()
    return "\n\n".join([intro, "\n".join(rows)])


def main() -> None:
    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("story", type=Path)
    parser.add_argument("base")
    parser.add_argument("result", type=Path)
    parser.add_argument("side", choices=SIDES)
    args = parser.parse_args()
    story = json.loads(args.story.read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="ratchet-stream-") as folder:
        if args.side in ("plain", "tuned"):
            found = retrained(story, args.base, Path(folder), args.side == "tuned")
        else:
            found = ours(story, Worker(settings_of(story), Path(folder)), args.side != "ours")
    args.result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
