"""Digests of canonical JSON and of bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.digest import canonical_json, file_digest, json_digest

TRICKY = "aA1ſßİıΣς e\u0301 \u00ad\u200d\ufe0f\u0338=क\u093f"
ANY_TEXT = st.text() | st.text(st.characters(exclude_categories=())) | st.text(TRICKY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_canonical_json_reads_back_as_it_was(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_keys_does_not_count(value: dict[str, int]) -> None:
    assert json_digest(dict(reversed(value.items()))) == json_digest(value)


def test_a_digest_is_sha256_of_the_canonical_form() -> None:
    def sha(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    assert json_digest({"b": 1.5, "a": "\ud800"}) == sha(b'{"a":"\xed\xa0\x80","b":1.5}')


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_what_is_no_json_has_no_digest(value: object) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        json_digest(value)


def test_the_name_of_a_file_does_not_count(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"x" * 100_000)
    assert file_digest(tmp_path / "a.csv") == file_digest(tmp_path / "b.csv")
