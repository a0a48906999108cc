"""Real streams through the whole product, gated and ungated, and spoilt batches at their end.

No exam is brought. A task has a pool of unlabelled inputs, 1,000 at first as far as the data go
and at most 2,000 at the end, of labels that the champion knows. What a held version asks for is
answered by the data's own labels, one question at a time. *Ungated*: the same batches, every one
promoted. Accuracy: of the last champion on the data's own test split, the mean over tasks.
*Spoilt*: 400 rows of known labels come to a copy of the grown root: 40 % of their labels turned
into others, one class under another name, one class alone; and unspoilt. (One class alone is
refused by the data contract, `data.min_labels`; let past it, the gate decides on what it did, which
may be no harm.) The demo's base model; `strategy.method` is replay, and what was measured with
hybrid, the default, stands in rows of its own. All other settings are the default ones.

What was measured is kept in `docs/gate/streams/`, a file per stream and seed, and used again: for
one of them alone, `python -m tests.gatebench.streams newsgroups --seed 0 --strategy hybrid`.

    make bench-gate ARGS=streams
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

from components.demo.stream import TURNED
from components.gate.decision import judge
from components.gate.verdicts import Decision, Examination, Rules
from components.identity import PLAIN
from components.ledger import views
from components.model.bundle import open_bundle
from components.operations import holdouts, labelling
from components.pipeline.preparation import Settled
from components.workspace.root import Workspace, open_workspace
from tests.gatebench.dealt import STREAMS, Step, Stream, deal
from tests.page import DOCS, Check, Section, opening
from tests.speed.corpora import Row, base_folder
from tests.stream import settle, write_jsonl

SEEDS = (0, 1, 2)
KEPT = DOCS / "gate" / "streams"
PARAMS = """
seed: {seed}
model: {{name: stream, base: {base}}}
strategy: {{method: {strategy}}}
"""
STRATEGIES = ("replay", "hybrid")
ROUNDS = 6
"""A batch is examined again so often at most, each time after all that it asked was answered."""

Found = dict[str, Any]


def flipped(rows: Sequence[Row], draw: random.Random) -> list[Row]:
    """Return the rows with 40 % of the labels turned into others."""
    labels = sorted({label for _, label in rows})
    turned = set(draw.sample(range(len(rows)), round(0.4 * len(rows))))

    def other(label: str) -> str:
        opposite = TURNED.get(label, label)
        return opposite if opposite != label else draw.choice([x for x in labels if x != label])

    return [
        (text, other(label)) if place in turned else (text, label)
        for place, (text, label) in enumerate(rows)
    ]


def renamed(rows: Sequence[Row], draw: random.Random) -> list[Row]:
    """Return the rows with the commonest class under another name."""
    [(name, _)] = Counter(label for _, label in rows).most_common(1)
    return [(text, f"{label}-new" if label == name else label) for text, label in rows]


def one_class(rows: Sequence[Row], draw: random.Random) -> list[Row]:
    """Return the rows of the commonest class alone."""
    [(name, _)] = Counter(label for _, label in rows).most_common(1)
    return [row for row in rows if row[1] == name]


SOUND = "unspoilt"
SPOILT: Mapping[str, Callable[[Sequence[Row], random.Random], list[Row]]] = {
    SOUND: lambda rows, draw: list(rows),
    "40 % of the labels flipped": flipped,
    "a class renamed": renamed,
    "one class only": one_class,
}


@dataclass(frozen=True)
class Run:
    """One root that a stream comes to; `truth`: what people answer."""

    root: Path
    truth: Mapping[tuple[str, str], str]

    def send(self, step: Step, name: str) -> Found:
        """Let a batch come, answer what it asks for, and return what became of it."""
        began = time.perf_counter()
        file = write_jsonl(
            self.root / "sent" / f"{name}.jsonl",
            [{"text": text, "label": label} for text, label in step.rows],
        )
        settled = settle(self.root, file, step.task)
        looks = [_told(self.root, settled)]
        asked = Counter(dict.fromkeys(views.pool_sizes(open_workspace(self.root).ledger), 0))
        for _ in range(ROUNDS):
            self._answer(asked)
            again = self._again()
            if again is None:
                break
            looks.append(_told(self.root, again))
            settled = again
        return {
            "task": step.task,
            "action": settled.action,
            "asked": dict(asked),
            "looks": looks,
            "seconds": round(time.perf_counter() - began, 1),
        }

    def pool(self, pending: Sequence[Step]) -> list[Step]:
        """Pool the inputs of the steps whose labels are known; return the others."""
        ws, left = open_workspace(self.root), []
        tasks, labels = views.known_tasks(ws.ledger), _labels(ws)
        for number, step in enumerate(pending):
            if step.task not in tasks or not step.labels <= labels:
                left.append(step)
            elif step.pool:
                file = self.root / "sent" / f"pool-{step.task}-{number}.jsonl"
                write_jsonl(file, [{"text": text} for text, _ in step.pool])
                with ws.ledger.lease(ws.settings.model.name, 60) as lease:
                    holdouts.add_pool(ws, lease, file, step.task)
        return left

    def accuracy(self, test: Mapping[str, Sequence[Row]]) -> dict[str, float]:
        """Return the champion's accuracy on the test rows of every task, in percent."""
        from components.model.answering import predict
        from components.model.placement import placement_of

        ws = open_workspace(self.root)
        champion = views.champion(ws.ledger)
        if champion is None:
            return dict.fromkeys(test, 0.0)
        bundle, found = open_bundle(ws.bundles, champion.bundle), {}
        for task, rows in test.items():
            texts = [text for text, _ in rows]
            given = predict(ws.base, bundle, texts, placement_of(ws.in_force()))
            pairs = zip(given.labels, rows, strict=True)
            found[task] = 100 * mean(label == row[1] for label, row in pairs)
        return found

    def _answer(self, asked: Counter[str]) -> None:
        """Answer all that is asked, and count it by task."""
        ws = open_workspace(self.root)
        while questions := [each.questions[0] for each in labelling.waiting(ws) if each.questions]:
            for question in questions:
                label = self.truth[question.task, PLAIN.near(question.text)]
                labelling.answer(ws, question, "label", label)
                asked[question.task] += 1

    def _again(self) -> Settled | None:
        """Run what was queued again; None where nothing was."""
        from flows.retrain import run_batch

        ws = open_workspace(self.root)
        with ws.ledger.lease(ws.settings.model.name, 60) as lease:
            batches = labelling.release_ready(ws, lease)
        settled = [run_batch(open_workspace(self.root), batch) for batch in batches]
        return settled[-1] if settled else None


