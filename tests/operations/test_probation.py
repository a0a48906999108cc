"""A version that comes into force undecided, and how that ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from components.errors import ConfigError
from components.gate import evidence
from components.ledger import views
from components.ledger.events import (
    ProbationEnded,
    ProbationExamined,
    SettingsSeen,
    VersionPromoted,
)
from components.ledger.projections import Superseded
from components.ledger.verify import verify
from components.operations import corrections, labelling, planning, probation, rollback
from components.operations.between_batches import Between
from components.operations.quarantine_release import release_any
from components.pipeline import promotion
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from flows.steps import changing
from tests.pools import add_pool, asked, inputs, truth
from tests.stream import PARAMS, add_exam, copied, make_root, rows, settle, write_jsonl

ON = PARAMS + "gate: {undecided: probation, probation_labels: 150, probation_days: 7}\n"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/evidence.schema.json").read_bytes())
LATER = datetime.now(UTC) + timedelta(days=8)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose second version is on probation: its exam has 40 rows, none of them lost."""
    root = make_root(tmp_path_factory.mktemp("probation") / "root", ON)
    assert settle(root, write_jsonl(root / "b1.jsonl", rows(1, 200))).action == "promoted"
    settled = settle(root, write_jsonl(root / "b2.jsonl", rows(2, 60)))
    assert settled.action == "promoted"
    assert settled.headline.startswith("Promote on probation: mood (rows of batches): against")
    [note] = settled.notes
    assert note.startswith("Version 2 is on probation until ") and "150 labels" in note
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return copied(template, tmp_path / "root")


def champion(ws: Workspace) -> int | None:
    """Return the champion, on which ledger and MLflow agree; the ledger follows from its events."""
    found = views.champion(ws.ledger)
    number = found.version if found else None
    assert ws.registry.alias("champion") == number
    verify(ws.ledger)
    return number


def check(ws: Workspace) -> probation.Ended | None:
    with changing(ws) as lease:
        return probation.check(ws, lease)


def label_all(root: Path, wrong: bool = False) -> int:
    """Answer what is asked by the truth, or against the candidate; return how many inputs."""
    ws, labelled = open_workspace(root), set[str]()
    while questions := asked(root):
        label = truth(questions[0].text)
        if wrong:
            label = next(each for each in questions[0].choices if each != given(ws, questions[0]))
        labelling.answer(ws, questions[0], "label", label)
        labelled.add(questions[0].item)
    return len(labelled)


def given(ws: Workspace, question: labelling.Question) -> str:
    """Return what the version on probation says of an input."""
    on = views.probation(ws.ledger)
    assert on is not None and on.evidence is not None
    document = ws.read_document(on.evidence)
    differing = {each["item"]: each for pool in document["pools"] for each in pool["differing"]}
    return str(differing[question.item]["candidate"])


def test_it_is_in_force_unconfirmed_and_recorded_as_that(root: Path) -> None:
    ws = open_workspace(root)
    assert champion(ws) == 2
    [first, second] = views.lineage(ws.ledger)[::-1]
    assert second.anchors == first.anchors == {"mood": 1}, "no anchor moves"
    [_, promoted] = views.told(ws.ledger, VersionPromoted)
    assert promoted.actor == "pipeline" and promoted.payload.probation_labels == 150
    ends = datetime.fromisoformat(promoted.payload.probation_ends or "")
    assert ends - datetime.fromisoformat(promoted.time) < timedelta(days=7)
    assert [row.how for row in views.pointer_history(ws.ledger)] == ["promotion", "probation"]
    assert {each.unconfirmed for each in views.exam_records(ws.ledger)} == {12}, "its own rows"
    assert probation.counts(ws) == probation.Counts(1, 0, 0, 0)
    [seen] = views.told(ws.ledger, SettingsSeen)
    assert (
        ws.read_document(seen.payload.settings)["gate"]["undecided"] == "probation" and seen.actor
    )
    document = ws.read_document(second.evidence)
    jsonschema.validate(document, SCHEMA)
    assert document["rules"]["undecided"] == "probation"
    assert evidence.decide_again(document)[1] == []
    assert planning.decide_again(ws, 2)["action"] == "probation"
    with pytest.raises(ConfigError, match="Version 2 can't be its anchor"), changing(ws) as lease:
        corrections.move_anchor(ws, lease, "mood", "try", to=2)


