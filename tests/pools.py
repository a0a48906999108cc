"""Pools on the tiny stream: a batch that waits for labels, and a person who knows the truth."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from pathlib import Path

from components.operations import holdouts, labelling
from components.operations.labelling import Question
from components.workspace.root import open_workspace
from tests.stream import BAD, FILLER, GOOD, make_root, rows, settle, write_jsonl


def mixed(seed: int, n: int) -> list[dict[str, str]]:
    """Return `n` sentences with words of both moods; their label is that of the more words."""
    pick = random.Random(seed)
    made = []
    for _ in range(n):
        good = pick.randint(0, 3)
        words = [pick.choice(GOOD) for _ in range(good)]
        words += [pick.choice(BAD) for _ in range(3 - good)]
        pick.shuffle(words)
        words += [pick.choice(FILLER) for _ in range(3)]
        made.append({"text": " ".join(words), "label": "pos" if good >= 2 else "neg"})
    return made


def truth(text: str) -> str:
    """Return the right label of a sentence of `mixed`."""
    words = text.split()
    more = sum(word in GOOD for word in words) > sum(word in BAD for word in words)
    return "pos" if more else "neg"


def inputs(path: Path, seed: int, n: int) -> Path:
    """Write unlabelled inputs and return the path."""
    return write_jsonl(path, [{"text": row["text"]} for row in mixed(seed, n)])


def add_pool(root: Path, file: Path, task: str = "mood") -> holdouts.Added:
    """Take a file's inputs into the pool of a task."""
    ws = open_workspace(root)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        return holdouts.add_pool(ws, lease, file, task)


def make_waiting(root: Path) -> Path:
    """Make a root with a champion, a pool of 300 inputs, and a second batch held for labels."""
    make_root(root)
    assert settle(root, write_jsonl(root / "b1.jsonl", rows(1, 200))).action == "promoted"
    add_pool(root, inputs(root / "pool.jsonl", 900, 300))
    held = settle(root, write_jsonl(root / "b2.jsonl", mixed(2, 120)))
    assert held.action == "held" and held.headline.startswith("Hold for labels"), held
    return root


def asked(root: Path) -> list[Question]:
    """Return what is asked now, in order."""
    opened = labelling.waiting(open_workspace(root))
    return [question for each in opened for question in each.questions]


def right_keys(root: Path, scratch: Path) -> list[str]:
    """Return the keys that answer all questions of a root by the truth, in their order.

    They are found on a copy: the order comes from secrets in the ledger, not from chance.
    """
    copy = Path(shutil.copytree(root, scratch))
    ws, keys = open_workspace(copy), []
    while questions := asked(copy):
        label = truth(questions[0].text)
        keys.append(str(questions[0].choices.index(label) + 1))
        labelling.answer(ws, questions[0], "label", label)
    return keys


def lines(keys: Iterable[str]) -> str:
    """Return keys as a pipe gives them."""
    return "".join(f"{key}\n" for key in keys)