def _labels(ws: Workspace) -> frozenset[str]:
    champion = views.champion(ws.ledger)
    found = open_bundle(ws.bundles, champion.bundle).labels if champion else ()
    return frozenset(found)


def _told(root: Path, settled: Settled) -> Found:
    """Return what one examination said, with all that did not let the candidate pass."""
    ws = open_workspace(root)
    version = views.version(ws.ledger, settled.version) if settled.version else None
    decision = ws.read_document(version.evidence)["decision"] if version else {"verdicts": []}
    wanted = "check task exam group outcome consequence effect_points lower_points upper_points n"
    return {
        "action": settled.action,
        "headline": settled.headline,
        "blocked": [
            {name: each[name] for name in (*wanted.split(), "open_labels", "sentence")}
            for each in decision["verdicts"]
            if each["consequence"] in ("hold", "reject")
        ],
    }


def _let_through(examination: Examination, rules: Rules) -> Decision:
    return replace(judge(examination, rules), action="promote")


def ungated() -> AbstractContextManager[Any]:
    """Promote every candidate, whatever the gate says."""
    return patch("components.pipeline.examination.judge", _let_through)


def run(stream: Stream, seed: int, strategy: str, folder: Path, gated: bool) -> Found:
    """Send a whole stream to a root of its own in `folder`."""
    folder.mkdir(parents=True)
    own = Run(folder, stream.truth())
    text = PARAMS.format(seed=seed, base=base_folder(), strategy=strategy)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    sent, pending = [], list[Step]()
    with nullcontext() if gated else ungated():
        for number, step in enumerate(stream.steps, start=1):
            found = own.send(step, f"batch-{number}")
            sent.append(found)
            print(f"  {number} {step.task}: {_line(found)}", flush=True)
            pending = own.pool([*pending, step]) if gated else []
    return {"batches": sent, "accuracy": own.accuracy(stream.test)}


