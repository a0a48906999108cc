"""Where settings lead: a folder is a path, an address is never made one."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.model.base import load_base
from components.model.base_lookup import local_base
from components.places import place, scheme
from components.registry.database import sqlite_path
from components.settings import ModelSettings, parse_settings, recorded

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


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place(ROOT, "~/copies") == tmp_path / "copies"
    assert place(ROOT, "a/~/b") == ROOT / "a/~/b"
    assert sqlite_path("sqlite:///~/mlflow.db", ROOT) == tmp_path / "mlflow.db"
    with pytest.raises(ConfigError, match=r"`data.remote` is '~nobody-here/x': .* no home"):
        parse_settings({"data": {"remote": "~nobody-here/x"}}, "params.yaml")


@pytest.mark.parametrize("text", ["s3:/x", "file:/x", "s3:bucket", "me@host:/srv/copies", "://x"])
def test_a_half_written_address_is_refused_and_not_made_a_folder(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"params.yaml: `data.remote` is '{text}'") as caught:
        parse_settings({"data": {"remote": text}}, "params.yaml")
    assert f"write scheme://... or ./{text}" in caught.value.message
    assert parse_settings({"data": {"remote": f"./{text}"}}, "params.yaml")


def test_blanks_around_a_place_do_not_count() -> None:
    values = {
        "data": {"remote": " file:///mnt/copies\n"},
        "registry": {"tracking_uri": " https://mlflow.example.org "},
    }
    settings = parse_settings(values, "params.yaml")
    assert settings.data.remote == "file:///mnt/copies"
    assert settings.registry.tracking_uri == "https://mlflow.example.org"
    with pytest.raises(ConfigError, match="at least 1 character"):
        parse_settings({"data": {"remote": " "}}, "params.yaml")


SECRETS = [
    "ssh://me:hunter2@example.org/x",
    "ssh://me%3Ahunter2@example.org/x",
    "https://hunter2@example.org/x",
    "https://example.org/x?token=hunter2",
    "https://example.org/x?a=1&pass%77ord=hunter2",
    "https://example.org/x?sv=1&sig=hunter2",
    "https://example.org/x#access_token=hunter2",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_password_is_no_setting_and_is_not_shown(text: str) -> None:
    for section, name in (("data", "remote"), ("registry", "tracking_uri")):
        wanted = f"params.yaml: `{section}.{name}`: must not contain a password or token"
        with pytest.raises(ConfigError) as caught:
            parse_settings({section: {name: text}}, "params.yaml")
        if section == "data" or text.startswith("https"):
            assert caught.value.message.startswith(wanted)
            assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("postgresql://me:hunter2@example.org/mlflow", "PGPASSWORD"),
        ("postgresql+psycopg://example.org/mlflow?password=hunter2", "PGPASSWORD"),
        ("mysql+pymysql://me:hunter2@example.org/mlflow", "read_default_file"),
        ("mssql+pyodbc:///?odbc_connect=Driver%3Dx%3BPWD%3Dhunter2", "Trusted_Connection"),
        ("http://me:hunter2@example.org", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_a_tracking_address_with_a_password_names_where_else_to_put_it(
    text: str, instead: str
) -> None:
    with pytest.raises(ConfigError, match=instead) as caught:
        parse_settings({"registry": {"tracking_uri": text}}, "params.yaml")
    assert "hunter2" not in str(caught.value)


def test_an_address_without_a_secret_is_taken() -> None:
    for text in (
        "ssh://me@example.org/a:b@c",
        "s3://bucket/token",
        "webdavs://me@example.org/a",
        "a#token=b",
    ):
        assert parse_settings({"data": {"remote": text}}, "params.yaml")
    for text in (
        "postgresql://me@example.org/mlflow?passfile=/srv/pgpass&sslkey=/srv/key",
        "mysql://me@example.org/mlflow?read_default_file=/srv/my.cnf",
        "sqlite:////srv/mlflow.db",
        "",
        None,
    ):
        assert parse_settings({"registry": {"tracking_uri": text}}, "params.yaml")


def test_places_that_were_recorded_before_are_still_read() -> None:
    old = {"data": {"remote": "s3:/x"}, "registry": {"tracking_uri": "postgresql://a:b@c/d"}}
    assert recorded(old).data.remote == "s3:/x"


@pytest.mark.parametrize("base", ["s3://bucket/base", "file:///srv/base", "https://example.org"])
def test_a_base_at_an_address_is_refused_by_that_address(tmp_path: Path, base: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_base(ModelSettings(base=base), tmp_path)
    assert (
        f"`model.base` is {base!r}: a base cannot be loaded from an address" in caught.value.message
    )
    assert str(tmp_path) not in str(caught.value)
    assert local_base(base, tmp_path) is None


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/mlflow.db",
        "file:///srv/mlruns",
        "mlruns",
        "http:/srv",
        "sqlite://x.db",
        "sqlite:///",
    ],
)
def test_a_tracking_address_is_no_folder_either(uri: str) -> None:
    with pytest.raises(ConfigError, match=f"params.yaml: `registry.tracking_uri` is '{uri}'") as no:
        parse_settings({"registry": {"tracking_uri": uri}}, "params.yaml")
    assert "should be sqlite:/// and a file" in no.value.message
