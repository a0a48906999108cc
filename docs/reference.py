"""Write the pages of commands, events, methods and strategies, or check that they are up to date.

python docs/reference.py            write them
python docs/reference.py --check    end with 1 where one differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path

import click

from components.cli.main import cli
from components.ledger.events import KINDS, Payload
from components.model.adapters import METHODS
from components.settings import Settings
from components.settings.section import Section, sections_of
from components.training.strategies import STRATEGIES

HERE = Path(__file__).parent
COMMANDS = (
    "# The command line\n\nWritten by `make docs` from the command's own help; do not edit.\n"
)
EVENTS = """# The events of the ledger

Written by `make docs` from the classes in `components/ledger/events`; do not edit.

Every event has a number, a time, a kind, a payload, and the hash that chains it to the one
before. The payload is JSON: the fields below; `actor`, who caused the event (`pipeline`, or
`user@host` for a person's command; older events do not have it); and `schema`, if the
kind's schema is above 1. A field that is null by default is left out if it is null.

Readers are tables of the ledger (projections) or modules of `components`. In addition, `ratchet
audit verify` reads every event and checks every document and quarantine entry against its event.
An event that *opens* an intent stays in `open_intents` until one with the same `key` *closes* it.
Types are Python's; a `Mark` is a file's size and SHA-256, and for a stored file also its path and
MD5; a `Row` is an item's digest, its near-duplicate key and its task.
"""


METHODS_PAGE = """# Adapter methods

Written by `make docs` from `components/settings/adapter.py` and `components/model/adapters`; do not
edit. [bench-quick.md](bench-quick.md) has what each one reaches, costs and stores.

`adapter.method` names one. Below each are its settings with their defaults; those that a stored
adapter could not follow can't be changed under a champion. *Answering costs*: beside the base.
*Averages*: strategies that merge (`merge`, `task_vectors`) can use it. `adapter.method: auto` finds
method and size on the first batch, by successive halving within the limits that are set, and
records what it tried and why it chose (`ratchet status`).

Several versions answer beside each other in one process over the same weights of the base
(`components.model.answering.answerer`). Several stored adapters of `lora` or `ia3` become one, by
weighted sums, TIES or DARE:

```python
from components.model.adapters.composing import compose

both = compose(base.fork(placement), "lora", [one.adapter, other.adapter], [0.5, 0.5], how="ties")
```
"""
STRATEGIES_PAGE = """# Continual strategies

Written by `make docs` from `components/settings/strategy.py` and
`components/training/strategies`; do not edit. [bench-quick.md](bench-quick.md) has what each one
reaches, forgets and costs.

`strategy.method` names one. All work where batches bring new domains and where they bring new
labels. What a strategy knows of earlier batches lies in the version's bundle, so a rollback takes
it back as well. *Keeps*: what it keeps of the data.

After another strategy than the champion's, a lesson goes on from the champion's adapter. A head of
another kind, or drawn in another way (`features`, `size`, `layers`, `wavelength`), is learned from
the rows that the champion remembers, beside the batch's own. Where it remembers none, or answers in
another way (`experts`, `pool`), the change is refused.

`ratchet forget BATCH` takes a batch out of a head that is solved (`hybrid`, `analytic`,
`prototype`; [corrections.md](corrections.md)). Its weights are those of a stream without the batch,
up to rounding; how sure it is of its answers was measured on later batches while the batch was in,
so probabilities may differ a little.
"""


def settings_of(kind: type[Section]) -> str:
    """Return a section's settings with their defaults, on a line."""
    shown = [
        f"`{name}: {'null' if (value := kind.default_of(name)) is None else value}`"
        for name in kind.model_fields
        if name != "method"
    ]
    return ", ".join(shown) or "none"


def method(kind: type[Section]) -> str:
    """Return the section of one adapter method."""
    name = str(kind.default_of("method"))
    facts = []
    if name in METHODS:
        own = METHODS[name]
        averages = "yes" if own.vector else "no"
        facts = [f"Answering costs: {own.extra_cost}. Averages: {averages}.\n"]
    said = cleandoc(kind.__doc__ or "")
    return "\n".join([f"## {name}\n", f"{said}\n", *facts, f"Settings: {settings_of(kind)}.\n"])


def strategy(kind: type[Section]) -> str:
    """Return the section of one strategy."""
    name = str(kind.default_of("method"))
    said = cleandoc(kind.__doc__ or "")
    keeps = f"Keeps: {STRATEGIES[name].keeps}\n"
    return "\n".join([f"## {name}\n", f"{said}\n", keeps, f"Settings: {settings_of(kind)}.\n"])


def commands(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield one section a command, groups before what is in them."""
    level = "#" * (context.command_path.count(" ") + 2)
    yield f"{level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from commands(inner, click.Context(inner, context, name))


def event(kind: type[Payload]) -> str:
    """Return the section of one kind of event."""
    about = kind.about
    facts = [
        f"schema {about.schema}",
        "under the lease" if about.leased else "with or without the lease",
    ]
    facts += [f"{about.intent} an intent"] if about.intent else []
    readers = ", ".join(f"`{reader}`" for reader in about.read_by) or "people and the audit only"
    rows = [
        f"| `{each.name.removesuffix('_')}` | `{each.type}` |".replace(" | None", " or null")
        for each in fields(kind)
        if each.name != "more"
    ]
    return "\n".join(
        [
            f"## {about.name}\n",
            f"{cleandoc(kind.__doc__ or '')}\n",
            f"{'; '.join(facts).capitalize()}. Read by: {readers}.\n",
            "| field | type |\n|---|---|",
            *rows,
            "",
        ]
    )


def main(check: bool) -> int:
    """Write or compare; return the exit code."""
    width = {"terminal_width": 88, "max_content_width": 88}
    context = click.Context(cli, info_name="ratchet", **(cli.context_settings | width))
    pages = {
        "cli.md": [COMMANDS, *commands(cli, context)],
        "methods.md": [METHODS_PAGE, *map(method, sections_of(Settings, "adapter"))],
        "strategies.md": [STRATEGIES_PAGE, *map(strategy, sections_of(Settings, "strategy"))],
        "events.md": [EVENTS, *(event(KINDS[name]) for name in sorted(KINDS))],
    }
    differing = 0
    for name, sections in pages.items():
        page, text = HERE / name, "\n".join(sections)
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            print(f"docs/{name} differs from the code: run `make docs`.", file=sys.stderr)
            differing = 1
    return differing


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
