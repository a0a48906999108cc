"""What a version gets wrong, held against answers that the test asks for itself."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from components.items import read_items
from components.ledger import views
from components.ledger.events import ScoresDistrusted
from components.model.answering import predict
from components.model.bundle import open_bundle
from components.model.placement import placement_of
from components.operations import same_items
from components.operations.holdouts import items_path
from components.operations.mistakes import find_mistakes
from components.workspace.root import Workspace, open_workspace
from tests.command import assert_one_paragraph, ratchet
from tests.stream import add_exam, batch, copied, rows, settle, write_jsonl


@pytest.fixture(scope="module")
def poisoned_once(grown_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grown root with a third version that learned turned labels and was rejected."""
    root = copied(grown_once, tmp_path_factory.mktemp("poisoned") / "root")
    assert settle(root, batch(root / "b3.jsonl", 3, flip=True)).action == "rejected"
    return root


@pytest.fixture
def poisoned(poisoned_once: Path, tmp_path: Path) -> Path:
    return copied(poisoned_once, tmp_path / "root")


def version(ws: Workspace, number: int) -> views.Version:
    return same_items.named(ws, str(number))


def answers(ws: Workspace, number: int, texts: list[str]) -> list[str]:
    """What a version says, asked past everything that is kept."""
    bundle = open_bundle(ws.bundles, version(ws, number).bundle)
    return list(predict(ws.base, bundle, texts, placement_of(ws.in_force())).labels)


def test_the_mistakes_are_those_of_the_models_themselves(poisoned: Path) -> None:
    ws = open_workspace(poisoned)
    items = [item for file in ws.holdouts.glob("*.jsonl") for item in read_items(file)]
    held = {each.item for each in views.held_items(ws.ledger)}
    batches = [ws.batches / b.batch[:2] / b.batch for b in views.arrivals(ws.ledger)]
    for folder in batches:
        own = read_items(folder / "items.jsonl")
        items += [item for item in own if item.digest in held]
    assert len(items) == len(held) > 200
    texts = [item.text for item in items]
    now, before = answers(ws, 3, texts), answers(ws, 2, texts)

    found = find_mistakes(ws, version(ws, 3))
    [task] = found.tasks
    assert (found.version, found.parent, found.status) == (3, 2, "rejected")
    assert found.items == task.items == len(items) and not found.left_out
    assert task.right == sum(a == i.label for a, i in zip(now, items, strict=True))
    assert task.right_before == sum(a == i.label for a, i in zip(before, items, strict=True))
    pairs = Counter((i.label, a) for a, i in zip(now, items, strict=True))
    assert pairs == {(x, y): n for x, row in task.matrix.items() for y, n in row.items()}
    broke = {
        i.digest
        for i, a, b in zip(items, now, before, strict=True)
        if b == i.label and a != i.label
    }
    assert broke == {each.item for each in task.of("broke")} and len(broke) > 20
    told = {i.digest: (a, b) for i, a, b in zip(items, now, before, strict=True)}
    assert all(told[each.item] == (each.answer, each.before) for each in task.mistakes)
    assert {(each.label, each.answer) for each in task.confused} == {("pos", "neg"), ("neg", "pos")}
    assert len(found.wrong()) == found.items - task.right


def test_the_first_version_has_no_parent_and_plain_mistakes(grown: Path) -> None:
    found = find_mistakes(open_workspace(grown), version(open_workspace(grown), 1))
    assert found.parent is None and found.tasks[0].right_before is None
    assert {each.change for each in found.wrong()} <= {"wrong"}


def test_what_a_refused_version_was_trained_on_is_no_exam_of_it(poisoned: Path) -> None:
    learned = rows(3, flip=True)
    add_exam(poisoned, write_jsonl(poisoned / "again.jsonl", learned[:60]))
    ws = open_workspace(poisoned)
    train = len(views.split_side(ws.ledger, version(ws, 3).batch or "", "train"))
    found = find_mistakes(ws, version(ws, 3))
    [(why, left)] = found.left_out.items()
    assert why == "training rows of version 3" and 0 < left <= train
    champion = find_mistakes(ws, version(ws, 2))
    assert champion.items == found.items + left and not champion.left_out


def test_the_command_says_the_same_and_the_next_step(poisoned: Path) -> None:
    ran = ratchet(poisoned, "errors", "3", "--json")
    shown = ratchet(poisoned, "errors", "3")
    assert ran.code == shown.code == 0 and not shown.err
    [task] = ran.facts["tasks"]
    assert f"{task['right']:,} of {task['items']:,} right" in shown.out
    broke = sum(each["change"] == "broke" for each in task["mistakes"])
    assert f"{broke:,} broke" in shown.out and "Most confused" in shown.out
    assert "label \\ answered" in shown.out  # two labels fit in a matrix
    assert "next" not in shown.out and "ratchet quarantine export" in shown.out
    assert "--csv" in shown.out
    assert ratchet(poisoned, "errors", "champion", "--json").facts["version"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["errors", "9"], "There is no version 9"),
        (["errors", "candidate"], "No version is held"),
        (["errors", "2", "--task", "nothing"], "no exam of task 'nothing'"),
    ],
)
def test_what_is_not_there_is_said_in_one_paragraph(
    grown: Path, words: list[str], says: str
) -> None:
    ran = ratchet(grown, *words)
    assert_one_paragraph(ran)
    assert ran.code == 2 and says in ran.err


