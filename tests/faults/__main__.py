"""`make bench-faults`: let random things happen to a root, and read the laws after each.

python -m tests.faults --seeds 1-8 --minutes 30      writes docs/faults.md
python -m tests.faults --seed 3 --operations 200     one run, to its first broken law
python -m tests.faults --seed 3 --replay LOG         the same again, kills at the same points
python -m tests.faults --bugs                        each planted bug under its recorded seed
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.isolation import ISOLATED, quiet

LEFT_OUT = "operations, faults, kinds of files and laws to leave out, by commas"


def isolate(home: Path) -> None:
    """Give this process a home of its own and no say of the user's settings, before imports."""
    for name in list(os.environ):
        if name.startswith(ISOLATED):
            del os.environ[name]
    os.environ |= quiet(home)


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="a run of its own; repeatable")
    parser.add_argument("--seeds", help="several runs, 1-8; their figures become docs/faults.md")
    parser.add_argument("--minutes", type=float, help="in all, shared by the runs")
    parser.add_argument("--operations", type=int, help="for each run")
    parser.add_argument("--side-by-side", type=int, default=2, help="runs at a time")
    parser.add_argument(
        "--without",
        default="",
        help=LEFT_OUT,
    )
    parser.add_argument("--bug", help="plant a bug first")
    parser.add_argument("--bugs", action="store_true", help="prove that planted bugs are found")
    parser.add_argument("--replay", type=Path, help="log.jsonl of the run to repeat")
    parser.add_argument("--folder", type=Path, help="where roots and logs are kept")
    found = parser.parse_args(words)
    if found.minutes is None and found.operations is None:
        found.operations = 200
    return found


def main(words: list[str]) -> int:
    """Run what is asked for; return 1 where a law was broken."""
    asked = arguments(words)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="ratchet-faults-"))
    (folder / "home").mkdir(parents=True, exist_ok=True)
    isolate(folder / "home")
    from tests.faults import bugs, page, runs

    if asked.bugs:
        proofs = bugs.prove_all(folder, asked.side_by_side)
        page.keep("bugs", proofs)
        print(json.dumps(proofs, indent=1))
        return page.write() if all(proof["found_as_recorded"] for proof in proofs) else 1
    first, _, last = (asked.seeds or "").partition("-")
    seeds = list(range(int(first), int(last or first) + 1)) if first else asked.seed or [1]
    plan = runs.Plan(
        folder=folder,
        seconds=asked.minutes * 60 / len(seeds) if asked.minutes else None,
        operations=asked.operations,
        without=frozenset(filter(None, asked.without.split(","))),
        bug=asked.bug,
        replay=asked.replay,
    )
    found = runs.run_all([(plan, seed) for seed in seeds], folder, asked.side_by_side)
    if asked.seeds and not asked.bug:
        page.keep("runs", found)
        page.write()
    return int(any(run["wrong"] or run["untold"] for run in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