def spoil(stream: Stream, seed: int, grown: Path, folder: Path) -> Found:
    """Send every spoilt batch to a copy of a root that the stream came to."""
    found = {}
    for number, (what, spoilt) in enumerate(SPOILT.items()):
        root = folder / f"spoilt-{number}"
        shutil.copytree(grown, root)
        rows = spoilt(stream.spoilt.rows, random.Random(f"spoilt:{seed}"))
        step = replace(stream.spoilt, rows=rows)
        found[what] = Run(root, stream.truth()).send(step, f"spoilt-{number}")
        print(f"  {what}: {_line(found[what])}", flush=True)
        shutil.rmtree(root)
    return found


def _line(found: Found) -> str:
    checks = [_reason(look) for look in found["looks"]]
    looks = " -> ".join(each for each in checks if each)
    labels = sum(found["asked"].values())
    return f"{found['action']}, {labels} labels, {found['seconds']:.0f} s; {looks}"


def _reason(look: Found) -> str:
    told = Counter(f"{each['check']} {each['outcome']}" for each in look["blocked"])
    return ", ".join(f"{name} x{count}" if count > 1 else name for name, count in told.items())


def kept_at(folder: Path, name: str, seed: int, strategy: str) -> Path:
    """Return where what was measured is kept."""
    own = "" if strategy == STRATEGIES[0] else f"-{strategy}"
    return folder / f"{name}-{seed}{own}.json"


def one(
    name: str, seed: int, strategy: str, folder: Path, parts: Sequence[str], steps: int | None
) -> Found:
    """Measure parts of one stream with one seed, add them to what is kept, and return all.

    What is found of the first `steps` batches alone is kept in `folder`.
    """
    path = kept_at(KEPT if steps is None else folder, name, seed, strategy)
    found: Found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stream = deal(name, seed)
    if stream is None:
        return {}
    stream = replace(stream, steps=stream.steps[:steps])
    for part in parts:
        print(f"{name}, seed {seed}, {strategy}, {part}", flush=True)
        if part == "spoilt":
            found[part] = spoil(stream, seed, folder / "gated", folder)
        else:
            found[part] = run(stream, seed, strategy, folder / part, gated=part == "gated")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(found, indent=1, sort_keys=True) + "\n"
        path.write_text(text, encoding="utf-8")
    return found


PARTS = ("gated", "spoilt", "ungated")


def measure(folder: Path, plots: Path) -> Section:
    """Measure what is not kept of the first strategy, and sum up all that is there."""
    found: dict[str, list[Found]] = {}
    for strategy in STRATEGIES:
        for name in STREAMS:
            for seed in SEEDS:
                path = kept_at(KEPT, name, seed, strategy)
                kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
                if strategy == STRATEGIES[0] and not kept.keys() >= {*PARTS}:
                    kept = one(name, seed, strategy, folder / path.stem, PARTS, None)
                if kept.keys() >= {"gated", "spoilt"}:
                    own = name if strategy == STRATEGIES[0] else f"{name}, {strategy}"
                    found.setdefault(own, []).append(kept)
    return section(found)


