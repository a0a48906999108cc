"""Each bad batch through the real command: one clear answer, nothing half done, and on it goes."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.ledger import views
from components.ledger.verify import verify
from components.workspace.root import open_workspace
from tests.command import Ran, assert_one_paragraph, ratchet
from tests.server import Server
from tests.stream import PARAMS, batch, copied, make_root, rows, write_jsonl

CLOSED = PARAMS.replace("min_rows: 10", "min_rows: 10, labels: [pos, neg]")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def latin_1(path: Path) -> None:
    path.write_bytes('{"text": "good café", "label": "pos"}\n'.encode("latin-1"))


def wrong_columns(path: Path) -> None:
    write_jsonl(path, [{"sentence": row["text"], "mood": row["label"]} for row in rows(3)])


def unknown_label(path: Path) -> None:
    write_jsonl(path, [{**row, "label": "meh"} for row in rows(3)])


def one_class(path: Path) -> None:
    write_jsonl(path, [row for row in rows(3) if row["label"] == "pos"])


def long_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'", "label": "pos"}\n')


def a_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(rows(3)))


def junk(path: Path) -> None:
    path.write_text("{not json}\n" * 40)


def broken_mostly(path: Path) -> None:
    broken = [{"text": "\udcff lone", "label": "pos"}, {"text": None, "label": "\ud800"}] * 40
    path.write_text("".join(json.dumps(row) + "\n" for row in broken + rows(3, 20)))


def unknown_suffix(path: Path) -> None:
    batch(path, 3)
    path.rename(path.with_suffix(".txt"))


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (empty, "is empty"),
    "latin-1": (latin_1, "line 1 is not UTF-8: byte 0xe9"),
    "columns": (wrong_columns, "no column 'text', 'label'; it has 'sentence', 'mood'"),
    "unknown": (unknown_label, "unknown label 'meh'"),
    "one class": (one_class, "labels of all usable rows: 'pos'"),
    "long line": (long_line, "line 1 is longer than 1,000,000 bytes"),
    "pickle": (a_pickle, "is a pickle"),
    "junk": (junk, "not JSON"),
    "broken": (broken_mostly, "rows are broken"),
}


@dataclass
class Trial:
    """One bad batch: what the command said, then what it said in JSON, asked again."""

    ran: Ran
    again: Ran


@pytest.fixture(scope="module")
def tried(
    grown_once: Path, tmp_path_factory: pytest.TempPathFactory, prefect_server: Server
) -> tuple[Path, dict[str, Trial]]:
    """Every bad batch after the other on one root."""
    root = copied(grown_once, tmp_path_factory.mktemp("bad") / "root")
    (root / "params.yaml").write_text(CLOSED)
    trials = {}
    with prefect_server.here():
        for name, (make, _) in REFUSED.items():
            file = root / f"{name}.jsonl"
            make(file)
            ran = ratchet(root, "run", file, "--task", "mood")
            trials[name] = Trial(ran, ratchet(root, "run", file, "--task", "mood", "--json"))
            file.unlink()
    return root, trials


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_batch_is_refused_in_words_with_code_1(
    tried: tuple[Path, dict[str, Trial]], name: str
) -> None:
    ran = tried[1][name].ran
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("refused batch ") and REFUSED[name][1] in ran.out
    assert "next: ratchet quarantine show" in ran.out
    assert len(ran.out.splitlines()) == 3 and "Traceback" not in ran.out


@pytest.mark.parametrize("name", REFUSED)
def test_brought_again_it_ends_with_the_same_code_and_runs_nothing(
    tried: tuple[Path, dict[str, Trial]], name: str
) -> None:
    again = tried[1][name].again
    assert (again.code, again.err) == (1, "")
    assert again.facts["action"] == "refused" and again.facts["seen_before"]
    assert again.facts["version"] is None and again.facts["report"] is None


def test_afterwards_all_is_in_quarantine_and_nothing_is_half_done(
    tried: tuple[Path, dict[str, Trial]],
) -> None:
    root, _ = tried
    ws = open_workspace(root)
    verify(ws.ledger)
    assert len(views.versions(ws.ledger)) == len(ws.registry.versions()) == 2
    assert not views.waiting(ws.ledger) and not views.open_keys(ws.ledger)
    assert not list(root.rglob("*.part"))
    listed = ratchet(root, "quarantine", "list", "--json").facts
    whole = [row["file"] for row in listed if row["kind"] == "batch"]
    assert sorted(whole) == sorted(f"{name}.jsonl" for name in REFUSED)
    for row in listed:
        shown = ratchet(root, "quarantine", "show", row["batch"][:16])
        assert (shown.code, shown.err) == (0, "") and row["file"] in shown.out
        assert ratchet(root, "quarantine", "show", row["batch"], "--json").facts["reason"]


def test_refused_rows_are_shown_as_people_wrote_them_and_found_by_their_lines(
    tmp_path: Path,
) -> None:
    root = make_root(tmp_path / "root", CLOSED)
    table = tmp_path / "mini.csv"
    bad = ["furious 😡 \u202e,meh", "so good,pos", "so  GOOD,pos", "so bad,", "a,b,c"]
    table.write_text("text,label\n" + "\n".join(bad) + "\n", encoding="utf-8")
    assert ratchet(root, "run", table, "--task", "mood").code == 1
    row, *_ = ratchet(root, "quarantine", "list", "--json").facts
    shown = ratchet(root, "quarantine", "show", row["batch"]).out
    assert r"furious 😡 \u202e" in shown and "{" not in shown and "None" not in shown
    [copied_row] = [line for line in shown.splitlines() if "duplicate of line" in line]
    assert set(re.findall(r"\d+", copied_row)) == {"3", "4"}
    taken = tmp_path / "exam.csv"
    taken.write_text(
        "text,label\n" + "".join(f"{n} good,pos\n" for n in range(9)) + "8  GOOD,pos\n,neg\n"
    )
    added = ratchet(root, "holdout", "add", taken, "--task", "mood")
    assert "Left out: 1 broken, 1 twice in the file." in added.out


def test_the_next_good_batch_works(
    tried: tuple[Path, dict[str, Trial]], tmp_path: Path, prefect_here: Server
) -> None:
    root = copied(tried[0], tmp_path / "root")
    good = write_jsonl(tmp_path / "good.jsonl", [*rows(5, 120), {"text": None, "label": "pos"}])
    ran = ratchet(root, "run", good, "--task", "mood")
    assert (ran.code, ran.err) == (0, "") and ran.out.startswith("promoted batch ")
    assert "1 row of it in quarantine: ratchet quarantine show " in ran.out


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [("nowhere.jsonl", 2, "There is no file"), ("folder.jsonl", 1, "is a folder")],
)
def test_what_is_no_file_is_an_error_of_one_paragraph(
    grown: Path, name: str, code: int, says: str
) -> None:
    (grown / "folder.jsonl").mkdir()
    ran = ratchet(grown, "run", grown / name)
    assert ran.code == code and ran.out == "" and says in ran.err
    assert_one_paragraph(ran)
    assert len(views.arrivals(open_workspace(grown).ledger)) == 2


def test_an_unknown_suffix_is_refused_with_the_known_ones(grown: Path) -> None:
    unknown_suffix(grown / "b3.jsonl")
    ran = ratchet(grown, "run", grown / "b3.txt")
    assert ran.code == 1 and ".jsonl, .ndjson, .csv, .parquet" in ran.out
