"""Without a terminal a command says on stderr what it is at, in a line a phase."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from components.cli.main import cli
from tests.command import ratchet
from tests.server import Server
from tests.stream import batch

STEPS = [
    "reconcile",
    "validate",
    "store",
    "split",
    "pool",
    "train",
    "examine",
    "register",
    "settle",
]


def test_a_piped_run_says_its_steps_and_nothing_else(grown: Path, prefect_here: Server) -> None:
    ran = ratchet(grown, "run", batch(grown / "b3.jsonl", 3), "--task", "mood")
    assert ran.code == 0 and ran.out.startswith("promoted")
    assert ([*ran.phases], ran.err) == (STEPS, "")


@pytest.mark.parametrize("silent", ["--quiet", "--json"])
def test_whoever_wants_none_of_it_hears_none_of_it(
    grown: Path, prefect_here: Server, silent: str
) -> None:
    ran = ratchet(grown, "run", batch(grown / "b3.jsonl", 3), "--task", "mood", silent)
    assert (ran.code, ran.err, ran.phases) == (0, "", ())


def test_counted_work_outside_a_batch_is_a_phase(grown: Path) -> None:
    ran = ratchet(grown, "backup", grown.parent / "copy")
    assert (ran.code, ran.err, ran.phases) == (0, "", ("copying",))


def _commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, each in group.commands.items():
        yield " ".join([*above, name]), each
        if isinstance(each, click.Group):
            yield from _commands(each, *above, name)


def test_every_command_that_says_phases_can_be_told_not_to() -> None:
    """Fault: `label`, `predict` and `errors` said theirs, and knew no --quiet."""
    said = {
        name: each
        for name, each in _commands(cli)
        if each.callback and "progress_bar" in _names(inspect.unwrap(each.callback))
    }
    assert {"run", "label", "predict", "errors", "version diff", "export"} <= said.keys()
    own = {"worker", "demo", "bench"}  # they have words of their own, and no phases
    assert own <= said.keys()
    said = {name: each for name, each in said.items() if name not in own}
    deaf = [n for n, each in said.items() if not any("--quiet" in p.opts for p in each.params)]
    assert deaf == []


def _names(function: Callable[..., object]) -> set[str]:
    """Return what a command's function names, and the functions of its module that it calls."""
    own, module = {*function.__code__.co_names}, vars(inspect.getmodule(function))
    called = (module.get(name) for name in own)
    inner = (each for each in called if inspect.isfunction(each))
    return own.union(*(each.__code__.co_names for each in inner))
