"""What can happen to a root: one function an operation, in one table.

Each takes the simulation and the operation's own random numbers, does its part and says what
became of it. What needs a command that this Ratchet has not is left out.
"""

from __future__ import annotations

import math
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.command import finish, start
from tests.faults.arrivals import grown_lines, jsonl
from tests.faults.damages import damage, keep_copy, older
from tests.faults.points import Fault
from tests.faults.simulation import CORRUPT, SETTINGS, Done, Simulation, age_file
from tests.faults.writers import WAYS, Writer
from tests.faults.zygote import Ended

Operation = Callable[[Simulation, random.Random], Done]

HEAVY_POINTS, LIGHT_POINTS = 500, 40
"""About how many points a command passes that trains, and one that does not."""

UNTIL_GONE = 34
"""About how many points pass from the first look at a file until it leaves data/incoming."""

MAX_SECONDS = 3.0
DAY = 86400.0
FAULTS = {
    "none": 12,
    "kill": 8,
    "terminate": 3,
    "full": 2,
    "limit": 1,
    "unwritable": 2,
    "unreadable": 2,
    "clock": 1,
}


def some_fault(
    sim: Simulation, rng: random.Random, points: int = LIGHT_POINTS, harm: bool = True
) -> Fault:
    """Draw a fault for a command that passes up to `points` points."""
    weights = {name: weight for name, weight in FAULTS.items() if name not in sim.without}
    kind = rng.choices(list(weights), list(weights.values()))[0] if harm else "none"
    at = int(math.exp(rng.uniform(0, math.log(points))))
    if kind in ("kill", "terminate") and rng.random() < 1 / 3:
        return Fault(kind, seconds=rng.uniform(0.01, MAX_SECONDS if points > 100 else 0.2))
    if kind == "limit":
        return Fault(kind, size=int(math.exp(rng.uniform(math.log(1000), math.log(10**6)))))
    if kind == "clock":
        shift = rng.choice([-400 * DAY, -DAY, -3600, -60, 60, 3600, DAY, 400 * DAY])
        return Fault() if sim.writers else Fault(kind, seconds=shift)
    return Fault() if kind == "none" else Fault(kind, at=at)


def drop(sim: Simulation, rng: random.Random) -> Done:
    """Drop one to three files."""
    make = sim.maker(rng)
    for _ in range(rng.randint(1, 3)):
        sim.write_down(sim.drop(make.any(sim.dropped)))
    return Done()


def drop_what_is_no_file(sim: Simulation, rng: random.Random) -> Done:
    """Drop a link, a pipe, a folder that is called like a file, or a hidden file."""
    make = sim.maker(rng)
    incoming = sim.root / "data" / "incoming" / "mood"
    incoming.mkdir(parents=True, exist_ok=True)
    place = incoming / f"odd{sim.number}.jsonl"
    kind = rng.choice(["link", "pipe", "folder", "hidden"])
    if kind == "link":
        target = sim.drop(make.file("linked", jsonl(make.rows())), sim.outside)
        place.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
        sim.write_down(sim.drop(make.file("sound", jsonl(make.rows())), place))
    else:
        hidden = make.file("hidden", jsonl(make.rows()), name=f".hidden{sim.number}.jsonl")
        sim.write_down(sim.drop(hidden, incoming))
    return Done()


def write_slowly(sim: Simulation, rng: random.Random) -> Done:
    """Let a program write a file while the next operations go on."""
    make = sim.maker(rng)
    arrival = make.file("slow", jsonl(make.rows()))
    path = sim.root / "data" / "incoming" / arrival.folder / arrival.name
    sim.writers.append(Writer(path, arrival.data, rng.choice(WAYS), rng))
    return Done()


def intake(sim: Simulation, rng: random.Random) -> Done:
    """Take in what lies there and run it."""
    return _draining(sim, rng, "intake")


def worker(sim: Simulation, rng: random.Random) -> Done:
    """Let a worker run until the inbox is empty."""
    return _draining(sim, rng, "worker", "--idle-exit", "0")


def _draining(sim: Simulation, rng: random.Random, *words: str) -> Done:
    return _drained(sim.command(*words, fault=some_fault(sim, rng, HEAVY_POINTS)))


def growing_file(sim: Simulation, rng: random.Random) -> Done:
    """Add rows to a file at the very moment at which it is taken."""
    make = sim.maker(rng)
    arrival = make.file("growing", jsonl(make.rows()))
    path = sim.drop(arrival)
    _be_first(sim.root, path)
    sim.write_down(path)
    lines = grown_lines(make, path.suffix)
    fault = Fault("grow", at=rng.randint(1, UNTIL_GONE), lines=lines)
    ended = sim.command(*rng.choice([("intake",), ("worker", "--idle-exit", "0")]), fault=fault)
    if ended.struck:
        sim.book.add(path.name, lines.encode())
    return _drained(ended)


def _drained(ended: Ended) -> Done:
    """Return what an intake came to: undisturbed it ends with 0, whatever has arrived."""
    wrong = []
    if not ended.interrupted and ended.code not in (0, CORRUPT):  # corrupt is told anyway
        wrong.append(f"stuck: {ended.words[0]} ends with {ended.code}: {ended.last}")
    return Done([ended], drained=True, wrong=wrong)


def _be_first(root: Path, path: Path) -> None:
    """Make a file the oldest of those that wait, so that it is taken first."""
    age_file(path)
    times = path.stat().st_mtime - 3600
    os.utime(path, (times, times))


