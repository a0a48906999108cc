"""A changed byte anywhere, and copies from earlier that come back.

Concept: a damage is of one kind of file, drawn among the kinds and not among the files, so
that a root full of plots does not hide its ledger. `audit verify` must tell it, or its deep
form where there is one; then the byte is put back. What nobody promises is listed with why.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.reader import lost
from tests.faults.simulation import CORRUPT, Done

if TYPE_CHECKING:
    from tests.faults.simulation import Simulation

NOT_PROMISED = {
    r"data/incoming/": "did not arrive yet",
    r"data/unknown/": "lies aside for a person",
    r"mlruns/activations/": "a cache",
    r"mlruns/reports/": "reports for reading; the runs in MLflow have their own copies",
    r"base/(?!config\.json|tokenizer\.json|.*\.safetensors)": "beside the weights; said unasked",
    r"\.dvc/(tmp/|\.gitignore|config)": "DVC's own scratch",
    r"data/[a-z]+\.dvc$": "a hint that DVC's users read; written again with the next batch",
    r".*\.lock$": "empty",
    r"\.dvcignore$": "DVC's own",
    r"params\.yaml$": "settings are for people to change",
    r"mlruns/(arriving|scores\.db-.*)$": "a mark",
    r".*\.dir$": "DVC's listing, a hint",
}
UNCHECKED_TABLES = ("leases", "alembic_version", "sqlite_sequence", "open_intents")
WAITS_FOR_A_PERSON = 3
HEX = re.compile(r"[0-9a-f]{12,}")


def damage(sim: Simulation, rng: random.Random) -> Done:
    """Change one byte; `audit verify` must tell. Then put it back."""
    victim = _victim(sim.root, rng)
    if victim is None or sim.command("audit", "verify").code != 0:
        return Done()
    kind, path = victim
    before, times = path.read_bytes(), path.stat()
    content = _content(path)
    at = rng.randrange(len(before))
    flipped = bytes([before[at] ^ rng.randint(1, 255)])
    _overwrite(path, at, flipped, times)
    untold = []
    if content is None or _content(path) != content:
        if _is_told(sim):
            sim.counts.told[kind] += 1
        else:
            untold.append(f"untold: a byte of {kind}")
    _overwrite(path, at, before[at : at + 1], times)
    return Done(untold=untold)


def keep_copy(sim: Simulation, rng: random.Random) -> Done:
    """Copy the whole root, as a backup would while nothing runs."""
    target = sim.folder / "copy"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(sim.root, target, symlinks=True, ignore=_pipes)
    sim.saved = sim.book.copy()
    return Done()


def older(sim: Simulation, rng: random.Random) -> Done:
    """Bring an older copy back: of the ledger, of MLflow's database, or of everything."""
    if sim.saved is None or not (sim.folder / "copy" / "mlruns" / "mlflow.db").exists():
        return Done()
    what = rng.choice(["ledger", "accepted ledger", "registry", "no registry", "root"])
    if what.endswith("ledger"):
        return _older_ledger(sim, accept=what != "ledger")
    if what == "root":
        return _older_root(sim)
    return _older_registry(sim, gone=what == "no registry")


def _older_ledger(sim: Simulation, accept: bool) -> Done:
    """The ledger is an older one: reconcile asks a person, and nothing is lost either way."""
    name = "mlruns/ratchet.db"
    ledger, copy = sim.root / name, sim.folder / "copy" / name
    last = sim.reader().last_event()
    newest = sim.folder / "newest.db"
    shutil.copy2(ledger, newest)
    shutil.copy2(copy, ledger)
    if sim.reader().last_event() == last:
        return Done()
    sim.counts.struck["older ledger"] += 1
    ended = sim.command("reconcile")
    wrong = list(lost(sim.reader(), sim.book))
    if ended.code != WAITS_FOR_A_PERSON:
        wrong.append(f"older: reconcile of an older ledger ends with {ended.code}: {ended.last}")
    if wrong:
        return Done(wrong=wrong)
    if accept:
        wrong += _in_order(sim, "that was accepted", "--accept-ledger")
        return Done([] if wrong else [sim.command("status")], wrong=wrong)
    shutil.copy2(newest, ledger)
    return Done(wrong=_in_order(sim, "with its own ledger back"))


def _older_registry(sim: Simulation, gone: bool) -> Done:
    """MLflow's database is an older one or gone: reconcile brings back what the ledger knows."""
    name = "mlruns/mlflow.db"
    if gone:
        (sim.root / name).unlink(missing_ok=True)
    else:
        shutil.copy2(sim.folder / "copy" / name, sim.root / name)
    what = "no registry" if gone else "older registry"
    sim.counts.struck[what] += 1
    wrong = _in_order(sim, f"with {what}")
    return Done([] if wrong else [sim.command("status")], wrong=wrong)


def _older_root(sim: Simulation) -> Done:
    """Everything is an older copy: all laws hold for what had arrived by then."""
    for writer in list(sim.writers):
        writer.has_ended(wait=True)
    sim.writers.clear()
    shutil.rmtree(sim.root)
    shutil.copytree(sim.folder / "copy", sim.root, symlinks=True)
    assert sim.saved is not None  # `older` has looked
    sim.book = sim.saved.copy()
    sim.counts.struck["older root"] += 1
    wrong = _in_order(sim, "with an older root")
    return Done([] if wrong else [sim.command("status")], wrong=wrong)


def _in_order(sim: Simulation, when: str, *words: str) -> list[str]:
    ended = sim.command("reconcile", *words)
    if ended.code == 0:
        return []
    return [f"older: reconcile {when} ends with {ended.code}: {ended.said[:300]}"]


def _is_told(sim: Simulation) -> bool:
    """Ask the default form, then the deep one where there is one."""
    for words in (("audit", "verify"), ("audit", "verify", "--deep")):
        code = sim.command(*words).code
        if code in (CORRUPT, WAITS_FOR_A_PERSON):
            return True
    return False


def _victim(root: Path, rng: random.Random) -> tuple[str, Path] | None:
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or path.is_symlink() or not path.stat().st_size:
            continue
        if not any(re.match(pattern, name) for pattern in NOT_PROMISED):
            kinds[kind_of(name)].append(path)
    if not kinds:
        return None
    kind = rng.choice(sorted(kinds))
    return kind, rng.choice(kinds[kind])


def kind_of(name: str) -> str:
    """Return a file's name with digests and numbers left out: "data/batches/*/*/raw.jsonl"."""
    parts = [
        "*" if HEX.search(part) or (len(part) == 2 and part.isalnum()) else part
        for part in name.split("/")
    ]
    return "/".join(parts)


def _content(path: Path) -> list[str] | None:
    """Return what a database says, free space and leases aside; None for any other file."""
    if path.suffix != ".db":
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as found:
            lines = list(found.iterdump())
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return [str(error)]
    skipped = tuple(f'INSERT INTO "{table}"' for table in UNCHECKED_TABLES)
    return [line for line in lines if not line.startswith(skipped)]


def _overwrite(path: Path, at: int, data: bytes, times: os.stat_result) -> None:
    mode = times.st_mode & 0o777
    path.chmod(mode | 0o200)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    path.chmod(mode)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _pipes(folder: str, names: list[str]) -> list[str]:
    import stat

    return [n for n in names if stat.S_ISFIFO(os.lstat(os.path.join(folder, n)).st_mode)]
