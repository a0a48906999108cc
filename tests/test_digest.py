"""Identity by content: what counts, and what does not."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.digest import (
    batch_digest,
    canonical_json,
    file_digest,
    item_digest,
    json_digest,
    normalised_text,
    text_digest,
)
from components.items import make_item, read_items, write_items

TRICKY = "aA1ſßİıΣς e\u0301 \u00ad\u200d\ufe0f\u0338=क\u093f"
ANY_TEXT = st.text() | st.text(st.characters(exclude_categories=())) | st.text(TRICKY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
ITEMS = st.lists(st.text(min_size=1), max_size=8)


@given(JSON)
def test_canonical_json_reads_back_as_it_was(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_keys_does_not_count(value: dict[str, int]) -> None:
    assert json_digest(dict(reversed(value.items()))) == json_digest(value)


def test_a_digest_is_sha256_of_the_canonical_form() -> None:
    def sha(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    assert item_digest("cafe\u0301", None) == sha('["café",null]'.encode())
    a, b = "0a" * 32, "b0" * 32
    assert batch_digest([b, a, b]) == sha(f'["{a}","{b}","{b}"]'.encode())
    assert json_digest({"b": 1.5, "a": "\ud800"}) == sha(b'{"a":"\xed\xa0\x80","b":1.5}')


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_what_is_no_json_has_no_digest(value: object) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        json_digest(value)


@given(ITEMS, st.randoms())
def test_the_order_of_rows_does_not_count_but_how_often_they_stand_does(
    texts: list[str], pick: object
) -> None:
    items = [item_digest(text, "a") for text in texts]
    shuffled = sorted(items, key=lambda _: pick.random())  # type: ignore[attr-defined]
    assert batch_digest(shuffled) == batch_digest(iter(items)) == batch_digest(items)
    for item in items:
        assert batch_digest([*items, item]) != batch_digest(items)


@given(st.lists(st.text("0189abcf", min_size=64, max_size=64), max_size=20))
def test_a_batch_is_named_by_its_sorted_digests_as_text(digests: list[str]) -> None:
    assert batch_digest(iter(digests)) == json_digest(sorted(digests))


def test_a_batch_is_named_in_less_than_a_hundred_bytes_a_row() -> None:
    rows = 50_000
    tracemalloc.start()
    batch_digest(hashlib.sha256(b"%d" % i).hexdigest() for i in range(rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows * 100


def test_the_name_of_a_file_does_not_count(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"x" * 100_000)
    assert file_digest(tmp_path / "a.csv") == file_digest(tmp_path / "b.csv")


@given(ANY_TEXT, ANY_TEXT)
def test_an_item_is_its_text_and_label_in_any_unicode_form(text: str, label: str) -> None:
    def form(name: str) -> str:
        return item_digest(unicodedata.normalize(name, text), unicodedata.normalize(name, label))  # type: ignore[arg-type]

    assert form("NFC") == form("NFD") == item_digest(text, label)
    assert item_digest(text + "!", label) != item_digest(text, label)


def test_what_looks_alike_is_not_the_same_item() -> None:
    different = [
        item_digest("a", "b"), item_digest("b", "a"), item_digest("ab", ""), item_digest("", "ab"),
        item_digest(None, "b"), item_digest("None", "b"), item_digest("1", "b"),
        item_digest(1, "b"), item_digest("A", "b"), item_digest("a ", "b"), item_digest(True, "b"),
    ]  # fmt: skip
    assert len(set(different)) == len(different)
    assert make_item("a", "b", "one").digest == make_item("a", "b", "two").digest


@given(ANY_TEXT)
@example("e\u200d\u0301")
@example("=\u0338")
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalised_text(text)
    assert normalised_text(once) == once
    assert once == once.strip() and "  " not in once


@given(ANY_TEXT, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_unicode_form_does_not_count(text: str, form: str) -> None:
    assert text_digest(unicodedata.normalize(form, text)) == text_digest(text)  # type: ignore[arg-type]


WORD = st.from_regex("[abcxyz0123456789äßéक][abcxyz0123456789äßéक\u093f]*", fullmatch=True)
"""A mark that begins a word is punctuation: it has no letter to stand on."""


@given(st.lists(WORD, min_size=1), st.randoms())
def test_case_spaces_and_punctuation_between_words_do_not_count(
    words: list[str], pick: object
) -> None:
    gaps = [" ", "  ", "\n", ", ", " - ", "_", "…", " 😀 ", " ❤\ufe0f "]
    loud = "".join(word + pick.choice(gaps) for word in words)  # type: ignore[attr-defined]
    assert normalised_text(loud) == normalised_text(" ".join(words))
    assert normalised_text(loud.casefold()) == normalised_text(loud)


ALIKE = [
    ("Straße", "STRASSE"), ("Ｆｕｌｌ　１", "full 1"), ("co\u00adoperate", "cooperate"),
    ("go\u200bod", "good"), ("so ❤\ufe0f it", "so ❤ it"), ("café", "CAFE\u0301!"), ("½", "1⁄2"),
    ("1\ufe0f\u20e3", "1"), ("a\U000e0100b", "ab"),
]  # fmt: skip
UNLIKE = [
    ("कि", "का"), ("ดี", "ดู"), (":)", ":("), ("!", "!!"), ("ab", "a b"), ("e\u0301", "e"),
    ("1", "2"), ("", "."),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_near_duplicates_are_found(one: str, other: str) -> None:
    assert text_digest(one) == text_digest(other)


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_different_texts_are_no_near_duplicates(one: str, other: str) -> None:
    assert text_digest(one) != text_digest(other)


SLICES = st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2)
ROWS = st.lists(st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT, SLICES), max_size=6)


@given(ROWS)
def test_items_come_back_from_disk_as_they_were_in_one_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, dict[str, str]]]
) -> None:
    folder = tmp_path_factory.mktemp("items")
    items = [make_item(*row) for row in rows]
    write_items(folder / "a", items)
    write_items(folder / "b", reversed(items))
    found = read_items(folder / "a")
    assert sorted(found, key=repr) == sorted(items, key=repr)
    assert [item.digest for item in found] == sorted(item.digest for item in items)


def test_slices_are_no_part_of_an_items_identity_and_absent_ones_leave_no_trace(
    tmp_path: Path,
) -> None:
    bare, told = make_item("a", "b", "t"), make_item("a", "b", "t", {"land": "de"})
    assert (bare.digest, bare.near) == (told.digest, told.near)
    write_items(tmp_path / "items", [bare])
    assert (tmp_path / "items").read_bytes() == b'{"label":"b","task":"t","text":"a"}\n'
