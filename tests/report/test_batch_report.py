from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from typing import get_args

import pytest

from components.gate.verdicts import CheckName
from components.report import Matrix, ReportData, render
from components.report.batch_report import Standing

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

SHOWN = {"item": "ef" * 32, "text": "dull film", "label": "good", "champion": "bad", "sure": 0.97}

DATA = ReportData(
    action="reject",
    headline=f"Reject: {SENTENCE}",
    batch="9f" * 32,
    examined="2026-11-21T12:00:00+00:00",
    causes=("labels of films look flipped: 218 of 233 rows",),
    model_name="intents",
    source="hotels.jsonl",
    tasks=("films",),
    parent=7,
    verdicts=[
        verdict(),
        verdict(task="books", exam="books", outcome="INCONCLUSIVE"),
        verdict(
            check="anchor",
            outcome="MISSING",
            effect_points=None,
            lower_points=None,
            upper_points=None,
            detectable_points=None,
        ),
    ],
    matrix=Matrix(
        ["v7", "candidate"], ["books", "films"], [800, 90], [911, 90], [[0.84, None], [0.83, 0.736]]
    ),
    confusion={
        "films": {
            "champion": {"good": {"good": 9, "bad": 1}, "bad": {"bad": 10}},
            "candidate": {"good": {"good": 4, "bad": 6}, "bad": {"bad": 10}},
        }
    },
    examples=[
        {"exam": "films", "text": "fine film", "label": "good", "before": "good", "now": "bad",
         "fixed": False},
    ],
    drift=[{"name": "labels", "drifted": None, "sentence": "Too few rows."}],
    counts={"rows in the file": 1000},
    quarantined={"missing label": 20, "text too long": 2},
    replayed={"books": 310},
    measures={"average accuracy": "78.3 %", "forward transfer": "\N{EN DASH} points"},
    provenance={"bundle": "ab" * 32, "parent bundle": None},
    next_steps=["See its rows: `ratchet quarantine show 9f9f`."],
)  # fmt: skip
REJECTED = Standing("rejected", 8, "Version 8 can't ship: it was rejected.", index="index.html")


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


def test_version_date_task_and_verdict_come_first_then_why_and_the_likely_cause() -> None:
    text = Page(render(DATA, REJECTED)).text

    assert text.startswith(
        "Rejected Version 8 2026-11-21 12:00 UTC task films file hotels.jsonl model intents all "
        "batches Version 8 can't ship: it was rejected. films: against the champion, a loss of 6.2"
    )
    assert "Likely cause: labels of films look flipped: 218 of 233 rows" in text
    assert text.index("Likely cause") < text.index("Change from the champion")
    assert text.index("Change from the champion") < text.index("What to do now")
    assert text.index("ratchet quarantine show 9f9f") < text.index("Tasks every check")


def test_what_becomes_of_a_version_changes_its_page_and_nothing_that_was_found() -> None:
    barred = Standing(
        "barred", 8, "Version 8 must not ship.", "Rolled back: complaints.", ["Look."]
    )
    text = Page(render(DATA, barred)).text

    assert text.startswith("Barred Version 8")
    assert "Version 8 must not ship. Rolled back: complaints." in text
    assert "Look." in text and "ratchet quarantine show" not in text
    assert Page(render(DATA)).text.startswith("Rejected Candidate")


def test_what_is_not_needed_at_once_is_folded() -> None:
    tags = Page(render(DATA)).tags

    assert len([tag for tag, _ in tags if tag == "details"]) == 7
    assert not [attributes for tag, attributes in tags if tag == "details" and "open" in attributes]


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = Page(render(DATA, REJECTED))

    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert [each["href"] for tag, each in page.tags if tag == "a"] == ["index.html"]
    assert not re.search(r"https?://|url\(|@import", render(DATA))


