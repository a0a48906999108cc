"""The plot of the index: every value lies where the axis says, every sign is in the legend."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from components.report.index_page import Panel, Return, Step, render_index


def step(version: int, after: float, before: float | None = None, status: str = "former") -> Step:
    parent = None if before is None else version - 1
    return Step(version, parent, status, before, after, 250, "shop#batches")


class Drawing(HTMLParser):
    """What is drawn in the first panel, and the legend."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.drawn: list[tuple[str, dict[str, Any]]] = []
        self.texts: list[str] = []
        self.feed(re.search(r"<svg.*?</svg>", html, re.DOTALL)[0])  # type: ignore[index]
        self.legend = html[html.index('class="legend"') : html.index("<h2>Batches")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.drawn.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def signs(self) -> list[dict[str, Any]]:
        return [
            each for tag, each in self.drawn if tag == "circle" or each.get("class") == "rejected"
        ]

    def value_at(self, y: float) -> float:
        """Read a height off the axis, as a person does: by its two lines and what stands there."""
        lines = [float(e["y1"]) for tag, e in self.drawn if tag == "line" and e["x1"] == "12%"]
        high, low = (float(text.removesuffix(" %")) for text in self.texts if text.endswith(" %"))
        return high - (high - low) * (y - lines[0]) / (lines[1] - lines[0])


def drawn(*steps: Step, returns: tuple[Return, ...] = ()) -> Drawing:
    return Drawing(render_index("m", "Version 1.", [Panel("shop", "", steps)], [], returns))


@pytest.mark.parametrize("low", [0.808, 0.0, 0.999, 1.0])
def test_a_value_lies_where_the_axis_says(low: float) -> None:
    plot = drawn(step(1, 1.0), step(2, low, before=1.0, status="rejected"))

    first, second = plot.signs()
    assert plot.value_at(float(first["cy"])) == pytest.approx(100, abs=0.2)
    assert plot.value_at(float(second["y"]) - 5) == pytest.approx(100 * low, abs=0.2)


def test_what_came_into_force_again_has_a_place_of_its_own_inside_the_plot() -> None:
    steps = step(1, 0.9), step(2, 0.8, before=0.9)
    returns = (
        Return(1, 2, "rollback", "2026-12-01", "Refunds <were> wrong."),
        Return(2, 2, "undo", "2026-12-02", "It was the shop."),
    )
    plot = drawn(*steps, returns=returns)

    across = [float(each["cx"].removesuffix("%")) for each in plot.signs()]
    assert across == sorted(set(across)) and len(across) == 4 and across[-1] < 100
    assert [text for text in plot.texts if re.fullmatch(r"v\d+", text)] == ["v1", "v2", "v1", "v2"]
    assert "rollback to version 1, 2026-12-01: Refunds <were> wrong." in plot.texts
    marked = [each for tag, each in plot.drawn if each.get("class") == "return"]
    assert [float(each["x1"].removesuffix("%")) for each in marked] == across[2:]
    assert "rollback or undo" in plot.legend


def test_what_is_trained_after_a_rollback_goes_on_from_there() -> None:
    after = Step(3, 1, "champion", 0.9, 0.9, 250, "shop")
    back = Return(1, 2, "rollback", "2026-12-01", "")
    plot = drawn(step(1, 0.9), step(2, 0.8, before=0.9, status="barred"), after, returns=(back,))

    way = [each for _, each in plot.drawn if each.get("class") == "way"][-1]
    (mark,) = [each for _, each in plot.drawn if each.get("class") == "return"]
    assert way["x1"] == mark["x1"]


def test_the_legend_has_the_signs_that_are_drawn_and_no_others() -> None:
    statuses = "former", "champion", "rejected", "superseded", "held", "barred"
    for status in statuses:
        plot = drawn(step(1, 0.9), step(2, 0.9, before=0.9, status=status))
        signs = {each["class"] for each in plot.signs()}
        assert set(re.findall(r'<(?:circle|text) class="(\w+)"', plot.legend)) == signs
        assert ("rejected" in signs) == (status == "rejected")
    assert "rollback" not in plot.legend and "exam grew" not in plot.legend


def test_many_versions_are_named_without_running_into_each_other() -> None:
    plot = drawn(*(step(number, 0.9) for number in range(1, 61)))

    names = [text for text in plot.texts if text.startswith("v") and text[1:].isdigit()]
    assert len(names) <= 9 and names[-1] == "v60"


def test_an_exam_has_the_name_that_people_read() -> None:
    plot = drawn(step(1, 0.9))
    assert "version 1, former: 90.0 %, on 250 items of shop (rows of batches)" in plot.texts
