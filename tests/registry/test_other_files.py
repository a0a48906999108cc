"""A file that is not MLflow's database, where the settings lead: it is left as it is."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.command import assert_one_paragraph, ratchet
from tests.stream import PARAMS


def other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
        connection.execute("INSERT INTO customers VALUES (7)")


def text(path: Path) -> None:
    path.write_bytes(b"notes, and no database\n" * 400)


def broken(path: Path) -> None:
    other_program(path)
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(4096))


def lead_to(root: Path, path: Path) -> None:
    (root / "params.yaml").write_text(f"registry: {{tracking_uri: 'sqlite:///{path}'}}\n{PARAMS}")


@pytest.mark.parametrize("write", [other_program, text, broken])
@pytest.mark.parametrize("command", ["init", "reconcile"])
def test_a_file_that_is_somebody_elses_is_neither_replaced_nor_written_into(
    grown: Path, tmp_path: Path, command: str, write: object
) -> None:
    path = tmp_path / "customers" / "customers.db"
    path.parent.mkdir()
    assert callable(write)
    write(path)
    before = path.read_bytes()
    lead_to(grown, path)

    ran = ratchet(grown, command)

    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["customers.db"]
    if (command, write) != ("init", broken):  # MLflow says what is wrong with it
        assert ran.code == 2, ran.err
        assert "registry.tracking_uri" in ran.err and str(path) in ran.err
        assert "move it away" in " ".join(ran.err.split())
    assert ran.code != 0
    assert_one_paragraph(ran)


def test_a_new_root_writes_nothing_into_another_programs_database(tmp_path: Path) -> None:
    path = tmp_path / "customers.db"
    other_program(path)
    before = path.read_bytes()
    root = tmp_path / "root"
    root.mkdir()
    lead_to(root, path)
    assert ratchet(root, "init").code == 2
    assert path.read_bytes() == before
    assert [each.name for each in root.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_where_nothing_lies_the_database_is_built_from_the_ledger(
    grown: Path, tmp_path: Path, state: str
) -> None:
    path = tmp_path / "team.db"
    if state == "empty":
        path.write_bytes(b"")
    lead_to(grown, path)
    ran = ratchet(grown, "reconcile")
    assert ran.code == 0, ran.err
    assert ratchet(grown, "audit", "verify").code == 0
