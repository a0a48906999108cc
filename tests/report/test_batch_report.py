from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args

import pytest

from components.gate.verdicts import CheckName
from components.report import Matrix, ReportData, render

SENTENCE = "films: against the champion, a loss of 6.2 points, beyond the margin of 3."


def verdict(check="forgetting", task="films", outcome="FAIL", **changes):
    return {
        "check": check,
        "task": task,
        "exam": task,
        "outcome": outcome,
        "consequence": {"PASS": "promote", "INCONCLUSIVE": "hold"}.get(outcome, "reject"),
        "sentence": SENTENCE,
        "effect_points": 6.2,
        "lower_points": 4.1,
        "upper_points": 8.3,
        "margin_points": 3.0,
        "n": 940,
        "right_to_wrong": 88,
        "wrong_to_right": 30,
        "detectable_points": 2.1,
        **changes,
    }


def shift(name, before=0.5, after=None):
    return {"name": name, "before": before, "after": after}


FOUND = {
    "name": "new_labels",
    "drifted": True,
    "policy": "hold",
    "effect": 0.25,
    "threshold": 0.01,
    "p_value": 0.0001,
    "adjusted_p": 0.0009,
    "n": 300,
    "sentence": "Drift: a quarter is new.",
    "examples": ["ab" * 32, "cd" * 32],
    "classes": [shift("pos", 0.0, 0.25)],
}

DATA = ReportData(
    action="reject",
    headline=f"Reject: {SENTENCE}",
    reasons=(SENTENCE, "books: too few items."),
    batch="9f" * 32,
    generated_at="2026-11-21 12:00 UTC",
    model_name="intents",
    source="hotels.jsonl",
    version=8,
    parent_version=7,
    verdicts=[
        verdict(),
        verdict(task="books", outcome="INCONCLUSIVE"),
        verdict(
            check="anchor",
            outcome="MISSING",
            effect_points=None,
            lower_points=None,
            upper_points=None,
            detectable_points=None,
        ),
    ],
    matrix=Matrix(["version 7", "version 8"], ["books", "films"], [[0.84, None], [0.83, 0.736]]),
    drift=[{"name": "labels", "drifted": None, "sentence": "Too few rows."}],
    counts={"rows read": 1000},
    quarantined={"missing label": 20, "text too long": 2},
    replayed={"books": 310},
    metrics={"average accuracy": 0.783, "forward transfer": None},
    provenance={"bundle": "ab" * 32, "parent bundle": None},
    next_command="ratchet quarantine show 9f9f",
)