def section(found: Mapping[str, Sequence[Found]]) -> Section:
    """Sum up what was found, by stream, a run a seed."""
    runs = [run for own in found.values() for run in own]
    batches = [each for run in runs for each in run["gated"]["batches"]]
    spoilt = [each for run in runs for what, each in run["spoilt"].items() if what != SOUND]
    less = max(
        _accuracy(run["ungated"]) - _accuracy(run["gated"]) for run in runs if "ungated" in run
    )
    promoted = 100 * mean(each["action"] == "promoted" for each in batches)
    let_in = sum(each["action"] == "promoted" for each in spoilt)
    checks = [
        Check("honest batches promoted, over all streams", promoted, "at least", 90, " %"),
        Check(
            "accuracy at the end, below the stream ungated at most", less, "at most", 1, " points"
        ),
        Check("spoilt batches promoted", let_in, "at most", 0, f" of {len(spoilt)}"),
    ]
    text = [opening(__doc__), _streams(found), _refusals(found), _spoilt(found)]
    text += [
        f"`{name}` was left out: its data are not there." for name in STREAMS if name not in found
    ]
    return Section("Real streams through the product", checks, "\n\n".join(text))


def _streams(found: Mapping[str, Sequence[Found]]) -> str:
    lines = [
        "| stream | seeds | batches | promoted / held / rejected | labels asked a batch and task: "
        "mean, median, 90 % quantile | accuracy | ungated | seconds a batch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in found.items():
        batches = [each for run in runs for each in run["gated"]["batches"]]
        actions = Counter(each["action"] for each in batches)
        shares = " / ".join(
            f"{100 * actions[what] / len(batches):.0f} %"
            for what in ("promoted", "held", "rejected")
        )
        asked = sorted(count for each in batches for count in each["asked"].values())
        high = asked[ceil(0.9 * len(asked)) - 1]
        gated = mean(_accuracy(run["gated"]) for run in runs)
        free = [_accuracy(run["ungated"]) for run in runs if "ungated" in run]
        shown = f"{mean(free):.1f} %" if free else "–"
        seconds = mean(each["seconds"] for each in batches)
        lines.append(
            f"| {name} | {len(runs)} | {len(batches)} | {shares} | {mean(asked):.0f}, "
            f"{median(asked):.0f}, {high} | {gated:.1f} % | {shown} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def _refusals(found: Mapping[str, Sequence[Found]]) -> str:
    """Return which checks kept honest batches from being promoted in the end, and how often."""
    lines = ["| stream | refused in the end by | batches |", "|---|---|---|"]
    for name, runs in found.items():
        why = Counter(
            _reason(each["looks"][-1])
            for run in runs
            for each in run["gated"]["batches"]
            if each["action"] != "promoted"
        )
        lines += [
            f"| {name} | {reason or 'the contract'} | {n} |" for reason, n in why.most_common()
        ]
    return "\n".join(lines) if len(lines) > 2 else "Every honest batch was promoted."


def _spoilt(found: Mapping[str, Sequence[Found]]) -> str:
    lines = ["| stream | damage | outcomes | labels asked | by |", "|---|---|---|---|---|"]
    for name, runs in found.items():
        for what in SPOILT:
            own = [run["spoilt"][what] for run in runs]
            actions = Counter(each["action"] for each in own)
            asked = mean(sum(each["asked"].values()) for each in own)
            why = Counter(
                f"{verdict['check']} {verdict['outcome']}"
                for each in own
                for verdict in each["looks"][-1]["blocked"]
            )
            lines.append(
                f"| {name} | {what} | {_counted(actions)} | {asked:.0f} | {_counted(why) or '–'} |"
            )
    return "\n".join(lines)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _accuracy(run: Found) -> float:
    return float(mean(run["accuracy"].values()))


def main() -> None:
    """Measure one stream with one seed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stream", choices=STREAMS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--strategy", choices=STRATEGIES, default=STRATEGIES[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--batches", type=int, help="so many of the stream's batches only")
    parser.add_argument("--folder", type=Path, help="keep the roots here")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ratchet-streams-") as other:
        folder = asked.folder or Path(other)
        one(asked.stream, asked.seed, asked.strategy, folder, asked.parts, asked.batches)


if __name__ == "__main__":
    main()
