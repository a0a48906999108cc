"""Write docs/cli.md from the command line's own help, or check that it is up to date.

python docs/reference.py            write it
python docs/reference.py --check    end with 1 where it differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from components.cli.main import cli

TARGET = Path(__file__).with_name("cli.md")
TITLE = "# The command line\n\nWritten by `make docs` from the command's own help; do not edit.\n"


def sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield one section a command, groups before what is in them."""
    level = "#" * (context.command_path.count(" ") + 2)
    yield f"{level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from sections(inner, click.Context(inner, context, name))


def main(check: bool) -> int:
    """Write or compare; return the exit code."""
    context = click.Context(cli, info_name="ratchet", terminal_width=88, max_content_width=88)
    text = "\n".join([TITLE, *sections(cli, context)])
    if not check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print("docs/cli.md differs from the command's help: run `make docs`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