def run(sim: Simulation, rng: random.Random) -> Done:
    """Name a file to `ratchet run`; it counts as arrived once the ledger says so."""
    make = sim.maker(rng)
    path = sim.drop(make.any(sim.dropped), sim.outside)
    fault = some_fault(sim, rng, HEAVY_POINTS)
    ended = sim.command("run", str(path), "--task", "mood", fault=fault)
    shown = path.name.encode("utf-8", "backslashreplace").decode()
    if shown in {each.payload["source"] for each in sim.reader().of("batch.arrived")}:
        sim.write_down(path)
    return Done([ended])


def watch(sim: Simulation, rng: random.Random) -> Done:
    """Look at the champion again."""
    return Done([sim.command("watch", fault=some_fault(sim, rng))])


def rollback(sim: Simulation, rng: random.Random) -> Done:
    """Go back by hand."""
    fault = some_fault(sim, rng)
    return Done([sim.command("rollback", "--reason", "by hand", fault=fault)])


def holdout_add(sim: Simulation, rng: random.Random) -> Done:
    """Bring an exam; the file stays with its owner."""
    make = sim.maker(rng)
    path = sim.drop(make.file("exam", jsonl(make.rows(120))), sim.outside)
    fill = ["--fill"] if rng.random() < 0.5 else []
    task = rng.choice(["mood", "mood", "other"])
    fault = some_fault(sim, rng)
    words = ("holdout", "add", str(path), "--task", task, *fill)
    return Done([sim.command(*words, fault=fault)])


def release(sim: Simulation, rng: random.Random) -> Done:
    """Let a quarantined batch, or what is left of one, try again."""
    entries = sorted((sim.root / "data" / "quarantine").glob("*/about.json"))
    if not entries:
        return Done()
    batch = rng.choice(entries).parent.name
    fault = some_fault(sim, rng)
    return Done([sim.command("quarantine", "release", batch[:20], fault=fault)])


def reconcile(sim: Simulation, rng: random.Random) -> Done:
    """Put right what is wrong, sometimes interrupted itself."""
    words = ["reconcile", *(["--rebuild"] if rng.random() < 0.3 else [])]
    return Done([sim.command(*words, fault=some_fault(sim, rng))])


def look(sim: Simulation, rng: random.Random) -> Done:
    """Run a command that only reads."""
    words = rng.choice([("status",), ("audit", "verify"), ("history",), ("quarantine", "list")])
    return Done([sim.command(*words, fault=some_fault(sim, rng))])


def settings(sim: Simulation, rng: random.Random) -> Done:
    """Edit params.yaml (margins, limits of the contract, the cache), and let that be recorded."""
    found = yaml.safe_load(SETTINGS)
    margin = rng.choice([1, 3, 10])
    found["gate"] = {"margin_points": margin, "anchor_margin_points": 2 * margin}
    found["gate"]["approval"] = rng.choice(["auto", "auto", "auto", "always"])
    found["data"]["min_rows"] = rng.choice([10, 10, 30])
    found["data"]["max_bad_share"] = rng.choice([0.05, 0.2, 0.9])
    found["cache"] = {"max_megabytes": rng.choice([0, 1, 2000])}
    (sim.root / "params.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")
    return Done([sim.command("reconcile")])


def drop_caches(sim: Simulation, rng: random.Random) -> Done:
    """Remove what can be made again."""
    name = rng.choice(["mlruns/activations", "mlruns/scores.db", ".dvc/tmp", "mlruns/reports"])
    path = sim.root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return Done()


def two_at_once(sim: Simulation, rng: random.Random) -> Done:
    """Run two commands side by side; one of them may be struck."""
    make = sim.maker(rng)
    sim.write_down(sim.drop(make.any(sim.dropped)))
    exam = sim.drop(make.file("exam", jsonl(make.rows(60))), sim.outside)
    others = [
        ("intake",),
        ("worker", "--idle-exit", "0"),
        ("reconcile",),
        ("watch",),
        ("audit", "verify"),
        ("rollback", "--reason", "by hand"),
        ("holdout", "add", str(exam), "--task", "mood"),
    ]
    fault = some_fault(sim, rng, HEAVY_POINTS, harm=rng.random() < 0.5)
    first = sim.start("intake", fault=fault)
    second = sim.start(*rng.choice(others))
    return Done([sim.end(first, fault), sim.end(second)])


def fresh_process(sim: Simulation, rng: random.Random) -> Done:
    """Run the command as people do: its own process, its own imports, a real Prefect server."""
    make = sim.maker(rng)
    sim.write_down(sim.drop(make.any(sim.dropped)))
    sim.counts.commands += 1
    ran = finish(start(sim.root, "intake", **sim.server))
    return _drained(Ended(("intake",), ran.code, ran.out + ran.err))


OPERATIONS: dict[str, tuple[float, Operation]] = {
    "drop": (9, drop),
    "drop what is not a file": (1, drop_what_is_no_file),
    "write slowly": (3, write_slowly),
    "intake": (9, intake),
    "worker": (2, worker),
    "growing file": (2, growing_file),
    "run": (3, run),
    "watch": (2, watch),
    "rollback": (1.5, rollback),
    "holdout add": (2, holdout_add),
    "release": (3, release),
    "reconcile": (2, reconcile),
    "look": (3, look),
    "settings": (1.5, settings),
    "drop caches": (1, drop_caches),
    "two at once": (3, two_at_once),
    "damage": (4, damage),
    "keep a copy": (1.5, keep_copy),
    "older copy": (1.5, older),
    "fresh process": (0.3, fresh_process),
}
"""Name -> (weight, operation)."""


def choose(seed: int, number: int, without: frozenset[str]) -> tuple[str, Operation]:
    """Return what operation `number` of a seed is."""
    rng = random.Random(f"{seed}:{number}:what")
    names = [name for name in OPERATIONS if name not in without]
    name = rng.choices(names, [OPERATIONS[each][0] for each in names])[0]
    return name, OPERATIONS[name][1]
