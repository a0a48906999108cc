"""Pictures of what a person sees at the end of the tutorial: its pages and terminal screens."""

from __future__ import annotations

import io
import os
import pty
import shlex
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.browser.chromium import opened
from tests.command import ratchet

COLUMNS = 118
SCREENS = {"status": "status", "errors": "errors 4 --task support"}
VIEWS = {"": (1200, "light"), "-phone": (390, "light"), "-dark": (1200, "dark")}


def take(root: Path, into: Path) -> None:
    """Write a PNG of each page of `VIEWS` and each command of `SCREENS` into a folder."""
    page = ratchet(root, "version", "explain", "4", "--json").facts["report"]
    pages = {"report": Path(page), "index": root / "mlruns" / "reports" / "index.html"}
    with opened() as browser:
        for name, page in pages.items():
            for suffix, (width, scheme) in VIEWS.items():
                viewport = {"width": width, "height": 800}
                context = browser.new_context(viewport=viewport, color_scheme=scheme)
                shown = context.new_page()
                shown.goto(page.as_uri())
                shown.screenshot(path=str(into / f"{name}{suffix}.png"), full_page=True)
                context.close()
        shown = browser.new_context(viewport={"width": 1400, "height": 200}).new_page()
        for name, words in SCREENS.items():
            shown.set_content(_screen(root, words))
            shown.locator("pre").screenshot(path=str(into / f"{name}.png"))


def _screen(root: Path, words: str) -> str:
    """Return what a command prints in a terminal, as HTML."""
    said = bytearray()

    def keep(terminal: int) -> bytes:
        read = os.read(terminal, 65536)
        said.extend(read)
        return read

    os.environ["COLUMNS"] = str(COLUMNS)
    command = f"python -m components.cli.main --root {shlex.quote(str(root))} {words} 2> /dev/null"
    pty.spawn(["bash", "-c", command], keep)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(f"[bold]$ ratchet {words}[/]")
    shown = said.decode("utf-8").replace("\r", "").replace(str(root), "~/ratchet/tutorial/desk")
    console.print(Text.from_ansi(shown))
    return console.export_html(inline_styles=True)