def test_hostile_names_are_text_and_nothing_else() -> None:
    evil = "</style><script>alert(1)</script>\"' onload=x &amp;"
    data = replace(
        DATA,
        headline=evil,
        source=evil,
        causes=(evil,),
        rows={evil: [{**SHOWN, "text": evil, "label": evil, "champion": evil}]},
        warnings=(evil,),
        model_name=evil,
        tasks=(evil,),
        verdicts=[verdict(task=evil, exam=evil, sentence=evil)],
        matrix=Matrix([evil], [evil], [1], [1], [[0.5]]),
        confusion={evil: {"candidate": {evil: {evil: 3}}}},
        examples=[{**DATA.examples[0], "text": evil, "label": evil, "exam": evil}],
        drift=[{**FOUND, "name": evil, "sentence": evil, "classes": [shift(evil)]}],
        words={evil: [evil]},
        quarantined={evil: 1},
        provenance={evil: evil},
        next_steps=[evil],
    )
    page = Page(render(data))

    assert not [tag for tag, attributes in page.tags if tag == "script" or "onload" in attributes]
    assert page.text.count("<script>alert(1)</script>") > 20


def test_no_name_turns_the_order_of_a_line_round() -> None:
    evil = "\u202egpj.txt\u2066\u200f"
    page = render(
        replace(
            DATA,
            source=evil,
            confusion={evil: {"candidate": {evil: {evil: 3}}}},
            examples=[{**DATA.examples[0], "text": f"{evil} שלום", "label": evil}],
        )
    )
    assert page.count(r"\u202egpj.txt\u2066\u200f") > 3 and "שלום" in page
    assert not set("\u202e\u2066\u200f") & set(page)


def test_a_missing_number_is_shown_as_missing_and_never_as_zero() -> None:
    text = Page(render(DATA)).text

    assert "parent bundle \N{EN DASH}" in text
    assert "v7 84.0 % \N{EN DASH} candidate 83.0 % 73.6 %" in text


def test_a_matrix_names_its_exam_and_on_how_many_of_its_items_it_compares() -> None:
    text = Page(render(DATA)).text

    assert "books 800 of 911 items films 90 items v7" in text


def test_labels_are_told_with_what_they_are_taken_for() -> None:
    text = Page(render(DATA)).text

    assert "good 10 90.0 % 40.0 % \N{MINUS SIGN}50.0 bad 10 100.0 % 100.0 % 0.0" in text
    assert "1 2 1 bad 10 2 good 6 4" in text
    many = {f"l{n:02}": {f"l{n:02}": 9, f"l{(n + 1) % 25:02}": n} for n in range(25)}
    listed = Page(render(replace(DATA, confusion={"films": {"candidate": many}}))).text
    assert "mixes up most. label answered as items l24 l00 24 of 33" in listed


def test_texts_that_broke_are_shown_with_both_answers() -> None:
    text = Page(render(DATA)).text
    assert "fine film broke \N{MIDDLE DOT} films \N{MIDDLE DOT} it is good" in text
    assert "before: good \N{MIDDLE DOT} now: bad" in text


def test_a_cause_stands_above_the_rows_that_show_it() -> None:
    answered = "dull film labelled good \N{MIDDLE DOT} the champion answers bad , 97 % sure"
    unasked = {**SHOWN, "text": "odd film", "champion": None, "sure": None}
    text = Page(render(replace(DATA, rows={DATA.causes[0]: [SHOWN, unasked]}))).text

    start = text.index("Likely cause: labels of films look flipped")
    assert start < text.index(f"{answered} \N{MIDDLE DOT} ratchet item efefefefefef")
    assert "odd film labelled good \N{MIDDLE DOT} ratchet item" in text
    assert text.index("odd film") < text.index("Change from the champion")


def test_a_sentence_does_not_say_again_what_it_is_about() -> None:
    rows = Page(render(DATA)).text.split("Earlier tasks, against the champion ")[1]
    assert rows.startswith("films FAIL Against the champion, a loss of 6.2 points")


def test_what_was_learned_from_wrong_labels_is_said_to_count_for_nothing() -> None:
    learned = verdict(check="learned", outcome="PASS")
    doubt = "Measured by the batch's own labels, which look wrong: it counts for nothing."
    for doubted, said in ((["films"], True), (["books"], False)):
        data = replace(DATA, verdicts=[verdict(), learned], doubted=doubted)
        assert (doubt in Page(render(data)).text) == said
        assert Page(render(data)).text.count(doubt) == said


