"""What data sends to the terminal: nothing but visible characters."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from components.cli import output
from components.cli.output import Styled, echo
from components.ledger import views
from components.shown_text import plain
from components.workspace.root import open_workspace
from tests.command import Ran, ratchet
from tests.stream import rows, settle, write_jsonl

HOSTILE = "\x1b[2J\x1b]0;title\x07\x9b31m\r\u202etxt\x7f\u2066"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
ROOM = Path(output.__file__).parent


def assert_tame(ran: Ran) -> None:
    assert CONTROL.findall(ran.out + ran.err) == []
    assert "Traceback" not in ran.err


@pytest.fixture
def hostile(grown: Path) -> Path:
    """A root with a batch whose file, task, label and texts want the terminal."""
    made = [{**row, "text": f"{row['text']} {HOSTILE}"} for row in rows(3)]
    made += [{"text": f"fine {HOSTILE}", "label": f"pos{HOSTILE}"}] * 3
    made += [{"text": "", "label": "pos"}, {"text": f"x{HOSTILE}", "label": ""}]
    file = write_jsonl(grown / f"b\n{HOSTILE}.jsonl", made)
    settle(grown, file, "mood")
    refused = grown / f"broken{HOSTILE}.jsonl"
    refused.write_text(f"no json {HOSTILE}\n")
    settle(grown, refused, "mood")
    return grown


def test_no_command_passes_on_control_characters(hostile: Path) -> None:
    ledger = open_workspace(hostile).ledger
    batches = [arrival.batch for arrival in views.arrivals(ledger)]
    commands: list[list[str]] = [
        ["status"], ["history"], ["version", "list"], ["quarantine", "list"], ["holdout", "list"],
        ["gate", "plan"], ["predict", "--proba", f"good {HOSTILE}"],
        *(["version", "explain", str(version.version)] for version in views.versions(ledger)),
        *(["quarantine", "show", batch] for batch in batches[2:]),
        ["run", str(hostile / f"b\n{HOSTILE}.jsonl")],
        # errors
        ["run", f"absent{HOSTILE}"], ["run", f"x{HOSTILE}", f"y{HOSTILE}"], [f"--{HOSTILE}"],
        ["version", "explain", f"1{HOSTILE}"], [f"walk{HOSTILE}"],
        ["quarantine", "show", HOSTILE], ["quarantine", "release", HOSTILE],
        ["holdout", "add", str(hostile / f"broken{HOSTILE}.jsonl"), "--task", f"m{HOSTILE}"],
        ["rollback", "--to", "1", "--reason", HOSTILE],
        ["status"], ["history"],
    ]  # fmt: skip
    shown = [ratchet(hostile, *words) for words in commands]
    for ran in shown:
        assert_tame(ran)
    everything = "".join(ran.out + ran.err for ran in shown)
    assert r"\x1b" in everything and r"\u202e" in everything
    elsewhere = ratchet(hostile / f"no{HOSTILE}", "status")
    assert elsewhere.code == 2
    assert_tame(elsewhere)


def test_json_is_printable_ascii(hostile: Path) -> None:
    for words in (["status"], ["quarantine", "list"], ["predict", HOSTILE]):
        ran = ratchet(hostile, *words, "--json")
        assert ran.facts and re.fullmatch(r"[ -~\n]+", ran.out)


def test_a_value_cannot_fake_a_line_of_its_own(hostile: Path) -> None:
    listed = ratchet(hostile, "quarantine", "list").out.splitlines()
    assert all(line[0] in "┏┃┡│└" for line in listed)
    name = "b\npromoted batch 123456.jsonl"
    file = write_jsonl(hostile / name, rows(7, 5))
    settle(hostile, file, "mood")
    said = ratchet(hostile, "quarantine", "show", _last(hostile)).out
    assert not [line for line in said.split("\n") if line.startswith("promoted")]
    assert r"b\npromoted" in said


def test_our_own_colours_survive_and_those_of_data_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click.utils, "should_strip_ansi", lambda *_: False)
    echo((Styled("held\x1b", "yellow"), "\tx\x1b[31m"), "next")
    assert (
        capsys.readouterr().out
        == f"{click.style('held', fg='yellow', bold=True)}".replace("held", r"held\x1b")
        + "\tx\\x1b[31m\nnext\n"
    )


@pytest.mark.parametrize("char", [*map(chr, range(32)), "\x7f", "\x85", "\x9b", "\u2028", "\ud800"])
def test_every_control_character_is_made_visible(char: str) -> None:
    assert plain(f"a{char}b").isprintable() and len(plain(f"a{char}b")) > 3


def test_what_people_write_stays_as_it_is() -> None:
    text = "Grüße, עברית, 日本, 👩\u200d🔬, a\u200bb \\x1b"
    assert plain(text) == text


def test_nothing_in_the_room_prints_but_the_one_module_that_cleans() -> None:
    found = []
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            if name in PRINTERS and path.name != "output.py":
                found.append(f"{path.name}:{node.lineno}: {name}")
    assert found == []


PRINTERS = {
    "click.echo", "click.secho", "click.style", "click.echo_via_pager", "click.prompt",
    "click.confirm", "print", "sys.stdout.write", "sys.stderr.write", "rich.print", "Console",
}  # fmt: skip


def _last(root: Path) -> str:
    return views.arrivals(open_workspace(root).ledger)[-1].batch
