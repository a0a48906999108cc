"""What a command costs: seconds from the prompt and back to it, in a process of its own.

A root with two tiny versions, an exam and MLflow's database of its own; no server is named. Each
command runs in turn for both sides, on new files each time, and its median counts. `run` brings
120 rows for a base of one layer: what is left without learning and scoring is its overhead. With
`--against COMMIT` the same is done by that commit, in a worktree that is removed afterwards.

    make bench-speed ARGS="commands --against COMMIT"
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from tests.page import Check, Section, opening

REPOSITORY = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("RATCHET_SPEED_ROUNDS", "5"))
FIRST_FILE = 10
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "run": ("run", "batch-{}.jsonl", "--task", "mood"),
    "run, a file that is refused": ("run", "bad-{}.jsonl", "--task", "mood"),
    "holdout add": ("holdout", "add", "exam-{}.jsonl", "--task", "mood"),
    "intake, nothing there": ("intake",),
    "status": ("status",),
    "--help": ("--help",),
}
LIMITS = {
    "run, a file that is refused": 2.0,
    "holdout add": 1.0,
    "intake, nothing there": 1.0,
}
RUN_SECONDS = 5.0
against: list[str] = []
"""The commit to compare with, where one was named."""


def measure(folder: Path, plots: Path) -> Section:
    """Time every command, here and at the other commit, in turn."""
    with ExitStack() as stack:
        sides = {"here": REPOSITORY}
        for commit in against:
            sides[commit] = stack.enter_context(_worktree(commit, folder / "code"))
        roots = {name: _make_root(folder / f"root-{i}", code, folder)
                 for i, (name, code) in enumerate(sides.items())}  # fmt: skip
        seconds: dict[str, dict[str, list[float]]] = {
            what: {side: [] for side in sides} for what in COMMANDS
        }
        for number in range(FIRST_FILE, FIRST_FILE + ROUNDS):
            for what, command in COMMANDS.items():
                for side, code in sides.items():
                    spent = _time(roots[side], code, folder, [w.format(number) for w in command])
                    seconds[what][side].append(spent)
        work = _seconds_of_work(roots["here"], folder)
    return _section(seconds, work)


def _section(seconds: dict[str, dict[str, list[float]]], work: float) -> Section:
    found = {what: {side: median(times) for side, times in sides.items()}
             for what, sides in seconds.items()}  # fmt: skip
    checks = [Check("`run`, without learning and scoring", found["run"]["here"] - work, "at most",
                    RUN_SECONDS, " s")]  # fmt: skip
    checks += [Check(f"`{what}`", found[what]["here"], "at most", limit, " s")
               for what, limit in LIMITS.items()]  # fmt: skip
    sides = list(found["run"])
    lines = ["| command | " + " | ".join(f"{side}, s" for side in sides) + " |",
             "|---|" + "---|" * len(sides)]  # fmt: skip
    lines += [f"| {what} | " + " | ".join(f"{found[what][side]:.2f}" for side in sides) + " |"
              for what in found]  # fmt: skip
    lines.append(f"| *of `run`:* learning and scoring | {work:.2f} |" + " |" * (len(sides) - 1))
    text = f"{opening(__doc__)}\n\nMedians of {ROUNDS}.\n\n" + "\n".join(lines)
    return Section("What a command costs", checks, text, raw={"seconds": seconds, "work": work})


@contextmanager
def _worktree(commit: str, place: Path) -> Iterator[Path]:
    git = ["git", "-C", str(REPOSITORY), "worktree"]
    subprocess.run([*git, "add", "--detach", str(place), commit], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run([*git, "remove", "--force", str(place)], check=True)


def _make_root(root: Path, code: Path, home: Path) -> Path:
    """Let a side make its own root, and files for every round."""
    from tests.stream import batch, write_jsonl

    program = (
        "import sys; from pathlib import Path; from tests.stream import *; "
        "root = Path(sys.argv[1]);"
        "make_root(root); add_exam(root, batch(root / 'exam.jsonl', 900, 200));"
        "[settle(root, batch(root / f'b{n}.jsonl', n)) for n in (1, 2)]"
    )
    command = [sys.executable, "-c", program, str(root)]
    subprocess.run(command, cwd=code, env=_environment(code, home), check=True, capture_output=True)
    for number in range(FIRST_FILE, FIRST_FILE + ROUNDS):
        batch(root / f"batch-{number}.jsonl", number)
        batch(root / f"exam-{number}.jsonl", 1000 + number, 60)
        write_jsonl(root / f"bad-{number}.jsonl", [{"text": f"good {number}", "label": "pos"}] * 3)
    return root


def _time(root: Path, code: Path, home: Path, words: list[str]) -> float:
    """Return the seconds of one command; it must end as it should."""
    words = [str(root / word) if word.endswith(".jsonl") else word for word in words]
    command = [sys.executable, "-m", "components.cli.main", "--root", str(root), *words]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=code, env=_environment(code, home), capture_output=True,
                          text=True)  # fmt: skip
    spent = time.perf_counter() - began
    wanted = int("bad-" in " ".join(words))
    assert done.returncode == wanted, f"{words}: {done.stdout}{done.stderr}"
    return spent


def _seconds_of_work(root: Path, home: Path) -> float:
    """Return what `work` finds, in a process of its own."""
    command = [sys.executable, "-m", "tests.speed.commands", str(root)]
    done = subprocess.run(command, cwd=REPOSITORY, env=_environment(REPOSITORY, home), check=True,
                          stdout=subprocess.PIPE)  # fmt: skip
    return float(done.stdout)


def _environment(code: Path, home: Path) -> dict[str, str]:
    ours = ("PREFECT_", "MLFLOW_", "RATCHET_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}


def work(root: Path) -> float:
    """Return the seconds of learning and scoring in one run, everything loaded before."""
    from tests.speed.overhead import COMPUTE, Stopwatch
    from tests.stream import batch, settle

    watch = Stopwatch()
    settle(root, batch(root / "first.jsonl", 4999))
    with ExitStack() as stack:
        for name, (module, function) in COMPUTE.items():
            timed: Any = watch.timed(name, getattr(import_module(module), function))
            stack.enter_context(mock.patch(f"{module}.{function}", timed))
        settle(root, batch(root / "last.jsonl", 5000))
    return sum(wall for wall, _ in watch.costs.values())


if __name__ == "__main__":
    print(work(Path(sys.argv[1])))