def test_a_drift_that_was_found_shows_what_moved() -> None:
    text = Page(render(replace(DATA, drift=[FOUND], words={"more": ["voucher"], "less": []}))).text

    assert "new labels a quarter is new. before in the batch pos 0.0 % 25.0 %" in text
    assert "more voucher" in text and "less" not in text.split("voucher")[1][:20]
    assert (
        "Drift none found" in Page(render(replace(DATA, drift=[{**FOUND, "drifted": False}]))).text
    )


def test_a_loss_is_drawn_to_the_left_of_zero_and_a_gain_to_the_right() -> None:
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


def test_a_loss_reads_as_a_negative_change_with_its_range() -> None:
    text = Page(render(DATA)).text

    assert "\N{MINUS SIGN}6.2 \N{MINUS SIGN}8.3 to \N{MINUS SIGN}4.1" in text
    assert text.count("margin \N{MINUS SIGN}3.0") == text.count("no change") == 1


def test_the_chart_shows_every_task_and_what_is_graver_than_its_exam() -> None:
    rows = [
        verdict(outcome="PASS"),
        verdict(check="classes", outcome="FAIL", group="label a"),
        verdict(check="classes", outcome="PASS", group="label b"),
        verdict(check="anchor", outcome="PASS"),
    ]
    page = render(replace(DATA, verdicts=rows))
    chart = page[page.index("<main>") : page.index("What to do now")]

    assert chart.count('<div class="row">') == 2
    assert chart.index("films, label a") < chart.index("PASS")


def test_everything_drawn_stays_inside_its_axis() -> None:
    rows = [
        verdict(effect_points=e, lower_points=e - w, upper_points=e + w)
        for e, w in ((0.0, 0.0), (-99.0, 1.0), (40.0, 60.0))
    ]
    for tag, attributes in Page(render(replace(DATA, verdicts=rows))).tags:
        for name in ("x", "x1", "x2", "cx"):
            value = attributes.get(name)
            if tag in {"circle", "line", "rect"} and value:
                assert 0 <= float(value.rstrip("%")) <= 100


def test_what_is_only_noted_says_so() -> None:
    row = verdict(consequence="note")

    assert "FAIL, noted only" in Page(render(replace(DATA, verdicts=[row]))).text


def test_before_there_is_anything_to_lose_the_chart_shows_what_was_learned() -> None:
    new = verdict(check="learned", outcome="PASS", exam="", right_to_wrong=None)

    assert "Change from guessing" in Page(render(replace(DATA, verdicts=[new]))).text


def test_labels_that_passed_are_counted_and_the_others_are_named() -> None:
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
def test_every_check_has_a_place_of_its_own_on_the_page(check: str) -> None:
    text = Page(render(replace(DATA, verdicts=[verdict(check=check)]))).text
    assert "Could not be examined " not in text.split("Words")[0] and "films FAIL" in text


def test_the_first_batch_has_a_page_although_nothing_is_there_to_compare() -> None:
    bare = ReportData("promote", "Promote: learned books.", "9f" * 32, "2026-11-21T10:00")

    text = Page(render(bare)).text
    assert text.startswith("Passed Candidate 2026-11-21 10:00 UTC The candidate passed")
    assert "Change from" not in text


def test_facts_that_were_kept_give_the_same_page() -> None:
    kept = json.loads(json.dumps(asdict(DATA)))

    assert render(ReportData.from_json(kept)) == render(DATA)


def test_where_margins_differ_each_row_of_the_chart_names_its_own() -> None:
    other = verdict(task="books", exam="books", margin_points=10.0)
    text = Page(render(replace(DATA, verdicts=[verdict(), other]))).text
    chart = text[: text.index("Tasks every check")]

    assert "margin \N{MINUS SIGN}3.0" in chart and "margin \N{MINUS SIGN}10.0" in chart
    alone = Page(render(replace(DATA, verdicts=[verdict()]))).text
    assert alone[: alone.index("Tasks every check")].count("margin \N{MINUS SIGN}3.0") == 1


def test_an_option_of_a_command_is_never_broken_at_its_hyphens() -> None:
    steps = ("Correct them: `ratchet quarantine export abc rows.csv --answers`.",)
    page = Page(render(replace(DATA, next_steps=steps)))

    assert page.text.count("ratchet quarantine export abc rows.csv --answers") == 1
    assert ("span", {"class": "option"}) in page.tags