def test_where_the_undecided_is_held_nothing_of_it_is_written(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    settle(root, write_jsonl(root / "b1.jsonl", rows(1, 200)))
    settled = settle(root, write_jsonl(root / "b2.jsonl", rows(2, 60)))
    assert settled.action == "held" and settled.headline.startswith("Hold for a person: mood")
    ws = open_workspace(root)
    assert "probation" not in json.dumps([each.payload for each in views.events(ws.ledger)])
    for version in views.versions(ws.ledger):
        assert "undecided" not in ws.read_document(version.evidence)["rules"]


def test_labels_confirm_it_and_what_waited_is_run(root: Path) -> None:
    add_pool(root, inputs(root / "pool.jsonl", 900, 300))
    third = settle(root, write_jsonl(root / "b3.jsonl", rows(3, 200)))
    assert third.action == "held" and third.version is None
    assert third.headline.startswith("Held until the probation of version 2 ends: by ")
    ws = open_workspace(root)
    count = label_all(root)
    assert 0 < count < 150 and champion(ws) == 2
    done = Between().do(ws, changing)
    assert done.probation is not None and done.probation.confirmed and champion(ws) == 2
    assert done.probation.reason.startswith(f"Version 2 is confirmed, with {count} labels that did")
    [ended] = views.told(ws.ledger, ProbationEnded)
    assert ended.payload.anchors == {"mood": 1} == views.lineage(ws.ledger)[0].anchors
    document = ws.read_document(ended.payload.evidence or "")
    jsonschema.validate(document, SCHEMA)
    assert evidence.decide_again(document)[1] == []
    assert {each.unconfirmed for each in views.exam_records(ws.ledger)} == {0}
    assert [each.batch for each in views.waiting(ws.ledger)] == [third.batch]
    settled = run_batch(ws, third.batch)
    assert settled.version == 3 and not settled.headline.startswith("Held until"), settled
    version = views.version(ws.ledger, 3)
    assert version is not None and version.parent == 2
    assert ws.read_document(version.evidence)["look"] == 0, "to wait is no look"
    assert probation.counts(ws) == probation.Counts(1, 1, 0, 0)


def test_a_loss_that_is_shown_takes_it_back_and_bars_nothing(root: Path) -> None:
    add_pool(root, inputs(root / "pool.jsonl", 900, 1500))
    ws = open_workspace(root)
    assert check(ws) is None and views.probation(ws.ledger).looks == 1  # type: ignore[union-attr]
    label_all(root, wrong=True)
    ended = check(ws)
    assert ended is not None and not ended.confirmed and champion(ws) == 1
    assert ended.reason.startswith("Version 2 lost too much on probation")
    second = views.version(ws.ledger, 2)
    assert second is not None and second.status == "rejected"
    assert views.arrival(ws.ledger, second.batch or "").status == "rejected"  # type: ignore[union-attr]
    assert probation.counts(ws) == probation.Counts(1, 0, 1, 0)
    with changing(ws) as lease:
        released = release_any(ws, lease, (second.batch or "")[:12])
    again = run_batch(ws, released.batch)
    assert again.action != "quarantined" and "barred" not in again.headline


def test_when_the_days_are_over_it_is_held_as_if_it_had_never_been_in_force(root: Path) -> None:
    third = settle(root, write_jsonl(root / "b3.jsonl", rows(3, 60)))
    ws = open_workspace(root, clock=lambda: LATER)
    assert not Between().do(open_workspace(root), changing).probation, "the days are not over"
    ended = Between().do(ws, changing).probation
    assert ended is not None and (ended.confirmed, ended.champion) == (False, 1)
    assert champion(ws) == 1 and "with 0 labels that did not admit it" in ended.reason
    second = views.version(ws.ledger, 2)
    assert second is not None and second.status == "held"
    held = views.arrival(ws.ledger, second.batch or "")
    assert held is not None and (held.status, held.reason) == ("held", ended.reason)
    assert [each.batch for each in views.waiting(ws.ledger)] == [third.batch]
    assert [row.how for row in views.pointer_history(ws.ledger)][-1] == "rollback"
    assert {each.unconfirmed for each in views.exam_records(ws.ledger)} == {12}
    with changing(ws) as lease:
        assert promotion.promote(ws, lease, 2, "approved") == "promoted"
    assert champion(ws) == 2 and views.probation(ws.ledger) is None, "a person confirms"


def test_a_batch_gets_one_probation(root: Path) -> None:
    ws = open_workspace(root, clock=lambda: LATER)
    assert check(ws) is not None
    second = views.version(ws.ledger, 2)
    assert second is not None and second.batch is not None
    with changing(ws) as lease:
        release_any(ws, lease, second.batch)
    settled = run_batch(ws, second.batch)
    assert settled.action == "held" and settled.headline.startswith("Hold for a person")


def test_labelled_items_that_came_later_confirm_it(root: Path) -> None:
    """Items count that were not in the admitting snapshot, and only once they may decide."""
    ws = open_workspace(root)
    add_exam(root, write_jsonl(root / "few.jsonl", rows(50, 60)))
    assert check(ws) is None and not views.told(ws.ledger, ProbationExamined)
    fresh = probation.progress(ws)
    assert fresh is not None and fresh.labels > 40
    add_exam(root, write_jsonl(root / "more.jsonl", rows(51, 140)))
    ended = check(ws)
    [looked] = views.told(ws.ledger, ProbationExamined)
    [snapshot] = [ws.read_document(looked.payload.snapshot)]
    assert snapshot.keys() == {"mood"} and champion(ws) == 2
    assert ended is not None and ended.confirmed, ended


def test_pool_inputs_that_were_answered_before_count_as_not_known(root: Path) -> None:
    add_pool(root, inputs(root / "pool.jsonl", 900, 300))
    ws = open_workspace(root)
    check(ws)
    before = views.probation(ws.ledger)
    assert before is not None and before.evidence is not None
    questions = asked(root)
    labelling.answer(ws, questions[0], "label", truth(questions[0].text))
    document, newest = ws.read_document(before.evidence), ws.ledger.head().seq
    from components.pipeline.decision_now import decide_now

    for since, unclear in ((before.since, 0), (newest, 1)):
        pools = decide_now(ws, document, since).examination.pools
        assert sum(each.given.unclear for pool in pools for each in pool.differing) == unclear


def test_a_rollback_by_a_person_bars_it_as_ever_and_ends_the_wait(root: Path) -> None:
    third = settle(root, write_jsonl(root / "b3.jsonl", rows(3, 60)))
    ws = open_workspace(root)
    with changing(ws) as lease:
        rollback.roll_back(ws, lease, 1, "by hand")
    assert champion(ws) == 1 and probation.counts(ws) == probation.Counts(1, 0, 0, 1)
    assert probation.is_due(ws) and check(ws) is None
    assert [each.batch for each in views.waiting(ws.ledger)] == [third.batch]


def test_a_batch_that_waits_can_be_released_and_waits_again(root: Path) -> None:
    third = settle(root, write_jsonl(root / "b3.jsonl", rows(3, 60)))
    ws = open_workspace(root)
    with changing(ws) as lease:
        assert release_any(ws, lease, third.batch[:12]).batch == third.batch
    assert run_batch(ws, third.batch).headline.startswith("Held until")


def test_nothing_is_promoted_on_top_of_it(root: Path) -> None:
    """Law: one version at a time is unconfirmed, whoever asks."""
    ws = open_workspace(root)
    with changing(ws) as lease:
        from tests.ledger.story import digest, registration

        ws.ledger.append(registration(None, 3, 2, bundle=digest("other")), lease)
        follows = VersionPromoted(
            version=3, batch=None, parent=2, anchors={"mood": 1}, exams={}, reason="follows"
        )
        with pytest.raises(Superseded, match="Version 2 is on probation"):
            ws.ledger.append(follows, lease)
        elsewhere = ProbationEnded(
            version=2, batch=None, to=3, confirmed=False, reason="", labels=0
        )
        with pytest.raises(Superseded, match="not on probation any more"):
            ws.ledger.append(elsewhere, lease)