class Page(HTMLParser):
    """The visible words, and every tag with its attributes; refuses unbalanced tags."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "title"}:
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_the_decision_comes_first_and_the_reason_second():
    text = Page(render(DATA)).text

    assert text.startswith("Reject model intents version 8 built on version 7 batch hotels.jsonl ")
    assert text.index("hotels.jsonl films: against") < text.index("books: too few items.")
    assert text.index("a loss of 6.2 points") < text.index("books: too few items.")


def test_a_reason_that_the_headline_gives_is_not_repeated():
    assert "<li>films" not in render(DATA)


def test_a_page_needs_nothing_from_elsewhere():
    page = Page(render(DATA))

    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "a"}
    assert not re.search(r"https?://|url\(|@import", render(DATA))


def test_hostile_names_are_text_and_nothing_else():
    evil = "</style><script>alert(1)</script>\"' onload=x &amp;"
    data = replace(
        DATA,
        headline=evil,
        reasons=(evil + "!",),
        source=evil,
        model_name=evil,
        verdicts=[verdict(task=evil, exam=evil, sentence=evil)],
        matrix=Matrix([evil], [evil], [[0.5]]),
        drift=[{**FOUND, "name": evil, "sentence": evil, "classes": [shift(evil)]}],
        words={evil: [evil]},
        quarantined={evil: 1},
        provenance={evil: evil},
        next_command=evil,
    )
    page = Page(render(data))

    assert not [tag for tag, attributes in page.tags if tag == "script" or "onload" in attributes]
    assert page.text.count("<script>alert(1)</script>") == 17


def test_a_missing_number_is_shown_as_missing_and_never_as_zero():
    text = Page(render(DATA)).text

    assert "forward transfer – " in text
    assert "labels not examined – – – – Too few rows." in text
    assert "parent bundle –" in text
    assert "version 7 84.0 – version 8 83.0 73.6" in text


def test_a_drift_finding_shows_what_moved_and_what_it_asks_for():
    page = Page(render(replace(DATA, drift=[FOUND], words={"more": ["voucher"], "less": []})))

    assert "new labels drift hold 0.250 0.010 < 0.001 300 Drift: a quarter is new." in page.text
    assert "pos 0.0 % → 25.0 % items abababababab cdcdcdcdcdcd" in page.text
    assert "more voucher" in page.text and "less" not in page.text.split("voucher")[1][:20]


def test_what_did_not_drift_shows_numbers_alone():
    page = Page(render(replace(DATA, drift=[{**FOUND, "drifted": False}])))

    assert "new labels no drift 0.250" in page.text
    assert "items " not in page.text and "pos 0.0" not in page.text


def test_a_loss_is_drawn_to_the_left_of_zero_and_a_gain_to_the_right():
    def places(effect: float) -> tuple[float, float]:
        row = verdict(effect_points=effect, lower_points=effect - 1, upper_points=effect + 1)
        tags = Page(render(replace(DATA, verdicts=[row]))).tags
        (dot,) = [float(a["cx"].rstrip("%")) for tag, a in tags if tag == "circle"]
        zero = next(float(a["x1"].rstrip("%")) for tag, a in tags if tag == "line")
        return dot, zero

    dot, zero = places(6.2)
    assert dot < zero
    dot, zero = places(-6.2)
    assert dot > zero


def test_a_loss_reads_as_a_negative_change_with_its_range():
    text = Page(render(DATA)).text

    assert "−6.2 points −8.3 to −4.1" in text
    assert "margin −3.0" in text


def test_the_axis_is_labelled_once_a_group_even_where_its_first_check_is_missing():
    missing = verdict(outcome="MISSING", effect_points=None)
    text = Page(render(replace(DATA, verdicts=[missing, verdict(), verdict()]))).text

    assert text.count("no change") == text.count("margin −3.0") == 1


def test_everything_drawn_stays_inside_its_axis():
    rows = [
        verdict(effect_points=e, lower_points=e - w, upper_points=e + w)
        for e, w in ((0.0, 0.0), (-99.0, 1.0), (40.0, 60.0))
    ]
    for tag, attributes in Page(render(replace(DATA, verdicts=rows))).tags:
        for name in ("x", "x1", "x2", "cx"):
            value = attributes.get(name)
            if tag in {"circle", "line", "rect"} and value:
                assert 0 <= float(value.rstrip("%")) <= 100


def test_what_is_only_noted_says_so():
    row = verdict(consequence="note")

    assert "FAIL, for information only" in Page(render(replace(DATA, verdicts=[row]))).text


def test_what_is_new_is_held_against_guessing_and_known_rows_against_the_champion():
    own = verdict(check="learned", outcome="PASS", exam="")
    new = {**own, "right_to_wrong": None, "effect_points": -31.0}

    text = Page(render(replace(DATA, verdicts=[new, own]))).text
    assert text.index("What is new in the batch") < text.index("as good as guessing")
    assert "The batch's own rows of earlier tasks" in text


def test_labels_that_passed_are_counted_and_the_others_are_named():
    rows = [
        verdict(check="classes", outcome=outcome, group=f"label {name}")
        for name, outcome in (("a", "PASS"), ("b", "PASS"), ("c", "FAIL"))
    ]
    text = Page(render(replace(DATA, verdicts=rows))).text
    assert "2 more passed." in text
    assert "films, label c" in text and "label a" not in text
    assert "2 passed." in Page(render(replace(DATA, verdicts=rows[:2]))).text


CHECKS_WITH_A_PLACE = sorted({*get_args(CheckName)} - {"learned", "drift", "examination"})


@pytest.mark.parametrize("check", CHECKS_WITH_A_PLACE)
def test_every_check_has_a_place_of_its_own_on_the_page(check):
    text = Page(render(replace(DATA, verdicts=[verdict(check=check)]))).text
    assert "Not examined" not in text and "films FAIL" in text


@pytest.mark.parametrize(
    ("action", "headline", "badge"),
    [
        ("promote", "Promote: learned books.", "Promote"),
        ("hold", "Held for approval: learned books.", "Held for approval"),
        ("hold", "Hold for a person: books: too few items.", "Hold for a person"),
        ("superseded", "The champion moved on.", "Superseded"),
    ],
)
def test_the_badge_takes_the_actions_own_words(action, headline, badge):
    page = render(replace(DATA, action=action, headline=headline))

    assert f'class="badge">{badge}</span>' in page
    assert f"<h1>{headline.removeprefix(badge + ': ')}</h1>" in page


def test_the_first_batch_has_a_page_although_nothing_is_there_to_compare():
    bare = ReportData("promote", "Promote: learned books.", "9f" * 32, "2026-11-21")

    text = Page(render(bare)).text
    assert text.startswith("Promote learned books.")
    assert "Earlier tasks" not in text


def test_the_same_values_give_the_same_bytes():
    assert render(DATA) == render(replace(DATA))
