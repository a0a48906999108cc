"""Numbers and prefixes that no command can work with are slips of usage."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.ledger import views
from components.workspace.root import open_workspace
from tests.command import ratchet

HUGE = ["9223372036854775807", "9223372036854775808", "1" * 5000, "2147483648"]
NO_VERSION = [*HUGE, "0", "-1", "1.0", "nan", "inf", "1e3", "", "١٢٣x"]
NO_SECONDS = ["nan", "inf", "-inf", "1e308", "1e400", "-1", "-0.1", "", "1e9"]
NO_PREFIX = ["", " ", "xyz", "../..", "*", "%", "a" * 65, "a\n", "0x12"]

SLIPS = [
    *(["version", "explain", "--", n] for n in NO_VERSION),
    *(["gate", "replay", "--", n] for n in NO_VERSION),
    *(["rollback", f"--to={n}", "--reason", "x"] for n in NO_VERSION),
    *(["rollback", "--reason", reason] for reason in ("", " \n")),
    *(["worker", f"{option}={n}"] for n in NO_SECONDS for option in ("--every", "--watch-every")),
    *(["worker", f"--idle-exit={n}"] for n in NO_SECONDS),
    ["worker", "--every", "0"], ["worker", "--every=-0"],
    *(["gate", "plan", f"--margin={n}"] for n in ("nan", "inf", "0", "-0", "-1", "100.1", "1e400")),
    *(["gate", "plan", f"--churn={n}"] for n in ("nan", "inf", "0", "-0", "1.1", "-1")),
    *(["quarantine", verb, "--", p] for verb in ("show", "release") for p in NO_PREFIX),
    *(["demo", f"--seed={n}"] for n in (*HUGE, "-1", "nan", "1.5")),
    ["run", "b.jsonl", "--task", ""], ["holdout", "add", "b.jsonl", "--task", " "],
]  # fmt: skip


@pytest.mark.parametrize("words", SLIPS, ids=lambda words: " ".join(words)[:60])
def test_a_value_that_no_command_can_work_with_ends_with_2(words: list[str]) -> None:
    ran = ratchet(Path("/nowhere"), *words)
    assert (ran.code, ran.out) == (2, "") and "Usage: ratchet" in ran.err
    assert "/nowhere" not in ran.err and "defect" not in ran.err and "Traceback" not in ran.err
    assert len(ran.err) < 6000 and ran.err.rstrip().endswith(".")


def test_an_empty_prefix_releases_nothing(grown: Path) -> None:
    assert ratchet(grown, "rollback", "--reason", "worse").code == 0
    [entry] = ratchet(grown, "quarantine", "list", "--json").facts
    assert ratchet(grown, "quarantine", "release", "").code == 2
    [same] = ratchet(grown, "quarantine", "list", "--json").facts
    assert same["status"] == "kept"
    assert ratchet(grown, "quarantine", "release", entry["batch"][0].upper()).code == 0
    arrivals = views.arrivals(open_workspace(grown).ledger)
    assert "queued" in [each.status for each in arrivals if each.batch == entry["batch"]]


def test_zero_means_at_once_where_the_help_says_so(grown: Path) -> None:
    assert ratchet(grown, "version", "explain", "2147483647").code == 2
    assert "Versions: 1, 2." in ratchet(grown, "version", "explain", "2147483647").err
