"""Where settings lead: a folder is a path, an address is never made one."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.model.base import load_base
from components.model.base_lookup import local_base
from components.places import place, scheme
from components.registry.database import sqlite_path
from components.settings import ModelSettings, parse_settings

ROOT = Path("/srv/root")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("data/remote", ROOT / "data/remote"),
        ("/mnt/copies", Path("/mnt/copies")),
        ("../a:b", ROOT / "../a:b"),
        ("C:\\copies", ROOT / "C:\\copies"),
        ("file:///mnt/my%20copies", Path("/mnt/my copies")),
        ("FILE://localhost/mnt", Path("/mnt")),
        ("s3://bucket/x", "s3://bucket/x"),
        ("S3://bucket", "S3://bucket"),
        ("webdavs://example.org/a", "webdavs://example.org/a"),
    ],
)
def test_a_folder_is_counted_from_the_root_and_an_address_stays(
    text: str, where: Path | str
) -> None:
    assert place(ROOT, text) == where
    assert isinstance(where, str) == (scheme(text) not in (None, "file"))


@pytest.mark.parametrize("text", ["file://other/mnt", "file://", "file://localhost"])
def test_a_folder_of_another_machine_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"`data.remote` is 'file:.*should be file:///"):
        parse_settings({"data": {"remote": text}}, "params.yaml")


def test_a_password_is_no_setting() -> None:
    with pytest.raises(ConfigError, match=r"`data.remote`.*not contain a password"):
        parse_settings({"data": {"remote": "ssh://me:secret@example.org/x"}}, "params.yaml")
    parse_settings({"data": {"remote": "ssh://me@example.org/a:b@c"}}, "params.yaml")


@pytest.mark.parametrize("base", ["s3://bucket/base", "file:///srv/base", "https://example.org"])
def test_a_base_at_an_address_is_refused_by_that_address(tmp_path: Path, base: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_base(ModelSettings(base=base), tmp_path)
    assert (
        f"`model.base` is {base!r}: a base cannot be loaded from an address" in caught.value.message
    )
    assert str(tmp_path) not in str(caught.value)
    assert local_base(base, tmp_path) is None


@pytest.mark.parametrize("uri", ["s3://bucket/mlflow.db", "file:///srv/mlruns", "mlruns"])
def test_a_tracking_address_is_no_folder_either(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ConfigError, match=f"`registry.tracking_uri` is '{uri}'"):
        sqlite_path(uri, tmp_path)
