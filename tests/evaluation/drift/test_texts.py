"""Texts: their length and their language."""

from __future__ import annotations

from components.evaluation.drift.texts import language_of
from tests.evaluation.sides import compared, find, labels, side

ENGLISH = "This is a sentence about the weather and the garden in spring, number {}."
GERMAN = "Das ist ein Satz über das Wetter und den Garten im Frühling, Nummer {}."


def sentences(form: str, rows: int, start: int = 0) -> list[str]:
    return [form.format(place) for place in range(start, start + rows)]


def test_longer_texts_are_found_in_both_directions() -> None:
    short = side(1, own=labels(60), texts=["word " * (3 + place % 9) for place in range(60)])
    long = side(2, own=labels(60), texts=["word " * (6 + place % 9) for place in range(60)])
    there, back = find(compared(short, long))["length"], find(compared(long, short))["length"]
    assert there.drifted and back.drifted and there.effect == back.effect
    assert "35 characters before, 50 now" in there.sentence
    lengths = dict(zip(long.items, map(len, long.contents), strict=True))
    assert [lengths[item] for item in there.examples] == [70] * 5


def test_another_language_is_found_and_named_with_its_rows() -> None:
    english = side(1, own=labels(80), texts=sentences(ENGLISH, 80))
    texts = [*sentences(ENGLISH, 60, 100), *sentences(GERMAN, 20)]
    mixed = side(2, own=labels(80), texts=texts)
    found = find(compared(english, mixed))["language"]
    assert found.drifted and found.effect == 0.25
    assert "de 0.0 % before, 25.0 % now" in found.sentence
    assert set(found.examples) <= set(mixed.items[60:])


def test_texts_whose_language_is_not_sure_are_not_counted() -> None:
    english = side(1, own=labels(40), texts=sentences(ENGLISH, 40))
    unsure = side(2, own=labels(40), texts=["ok 12"] * 40)
    assert language_of("12345 67") is None
    found = find(compared(english, unsure))["language"]
    assert not found.examined and "texts per side with a clear language" in found.sentence
