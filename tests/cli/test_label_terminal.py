"""A person's half hour in `ratchet label`, in a real terminal, without the pauses."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from components.ledger import views
from components.workspace.root import open_workspace
from tests.pools import truth
from tests.server import Server
from tests.terminal import TMUX, Terminal, terminal

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")


def question(screen: str) -> tuple[str, list[str]]:
    """Return the text and the choices of the last question on a screen."""
    shown = screen.split("\n  | ")[-1]
    text = re.sub(r"\n  \| ", " ", shown.partition("\n\n")[0])
    return text, re.findall(r"^  \d (.+)$", shown, re.MULTILINE)


def right_key(screen: str) -> str:
    text, choices = question(screen)
    return str(choices.index(truth(text)) + 1)


def ready(window: Terminal, done: int) -> str:
    """Wait for the question that follows so many answers."""
    return window.wait(f"answered {done}, up to ")


def keep(name: str, screen: str) -> None:
    """Keep a screen for the docs, where `KEEP_SCREENS` names a folder."""
    if folder := os.environ.get("KEEP_SCREENS"):
        Path(folder, f"{name}.txt").write_text(screen + "\n", encoding="utf-8")


def answers(root: Path) -> int:
    found = views.answers(open_workspace(root).ledger, "mood")
    return sum(map(len, found.values()))


def test_a_sitting_with_a_mistake_two_stops_and_a_kill_ends_with_a_promotion(
    waiting: Path, prefect_server: Server
) -> None:
    with terminal(waiting) as window:
        for name in ("PREFECT_HOME", "PREFECT_API_URL"):
            window.type(f"export {name}={prefect_server.environment[name]}; clear")
            window.keys("Enter")
        window.type("ratchet label")
        window.keys("Enter")
        keep("first", ready(window, 0))
        for done in range(3):
            window.keys(right_key(ready(window, done)))

        # A wrong answer is taken back: the same question comes again.
        before = question(ready(window, 3))
        window.keys("2" if right_key(ready(window, 3)) == "1" else "1")
        ready(window, 4)
        window.keys("u")
        shown = window.wait("> took the last answer back\n\nmood   answered 3")
        assert question(shown) == before
        keep("undo", shown)

        # A label is typed by its beginning: with a mistake, corrected, then completed.
        label = truth(before[0])
        window.keys("o")
        window.wait("> label:")
        window.type("xy")
        window.wait("(no such label)")
        window.keys("BSpace", "BSpace")
        window.type(label[:2].upper())
        window.wait(f"({label})")
        keep("other", window.screen())
        window.keys("Tab", "Enter")
        window.wait(f"> {label}\n\nmood   answered 4")
        assert answers(waiting) == 4

        # Stopped in three ways, and resumed.
        window.keys("q")
        window.wait("Stopped: 4 answers in this sitting")
        for end, times in (("C-c", 2), ("kill", 2)):
            window.type("clear; ratchet label")
            window.keys("Enter")
            have = answers(waiting)
            for done in range(have, have + times):
                window.keys(right_key(ready(window, done)))
            ready(window, have + times)
            if end == "kill":
                window.kill()
                window.wait("Killed")
            else:
                window.keys(end)
                window.wait("Stopped. Run the same command again to continue.")
            assert answers(waiting) == have + times
        window.type("stty sane; clear; echo so")  # a shell of today does this by itself
        window.keys("Enter")

        window.type("clear; ratchet label")
        window.keys("Enter")
        done, shown = answers(waiting), ready(window, answers(waiting))
        while "That is enough" not in shown:
            window.keys(right_key(shown))
            done += 1
            shown = window.wait(f"answered {done}, up to ", "That is enough")
        assert done >= 15, "about 20 questions; the order is drawn"
        window.keys("Enter")
        keep("last", window.wait("next: ratchet version explain 3"))
    ws = open_workspace(waiting)
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.version == 3
    assert answers(waiting) == done, "nothing was lost"


def test_the_terminal_is_left_as_it_was(waiting: Path) -> None:
    with terminal(waiting) as window:
        window.type('was="$(stty -g)"; ratchet label; [ "$was" = "$(stty -g)" ] && echo same')
        window.keys("Enter")
        ready(window, 0)
        window.keys("o", "Escape")
        window.keys("Up")
        window.wait("is no answer")
        window.keys("C-d")
        window.wait("Stopped: 0 answers")
        window.wait("\nsame")
