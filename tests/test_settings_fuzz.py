"""Whatever stands in params.yaml: settings or a `ConfigError`, soon, and told in few words."""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import ConfigError
from components.settings import Settings, load_settings, parse_settings
from components.settings.bounded_yaml import MAX_BYTES, MAX_NODES
from components.settings.checks import CheckSettings

CORPUS = sorted((Path(__file__).parent / "settings_corpus").iterdir())
TEMPLATE = (Path(__file__).parents[1] / "params.yaml").read_bytes()
SECONDS = 3.0
MESSAGE_CHARS = 20_000

quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
long = settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))


def outcome(data: bytes) -> Settings | ConfigError:
    """Load settings from a file with these bytes; assert what holds whatever they are."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_bytes(data)
        began = time.thread_time()
        try:
            return load_settings(path)
        except ConfigError as error:
            assert len(error.message) < MESSAGE_CHARS
            return error
        finally:
            assert time.thread_time() - began < SECONDS


PIECES = st.sampled_from(
    ["&a", "*a", "<<: *a", "- ", ": ", "? ", "!!", "!!int ", "!!python/name:os ", "|\n", ">\n", "{",
     "}", "[", "]", "'", '"', "#", "%", "\t", "\n", "\n  ", "---\n", "...\n", "~", ".nan", "-.inf",
     "1:30:00", "0x1f", "0b1", "0o7", "1_0", "1e999", "2026-11-24", "yes", "=", "\\ud800", "\0",
     "\ufeff", "\u2028", "\x85", "seed", "gate", "data", "labels", "checks", "percent"]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.binary(max_size=4),
    st.sampled_from([2**63, -(2**63), 10**400, -0.0, 1e308, "1e400", "nan", "9" * 5000,
                     "none", "replay"]),
    st.dates(), st.datetimes(),
)  # fmt: skip
NAMES = st.sampled_from([*Settings.model_fields, *CheckSettings.model_fields, "method",
                         "labels", "percent", "max_rows", "policy", "alpha", "rank",
                         "update_share", "parent_mix", "replay_ratio"])  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=4) | st.integers(), inner, max_size=5)
    ),
    max_leaves=20,
)


@st.composite
def changed_files(draw: st.DrawFn) -> bytes:
    """The file that comes with Ratchet, with some stretches of bytes replaced."""
    data = bytearray(TEMPLATE)
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        data[at : at + size] = draw(st.binary(max_size=8) | TEXTS.map(_encoded))
    return bytes(data)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


FILES = TEXTS.map(_encoded) | st.binary(max_size=60) | changed_files()


@given(FILES)
@quick
def test_any_bytes_are_settings_or_a_config_error(data: bytes) -> None:
    outcome(data)


@given(VALUES)
@quick
def test_any_values_are_settings_or_a_config_error(value: object) -> None:
    try:
        found = parse_settings(value, "here")
    except ConfigError as error:
        assert len(error.message) < MESSAGE_CHARS
    else:
        assert parse_settings(found.model_dump(), "here") == found


@pytest.mark.slow
@given(FILES)
@long
def test_many_bytes_are_settings_or_a_config_error(data: bytes) -> None:
    outcome(data)


@pytest.mark.slow
@given(VALUES)
@long
def test_many_written_values_are_settings_or_a_config_error(value: object) -> None:
    outcome(_encoded(yaml.dump(value, allow_unicode=True)))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_each_file_that_was_found_is_refused(path: Path) -> None:
    error = outcome(path.read_bytes())
    assert isinstance(error, ConfigError) and len(error.message) < 3000


GROWN = {
    "bytes": b"# " + b"x" * MAX_BYTES,
    "keys": b"".join(b"k%d: 1\n" % n for n in range(MAX_NODES)),
    "labels": b"data: {labels: [%s]}" % b",".join(b"a%d" % n for n in range(MAX_NODES)),
    "digits": b"seed: " + b"1_000" * 40_000,
    "brackets": b"[" * (MAX_BYTES - 1),
    "questions": b"? " * (MAX_BYTES // 2 - 1),
    "dashes": b"- " * (MAX_BYTES // 2 - 1),
    "anchors": b"".join(b"- &a%d x\n" % n for n in range(15_000)),
    "value": b"model: {name: '%s'}" % (b"x" * 200_000),
    "wrong": b"data: {%s}" % b",".join(b"k%d: 1" % n for n in range(5000)),
}


@pytest.mark.parametrize("what", GROWN)
def test_too_much_of_anything_is_refused_soon_and_in_few_words(what: str) -> None:
    error = outcome(GROWN[what])
    assert isinstance(error, ConfigError) and len(error.message) < 20_000


def test_aliases_are_read_within_the_bounds() -> None:
    found = outcome(
        b"drift: {policies: {mmd: &p hold, labels: *p}}\n"
        b"gate: {checks: {size: &s {policy: note}, floors: {<<: *s}}}"
    )
    assert isinstance(found, Settings) and found.drift.policies.labels == "hold"
    assert found.gate.checks.floors.policy == "note"


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "params.yaml")
    with pytest.raises(ConfigError, match="not a regular file"):
        load_settings(tmp_path / "params.yaml")
