"""Why the champion can't read texts as it read earlier ones: language, script, or cut ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.evaluation.cause import Cause, percent
from components.gate.sentences import listed

MOVED, GREW = 0.3, 0.1
"""From this share of texts on, another language is a cause; a language that grew so much is named.
"""

CUT = 0.2
"""From this share of rows on, and this much more than before, cutting texts is a cause."""

_LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "cs": "Czech", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip


def reading_causes(evidence: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Return those causes why the champion can't read texts as it read the earlier ones."""
    found = {each["name"]: each for each in evidence.get("drift") or ()}
    return (*_language(found), *_texts(evidence.get("texts") or {}))


def _language(found: Mapping[str, Any]) -> Iterator[Cause]:
    finding = found.get("language")
    if finding is None or not finding["drifted"] or finding["effect"] < MOVED:
        return
    moved = sorted(finding["classes"], key=_growth, reverse=True)
    told = [each for each in moved if _growth(each) >= GREW] or moved[:1]
    names = [_LANGUAGES.get(each["name"], f"language {each['name']}") for each in told]
    after, before = (sum(each[side] or 0 for each in told) for side in ("after", "before"))
    shares = (f"{name} {percent(each['after'])}" for name, each in zip(names, told, strict=True))
    many = f" ({', '.join(shares)})" if len(told) > 1 else ""
    yield Cause(
        "language",
        f"texts in {'other languages' if many else 'another language'}: {listed(names)}",
        f"{percent(after)} of them{many}, {percent(before)} of the earlier ones",
        findings=("language",),
    )


def _growth(language: Mapping[str, Any]) -> float:
    return float((language["after"] or 0) - (language["before"] or 0))


def _texts(told: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield what the base does not read: pieces that it does not know, ends that are cut off."""
    now, past = told.get("batch"), told.get("earlier")
    if not now or not now["rows"]:
        return
    unknown, before = (_rate(side, "unknown", "tokens") for side in (now, past))
    if unknown >= CUT and unknown >= before + CUT:
        yield Cause(
            "script",
            "texts in a script that the base does not know",
            f"{percent(unknown)} of their pieces are unknown to it, {percent(before)} before",
            findings=("language", "outliers", "domain_classifier"),
        )
    cut, before = (_rate(side, "cut", "rows") for side in (now, past))
    if cut >= CUT and cut >= before + CUT:
        yield Cause(
            "cut",
            f"texts cut at {told['max_tokens']} tokens",
            f"{percent(cut)} of the rows are longer, {percent(before)} before",
            findings=("length",),
        )


def _rate(side: Mapping[str, int] | None, part: str, whole: str) -> float:
    return side[part] / side[whole] if side and side[whole] else 0.0