def test_candidate_is_the_version_that_is_held(waiting: Path) -> None:
    found = same_items.named(open_workspace(waiting), "candidate")
    assert (found.status, found.version) == ("held", 2)
    assert same_items.named(open_workspace(waiting), "champion").version == 1


def test_a_slip_in_the_name_of_a_version_is_a_usage_error(grown: Path) -> None:
    for name in ("0", "-1", "best", "1.5"):
        assert ratchet(grown, "errors", name).code == 2


def test_wrong_labels_of_an_exam_come_back_corrected(grown: Path) -> None:
    """The whole way round: wrong exam labels are found, corrected in the file, and count."""
    wrong = rows(77, 40, flip=True)
    wrong[0]["text"] = '=good great\n"fine", nice;\tgood ünïcode 日本'
    wrong[0]["label"] = "neg"
    add_exam(grown, write_jsonl(grown / "wrong.jsonl", wrong))
    file = grown / "to correct.csv"
    ran = ratchet(grown, "errors", "champion", "--csv", file)
    assert ran.code == 0 and "never trained on" in ran.out
    [step] = [line for line in ran.out.splitlines() if "relabel mood#2 " in line]
    assert "'" in step  # a path with a space is quoted for the shell

    with file.open(encoding="utf-8-sig", newline="") as source:
        table = list(csv.DictReader(source))
    own = [row for row in table if row["ratchet_exam"] == "mood#2"]
    assert len(own) >= 38
    for row in table:
        if row["ratchet_exam"] == "mood#2":
            row["label"] = {"pos": "neg", "neg": "pos"}[row["label"]]
    with file.open("w", encoding="utf-8-sig", newline="") as target:
        writer = csv.DictWriter(target, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    done = ratchet(grown, "exam", "relabel", "mood#2", file, "--reason", "turned", "--json")
    assert done.code == 0 and done.facts["items"] == len(own)
    after = ratchet(grown, "errors", "champion", "--json").facts
    assert sum(each["exam"] == "mood#2" for each in after["tasks"][0]["mistakes"]) == 40 - len(own)
    ws = open_workspace(grown)
    [brought] = [each for each in views.exam_records(ws.ledger) if each.exam == "mood#2"]
    assert brought.items == 40
    assert items_path(ws, views.held_items(ws.ledger, "mood#2")[0].source).exists()


def test_a_file_that_exists_is_not_written_over(grown: Path) -> None:
    file = grown / "rows.csv"
    file.write_text("mine")
    assert_one_paragraph(ratchet(grown, "errors", "2", "--csv", file))
    assert file.read_text() == "mine"
    assert ratchet(grown, "errors", "2", "--csv", grown / "rows.txt").code == 2


def test_exam_rows_that_are_run_never_train_and_it_is_said(grown: Path) -> None:
    add_exam(grown, write_jsonl(grown / "wrong.jsonl", rows(77, 40, flip=True)))
    file = grown / "wrong.csv"
    found = ratchet(grown, "errors", "champion", "--csv", file, "--json").facts
    alone = settle(grown, file)
    assert (alone.action, alone.blocked) == ("refused", found["rows"])
    assert "ratchet exam relabel" in alone.headline
    with file.open(encoding="utf-8-sig", newline="") as source:
        exam_rows = [{"text": row["text"], "label": row["label"]} for row in csv.DictReader(source)]
    mixed = settle(grown, write_jsonl(grown / "mixed.jsonl", [*rows(6, 90), *exam_rows]))
    ws = open_workspace(grown)
    assert mixed.blocked == found["rows"]
    sides = [set(views.split_side(ws.ledger, mixed.batch, side)) for side in ("train", "holdout")]
    held = {each.item for each in views.held_items(ws.ledger, "mood#2")}
    assert not held & (sides[0] | sides[1])
    shown = ratchet(grown, "run", grown / "mixed.jsonl", "--task", "mood")
    assert f"{found['rows']} rows of it held out for exams" in shown.out


def test_a_kept_answer_that_was_changed_is_not_used_and_is_recorded(grown: Path) -> None:
    ws = open_workspace(grown)
    before = ratchet(grown, "errors", "2", "--json").facts
    with closing(sqlite3.connect(ws.mlruns / "scores.db")) as store, store:
        turned = "CASE label WHEN 'pos' THEN 'neg' ELSE 'pos' END"
        assert store.execute(f"UPDATE scored SET label = {turned}").rowcount > 200
    assert ratchet(grown, "errors", "2", "--json").facts == before
    assert views.told(ws.ledger, ScoresDistrusted)
