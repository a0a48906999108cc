"""What is told of the champion's accuracy, and that nothing is compared on different items."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.ledger import views
from components.operations import holdouts
from components.pipeline.accuracy_history import story
from components.pipeline.champion_accuracy import OWN_ROWS, champion_accuracy
from components.pipeline.sittings import paper, paper_of, sittings
from components.workspace.root import open_workspace
from tests.stream import add_exam, batch, make_root, rows, settle, write_jsonl


def test_before_the_first_promotion_nothing_is_told(root: Path) -> None:
    assert champion_accuracy(open_workspace(root)) == []


def test_a_task_without_an_exam_shows_the_rows_held_out_of_its_batch(root: Path) -> None:
    settle(root, batch(root / "b1.jsonl", 1))

    [mood] = champion_accuracy(open_workspace(root))
    assert (mood.task, mood.exam) == ("mood", OWN_ROWS)
    assert mood.items > 10 and mood.examined.startswith("20")
    assert mood.low < mood.percent <= mood.high or mood.percent == 100
    assert mood.trend.change_points is None


def test_the_champion_is_told_with_exam_items_interval_date_and_trend(grown: Path) -> None:
    ws = open_workspace(grown)

    [mood] = champion_accuracy(ws)
    assert (mood.exam, mood.items) == ("mood", 200)
    assert mood.percent == pytest.approx(100 * mood.right / 200)
    assert mood.low <= mood.percent <= mood.high
    assert [point.version for point in mood.trend.points] == [1, 2]
    assert mood.trend.items == 200
    assert mood.trend.points[-1].percent == pytest.approx(mood.percent)


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose exam got many more, and much harder, items after the second version."""
    made = make_root(tmp_path_factory.mktemp("growing") / "root")
    add_exam(made, batch(made / "exam.jsonl", 900, 150))
    for seed in (1, 2):
        assert settle(made, batch(made / f"b{seed}.jsonl", seed)).action == "promoted"
    hard = rows(901, 70) + rows(902, 70, flip=True)
    ws = open_workspace(made)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        holdouts.add(ws, lease, write_jsonl(made / "more.jsonl", hard), "mood", fill=True)
    settle(made, batch(made / "b3.jsonl", 3))
    return made


def test_an_exam_that_grew_is_compared_on_the_items_that_all_versions_answered(
    growing: Path,
) -> None:
    ws = open_workspace(growing)
    versions = views.versions(ws.ledger)
    last = ws.read_document(versions[-1].evidence)
    assert {exam["exam"]: exam["n"] for exam in last["exams"]}["mood"] > 250

    told = story(ws, last, [(each.version, each.evidence) for each in versions[:-1]])
    column = told.shared.exams.index("mood")
    assert (told.shared.items[column], told.shared.of[column]) == (150, 290)
    papers = [paper_of(ws, each.evidence) for each in versions]
    first = sittings(ws, papers[0])["candidate"]["mood"]
    newest = sittings(ws, papers[-1])["candidate"]["mood"]
    same = first.asked & newest.asked
    assert [row[column] for row in told.shared.rows][-1] == newest.accuracy(same)
    assert newest.accuracy(same) > newest.accuracy() + 0.1  # what the new items would have hidden
    assert told.measures["forgetting"] < 0.05


def test_measures_are_of_the_same_items_as_the_table_beside_them(growing: Path) -> None:
    ws = open_workspace(growing)
    versions = views.versions(ws.ledger)
    last = ws.read_document(versions[-1].evidence)
    told = story(ws, last, [(each.version, each.evidence) for each in versions[:-1]])

    *earlier, newest = told.shared.rows
    known = [cell for cell in newest if cell is not None]
    assert told.shared.items != told.shared.of, "the exam grew: its own items say something else"
    assert told.measures["average_accuracy"] == pytest.approx(sum(known) / len(known))
    columns = [
        (*(row[place] for row in earlier if row[place] is not None), newest[place])
        for place in range(len(newest))
    ]
    lost = [max(past) - now for *past, now in columns if past]
    assert told.measures["forgetting"] == pytest.approx(sum(lost) / len(lost))


def test_items_whose_label_the_champion_does_not_know_are_left_out_of_both_sides(
    grown: Path,
) -> None:
    known, new = rows(5, 60), [{**row, "label": "odd"} for row in rows(6, 40)]
    ws = open_workspace(grown)
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        file = write_jsonl(grown / "wider.jsonl", known + new)
        holdouts.add(ws, lease, file, "mood", fill=True)
    settle(grown, batch(grown / "b3.jsonl", 3))

    last = ws.read_document(views.versions(ws.ledger)[-1].evidence)
    assert last["asked"]["mood"].count("0") == 40
    sat = sittings(ws, paper(last))
    assert len(sat["candidate"]["mood"].asked) == last["exams"][0]["n"]
    earlier = {key: value for key, value in last.items() if key != "asked"}
    assert "mood" not in sittings(ws, paper(earlier))["candidate"], "guessed which were asked"


def test_versions_from_before_a_task_came_are_no_part_of_its_trend(grown: Path) -> None:
    add_exam(grown, batch(grown / "exam-chat.jsonl", 50, 200), "chat")
    for seed in (51, 52):
        arrived = batch(grown / f"chat-{seed}.jsonl", seed)
        assert settle(grown, arrived, task="chat").action == "promoted"

    told = {each.task: each.trend for each in champion_accuracy(open_workspace(grown))}
    assert [point.version for point in told["chat"].points] == [3, 4]
    assert [point.version for point in told["mood"].points] == [1, 2, 3, 4]
