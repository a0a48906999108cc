"""Who may read a root: its owner, unless it is to be shared."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.data.versioning import DataStore
from tests.command import ratchet


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(root: Path) -> list[str]:
    """Return what others may look into, where no folder above keeps them out."""
    found: list[str] = []

    def walk(folder: Path) -> None:
        for path in folder.iterdir():
            if rights(path) & 0o077:
                found.append(str(path.relative_to(root)))
            if path.is_dir() and rights(path) & 0o077:
                walk(path)

    walk(root)
    return found


def test_a_fresh_root_is_for_its_owner_alone(tmp_path: Path) -> None:
    ran = ratchet(tmp_path, "init", str(tmp_path / "new"))
    assert ran.code == 0 and "Only you can read" in ran.out and "params.yaml" in ran.out
    assert rights(tmp_path / "new") == 0o700
    assert open_to_others(tmp_path / "new") == []
    assert os.umask(0o022) == 0o022


def test_in_a_folder_that_was_there_only_what_is_made_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "letters").mkdir()
    (home / "params.yaml").write_text("seed: 1\n")
    assert ratchet(home, "init").code == 0
    assert rights(home) == 0o755
    assert set(open_to_others(home)) == {"letters", "params.yaml"}


def test_a_shared_root_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    ran = ratchet(tmp_path, "init", "--shared", str(tmp_path / "new"))
    assert ran.code == 0 and "Only you" not in ran.out
    assert rights(tmp_path / "new") == rights(tmp_path / "new" / "mlruns") == 0o755
    assert rights(tmp_path / "new" / "params.yaml") == 0o644


def test_an_older_root_keeps_its_rights(grown: Path) -> None:
    before = {path: rights(path) for path in grown.rglob("*")}
    assert ratchet(grown, "status").code == ratchet(grown, "reconcile").code == 0
    ratchet(grown, "init")
    assert {path: rights(path) for path in before if path.exists()} == {
        path: mode for path, mode in before.items() if path.exists()
    }


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_the_site_folder_of_dvc_has_the_rights_of_its_repository(tmp_path: Path, mode: int) -> None:
    (tmp_path / ".dvc").mkdir(mode=mode)
    store = DataStore(tmp_path, tmp_path / "remote")
    store.prepare()
    (tmp_path / "data" / "batches").mkdir(parents=True)
    (tmp_path / "data" / "batches" / "x").write_text("x")
    store.keep(["data/batches/x"])
    store.prepare()
    assert rights(tmp_path / ".dvc" / "tmp" / "site") == mode
