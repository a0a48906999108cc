"""Identity by content: what counts, and what does not; with a key and without."""

from __future__ import annotations

import hashlib
import hmac
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.data.behaviour_cases import read_cases
from components.data.readers import content_digest, identities, read_batch
from components.digest import json_digest
from components.errors import ConfigError
from components.identity import FORMS, PLAIN, Identity, normalised_text, read_text
from components.items import make_item, read_items, write_items
from components.settings import DataSettings

KEY = bytes(range(32))
KEYED = Identity(key=KEY)
CAFE = "Cafe\u0301 is GOOD!"
TRICKY = "aA1ſßİıΣς e\u0301 \u00ad\u200d\ufe0f\u0338=क\u093f"
ANY_TEXT = st.text() | st.text(st.characters(exclude_categories=())) | st.text(TRICKY)
ITEMS = st.lists(st.text(min_size=1), max_size=8)


def test_texts_without_a_key_keep_the_digests_of_every_earlier_root(tmp_path: Path) -> None:
    """Literal values, computed by the functions that wrote the roots of November 2026."""
    item = "7bd9016b737011537cde57e80a3fb0ffe64c0888b6ecff1954c5ec1a53e097c8"
    broken = "4ef63e2ea06070756e3eec5a1cc599359abace3fd91a5e6b065003354903ad83"
    assert (PLAIN.item(CAFE, "pos"), PLAIN.item("\ud800x", None)) == (item, broken)
    near = "1f3530d28e81573bf2f04e0391d3ea61fa89ddb499d969585835e8fc6a1d5d19"
    marks = "54d626e08c1c802b305dad30b7e54a82f102390cc92c7d4db112048935236e9c"
    assert (PLAIN.near(CAFE), PLAIN.near(":)")) == (near, marks)
    batch = "dfe130af361dc9e31d4586fdf16e82710b14f4ef593f3b661396dbff5208978e"
    nothing = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
    assert (PLAIN.batch([broken, item, item]), PLAIN.batch([])) == (batch, nothing)
    path = tmp_path / "b.jsonl"
    path.write_text(f'{{"text":"{CAFE}","label":"pos","land":"de"}}\nnonsense\n')
    found = read_batch(path, DataSettings(), "mail")
    assert (found.digest, content_digest(found, DataSettings(), "mail")) == (
        "d28ab23d4d8603353e1d2144c17a33fced3677f3f7afd5e1fc00a5cc3b7f9934",
        "5d2661fb1dde235c60e711aaa0ebf54f02faac2424ad4c33c23990daa8fdc885",
    )
    second = "751b267885558b489f44d8f3dd8ec38914bd73c844fef8ef2f87d8ef3426715c"
    assert identities(found, "c" * 64)[1] == second
    line = "90e8804f3046ca01ed252758c1c2ed3f1fe584c8bf07665291b6a3c22a9195e8"
    assert [problem.digest for problem in found.problems] == [line]


def test_a_key_makes_every_digest_an_hmac_of_the_same_canonical_form() -> None:
    def signed(text: str) -> str:
        return hmac.new(KEY, text.encode(), "sha256").hexdigest()

    assert KEYED.item(CAFE, "pos") == signed('["Caf\xe9 is GOOD!","pos"]')
    assert KEYED.near(CAFE) == signed("caf\xe9 is good")
    a, b = "0a" * 32, "b0" * 32
    assert KEYED.batch([b, a, b]) == signed(f'["{a}","{b}","{b}"]')
    assert KEYED.value({"b": 1, "a": 2}) == signed('{"a":2,"b":1}')
    assert Identity(key=bytes(32)).item(CAFE, "pos") != KEYED.item(CAFE, "pos")


@given(ANY_TEXT, ANY_TEXT)
def test_with_a_key_the_same_contents_are_equal_and_alike(one: str, other: str) -> None:
    for form in ("item", "near"):
        given = [(each, "a")[: 2 if form == "item" else 1] for each in (one, other)]
        plain, keyed = ([getattr(i, form)(*each) for each in given] for i in (PLAIN, KEYED))
        assert (plain[0] == plain[1]) == (keyed[0] == keyed[1])
        assert not set(plain) & set(keyed)


def test_a_batch_read_under_a_key_shares_no_digest_with_the_same_one_without(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text('{"text": "good day", "label": "pos"}\nnonsense\n')
    digests = []
    for identity in (PLAIN, KEYED):
        found = read_batch(path, DataSettings(), "mail", None, identity)
        content = content_digest(found, DataSettings(), "mail")
        [line] = found.problems
        digests.append({content, line.digest, found.rows[0].digest, *identities(found, content)})
    assert len(digests[0]) == len(digests[1]) == 5 and not digests[0] & digests[1]


def test_items_and_cases_read_under_a_key_have_its_digests(tmp_path: Path) -> None:
    item = make_item("good day", "pos", "mail", identity=KEYED)
    write_items(tmp_path / "items", [item])
    (tmp_path / "cases").write_bytes((tmp_path / "items").read_bytes())
    assert read_items(tmp_path / "items", KEYED) == [item]
    assert read_cases(tmp_path / "cases", KEYED).items == [item]
    [plain] = read_items(tmp_path / "items")
    assert plain == make_item("good day", "pos", "mail")
    assert not {plain.digest, plain.near} & {item.digest, item.near}


def test_a_key_is_never_shown() -> None:
    assert repr(KEYED) == "Identity(kind='text-v1')"


@pytest.mark.parametrize("key", [b"", b"short"])
def test_a_key_that_could_be_guessed_is_refused(key: bytes) -> None:
    with pytest.raises(ConfigError, match=f"has {len(key)} bytes"):
        Identity(key=key)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no identity 'text-v9'") as caught:
        Identity("text-v9")
    assert ", ".join(FORMS) in caught.value.remedy


def test_a_digest_is_sha256_of_the_canonical_form() -> None:
    def sha(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    assert PLAIN.item("cafe\u0301", None) == sha('["caf\xe9",null]')
    a, b = "0a" * 32, "b0" * 32
    assert PLAIN.batch([b, a, b]) == sha(f'["{a}","{b}","{b}"]')


@given(ITEMS, st.randoms())
def test_the_order_of_rows_does_not_count_but_how_often_they_stand_does(
    texts: list[str], pick: object
) -> None:
    items = [PLAIN.item(text, "a") for text in texts]
    shuffled = sorted(items, key=lambda _: pick.random())  # type: ignore[attr-defined]
    assert PLAIN.batch(shuffled) == PLAIN.batch(iter(items)) == PLAIN.batch(items)
    for item in items:
        assert PLAIN.batch([*items, item]) != PLAIN.batch(items)


@given(st.lists(st.text("0189abcf", min_size=64, max_size=64), max_size=20))
def test_a_batch_is_named_by_its_sorted_digests_as_text(digests: list[str]) -> None:
    assert PLAIN.batch(iter(digests)) == json_digest(sorted(digests))


def test_a_batch_is_named_in_less_than_a_hundred_bytes_a_row() -> None:
    rows = 50_000
    tracemalloc.start()
    PLAIN.batch(hashlib.sha256(b"%d" % i).hexdigest() for i in range(rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows * 100


@given(ANY_TEXT, ANY_TEXT)
def test_an_item_is_its_text_and_label_in_any_unicode_form(text: str, label: str) -> None:
    def form(name: str) -> str:
        return PLAIN.item(unicodedata.normalize(name, text), unicodedata.normalize(name, label))  # type: ignore[arg-type]

    assert form("NFC") == form("NFD") == PLAIN.item(text, label)
    assert PLAIN.item(text + "!", label) != PLAIN.item(text, label)


def test_what_looks_alike_is_not_the_same_item() -> None:
    different = [
        PLAIN.item("a", "b"), PLAIN.item("b", "a"), PLAIN.item("ab", ""), PLAIN.item("", "ab"),
        PLAIN.item(None, "b"), PLAIN.item("None", "b"), PLAIN.item("1", "b"),
        PLAIN.item(1, "b"), PLAIN.item("A", "b"), PLAIN.item("a ", "b"), PLAIN.item(True, "b"),
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
    assert PLAIN.near(unicodedata.normalize(form, text)) == PLAIN.near(text)  # type: ignore[arg-type]


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
    assert PLAIN.near(one) == PLAIN.near(other)


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_different_texts_are_no_near_duplicates(one: str, other: str) -> None:
    assert PLAIN.near(one) != PLAIN.near(other)


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


@given(ANY_TEXT, ANY_TEXT)
@example("A\u00ad  b", "a B")
@example("\u2075 > 3", "5 < 3")
def test_what_reads_the_same_is_near(one: str, other: str) -> None:
    assert read_text(read_text(one)) == read_text(one)
    assert normalised_text(read_text(one)) == normalised_text(one)
    assert read_text(one) != read_text(other) or PLAIN.near(one) == PLAIN.near(other)
