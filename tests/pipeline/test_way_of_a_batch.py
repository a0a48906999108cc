"""From arrival to decision: what is decided, on what evidence, and what never trains."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from components.data.split import split_items
from components.errors import Corrupted
from components.exam_names import batch_exam
from components.gate import Answers, Rules, shown_better
from components.items import read_items
from components.ledger import views
from components.model.bundle import Bundle, open_bundle
from components.operations import reconciliation
from components.operations.explanation import explain
from components.operations.planning import decide_again
from components.operations.quarantine_release import release_any
from components.operations.rollback import look, roll_back
from components.pipeline import examination, preparation, settlement, training
from components.pipeline.arrival import arrive
from components.pipeline.preparation import Settled
from components.training.memory import remembered
from components.workspace.batch_files import items_path
from components.workspace.item_library import Library
from components.workspace.root import Workspace, open_workspace
from flows.retrain import run_batch
from tests.stream import FILLER, GOOD, PARAMS, add_exam, batch, make_root, rows, settle, write_jsonl

REPOSITORY = Path(__file__).parents[2]


def bundle_of(ws: Workspace, settled: Settled) -> Bundle:
    assert settled.version is not None
    version = views.version(ws.ledger, settled.version)
    assert version is not None
    return open_bundle(ws.bundles, version.bundle)


def evidence_of(ws: Workspace, settled: Settled) -> dict[str, Any]:
    assert settled.version is not None
    version = views.version(ws.ledger, settled.version)
    assert version is not None
    return dict(ws.read_document(version.evidence))


def sides(ws: Workspace, batch: str) -> tuple[set[str], set[str]]:
    train, held = (set(views.split_side(ws.ledger, batch, side)) for side in ("train", "holdout"))
    return train, held


def set_params(root: Path, extra: str) -> None:
    (root / "params.yaml").write_text(f"{PARAMS}\n{extra}\n", encoding="utf-8")


def set_holdout(root: Path, values: str) -> None:
    params = PARAMS.replace("holdout: {first_fraction: 0.0}", f"holdout: {{{values}}}")
    (root / "params.yaml").write_text(params, encoding="utf-8")


def test_the_evidence_is_what_its_schema_says(tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((REPOSITORY / "docs/evidence.schema.json").read_text(encoding="utf-8"))
    root = make_root(tmp_path / "root")
    add_exam(root, batch(tmp_path / "exam.jsonl", 900, 60))
    settled = [settle(root, batch(tmp_path / f"b{seed}.jsonl", seed, 60)) for seed in (1, 2)]
    ws = open_workspace(root)
    for number, each in enumerate(settled, start=1):
        Draft202012Validator(schema).validate(evidence_of(ws, each))
        assert decide_again(ws, number)["action"] == "promote"


def test_the_same_seed_batch_and_state_give_the_same_bundle_and_evidence(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        root = make_root(tmp_path / name)
        add_exam(root, batch(tmp_path / "exam.jsonl", 900, 60))
        settled = [settle(root, batch(tmp_path / f"b{seed}.jsonl", seed, 60)) for seed in (1, 2)]
        versions = views.versions(open_workspace(root).ledger)
        found.append((settled, [(v.bundle, v.evidence, v.headline) for v in versions]))
    assert found[0] == found[1]
    first, second = (tmp_path / name / "mlruns" for name in ("one", "two"))
    for bundle, evidence, _ in found[0][1]:
        for file in (first / "bundles" / bundle).rglob("*"):
            twin = second / file.relative_to(first)
            assert file.is_dir() or file.read_bytes() == twin.read_bytes()
        document = first / "documents" / f"{evidence}.json"
        assert document.read_bytes() == (second / document.relative_to(first)).read_bytes()


def test_a_poisoned_batch_is_rejected_by_name_and_number_and_blocks_nobody(grown: Path) -> None:
    poisoned = settle(grown, batch(grown / "poison.jsonl", 3, flip=True))
    assert poisoned.action == "rejected" and "mood" in poisoned.headline
    ws = open_workspace(grown)
    assert poisoned.version is not None
    facts = explain(ws, poisoned.version)
    [failed] = [v for v in facts["verdicts"] if (v["check"], v["exam"]) == ("forgetting", "mood")]
    assert failed["outcome"] == "FAIL" and failed["lower_points"] > failed["margin_points"]
    assert failed["n"] == 200
    _, held = sides(ws, poisoned.batch)
    assert held and held.isdisjoint(item.item for item in views.held_items(ws.ledger))
    good = settle(grown, batch(grown / "good.jsonl", 4))
    assert (good.action, good.version) == ("promoted", 4)
    version = views.version(ws.ledger, 4)
    assert version is not None and version.parent == 2


def test_an_exam_remembers_whom_it_turned_away(grown: Path) -> None:
    """What it rejects costs it nothing; what it holds counts."""
    ledger = open_workspace(grown).ledger
    assert views.exam_use(ledger)["mood"] == views.ExamUse(decisions=1, turned_away=0)
    poisoned = settle(grown, batch(grown / "poison.jsonl", 3, flip=True))
    assert poisoned.action == "rejected"
    assert views.exam_use(ledger)["mood"] == views.ExamUse(decisions=2, turned_away=0)
    set_params(grown, "gate: {margin_points: 0.1}")
    held = settle(grown, batch(grown / "held.jsonl", 4))
    assert held.action == "held"
    assert views.exam_use(ledger)["mood"] == views.ExamUse(decisions=3, turned_away=1)
    set_params(grown, "")
    good = settle(grown, batch(grown / "good.jsonl", 5))
    exams = evidence_of(open_workspace(grown), good)["exams"]
    assert {exam["exam"]: exam["refusals"] for exam in exams}["mood"] == 1
    assert good.action == "promoted"
    assert views.exam_use(ledger)["mood"] == views.ExamUse(decisions=4, turned_away=1)


def test_nothing_held_out_is_trained_on_replayed_or_remembered(grown: Path) -> None:
    ws = open_workspace(grown)
    held = [item for item in views.held_items(ws.ledger)]
    library = Library(ws)
    texts = [item.text for item in library.held(held[:30]).values()]
    values = rows(3) + [{"text": f"  {text.upper()}!! ", "label": "pos"} for text in texts]
    settled = settle(grown, write_jsonl(grown / "b3.jsonl", values))
    assert settled.action == "promoted"
    bundle = bundle_of(ws, settled)
    held_near = {item.near for item in views.held_items(ws.ledger)}
    train, mine = sides(ws, settled.batch)
    assert len(train) + len(mine) < len(values) - 29
    replayed = Library(ws).remembered(remembered(bundle))
    assert len(replayed) > len(train)
    assert held_near.isdisjoint(item.near for item in replayed)
    assert {ref.item for ref in remembered(bundle)}.isdisjoint(
        i.item for i in views.held_items(ws.ledger)
    )
    near = {item.near for item in replayed}
    assert near <= views.trained_among(ws.ledger, near)


def test_training_on_a_held_out_row_is_stopped_even_if_the_split_were_wrong(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = open_workspace(grown)
    [held, *_] = Library(ws).held(views.held_items(ws.ledger)).values()
    made = split_items

    def leaking(*arguments: Any) -> Any:
        split = made(*arguments)
        return type(split)((*split.train, held), split.holdout, split.blocked)

    monkeypatch.setattr(preparation, "split_items", leaking)
    with pytest.raises(Corrupted, match="held-out rows were about to be trained on"):
        settle(grown, batch(grown / "b3.jsonl", 3))
    assert len(views.versions(ws.ledger)) == 2


def test_replaying_a_held_out_row_is_stopped_even_if_the_memory_were_wrong(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = open_workspace(grown)
    held = list(Library(ws).held(views.held_items(ws.ledger)).values())
    begun = len(list(views.events(ws.ledger, kind="training.begun")))
    monkeypatch.setattr(Library, "remembered", lambda library, references: held[:2])
    with pytest.raises(Corrupted, match="2 held-out rows were about to be trained on"):
        settle(grown, batch(grown / "b3.jsonl", 3))
    assert len(list(views.events(ws.ledger, kind="training.begun"))) == begun


def test_an_exam_too_small_to_tell_holds_the_batch_and_the_queue_goes_on(root: Path) -> None:
    set_params(root, "gate: {margin_points: 0.1}")
    first = settle(root, batch(root / "b1.jsonl", 1))
    second = settle(root, batch(root / "b2.jsonl", 2, 60))
    assert (first.action, second.action) == ("promoted", "held")
    ws = open_workspace(root)
    assert ws.registry.aliases() == {"champion": 1, "candidate": 2}
    third = settle(root, batch(root / "b3.jsonl", 3, 60))
    version = views.version(ws.ledger, 3)
    assert third.version == 3 and version is not None and version.parent == 1


def test_with_approval_always_a_pass_waits_and_stays_waiting(grown: Path) -> None:
    set_params(grown, "gate: {approval: always}")
    held = settle(grown, batch(grown / "b3.jsonl", 3))
    assert held.action == "held" and held.headline.startswith("Hold for approval")
    set_params(grown, "")
    following = settle(grown, batch(grown / "b4.jsonl", 4))
    assert (following.action, following.version) == ("promoted", 4)
    ws = open_workspace(grown)
    assert settle(grown, grown / "b3.jsonl") == held
    with ws.ledger.lease("tiny", 10) as lease:
        reconciliation.reconcile(ws, lease)
    assert {v.version: v.status for v in views.versions(ws.ledger)}[3] == "held"
    assert ws.registry.aliases() == {"champion": 4}, "its parent is no longer champion"


def test_a_batch_may_hold_several_tasks_with_names_of_any_script(grown: Path) -> None:
    names = ["käse & brot/süß", "映画", "mood"]
    values = [
        {**row, "task": name} for seed, name in enumerate(names) for row in rows(50 + seed, 60)
    ]
    settled = settle(grown, write_jsonl(grown / "three.jsonl", values), "unused")
    assert settled.action == "promoted", settled.headline
    ws = open_workspace(grown)
    assert views.known_tasks(ws.ledger) == set(names)
    assert {item.exam for item in views.held_items(ws.ledger)} == {
        "mood", *(batch_exam(name) for name in names),
    }  # fmt: skip
    champion = views.champion(ws.ledger)
    assert champion is not None and champion.anchors == {names[0]: 3, "mood": 1, names[1]: 3}
    learned = {part["task"]: part["known"] for part in evidence_of(ws, settled)["learned"]}
    assert learned == {names[0]: False, names[1]: False, "mood": True}
    [version] = [v for v in ws.registry.versions() if v.version == 3]
    assert version.tags["ratchet.status"] == "champion"


def third_label(seed: int, n: int) -> list[dict[str, str]]:
    """Return sentences of filler alone: neither good nor bad."""
    pick = random.Random(seed)
    texts = {" ".join(pick.choices(FILLER, k=6)) for _ in range(n)}
    return [{"text": text, "label": "none"} for text in sorted(texts)]


def test_a_new_label_grows_the_head_and_is_checked(grown: Path) -> None:
    values = rows(3, 60) + third_label(3, 60)
    settled = settle(grown, write_jsonl(grown / "b3.jsonl", values))
    ws = open_workspace(grown)
    assert settled.action == "promoted", settled.headline
    assert bundle_of(ws, settled).labels == ("neg", "pos", "none")
    [part] = [each for each in evidence_of(ws, settled)["learned"] if each["label"]]
    assert (part["label"], part["known"]) == ("none", False)
    assert part["candidate"].count("1") > 5


def test_items_of_labels_that_the_champion_does_not_know_dilute_no_loss(grown: Path) -> None:
    """Nothing can be forgotten of them; before the batch, and after it in `watch`."""
    third = third_label(900, 250)
    mixed, alone = [*rows(901, 150), *third[:100]], third[100:]
    for name, values in (("mixed", mixed), ("alone", alone)):
        add_exam(grown, write_jsonl(grown / f"{name}.jsonl", values))
    values = rows(3, 60) + third_label(3, 60)
    settled = settle(grown, write_jsonl(grown / "b3.jsonl", values))
    assert settled.action == "promoted", settled.headline
    ws = open_workspace(grown)
    exams = {each["exam"]: each for each in evidence_of(ws, settled)["exams"]}
    whole = views.exam_sizes(ws.ledger)
    assert exams["mood#2"]["known"] and exams["mood#2"]["n"] == whole["mood#2"][1] - 100
    assert not exams["mood#3"]["known"] and exams["mood#3"]["n"] == whole["mood#3"][1]
    after = settle(grown, batch(grown / "b4.jsonl", 4))
    assert after.action == "promoted", after.headline
    [mixed_exam] = [e for e in evidence_of(ws, after)["exams"] if e["exam"] == "mood#2"]
    assert mixed_exam["n"] == whole["mood#2"][1]
    assert mixed_exam["older"].count("1") == whole["mood#2"][1] - 100
    assert set(mixed_exam["restricted"]) == {"anchor"}
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        watched = look(ws, lease)
    assert watched.champion == after.version and not watched.regressions


@pytest.mark.parametrize("count", [2, 5])
def test_a_rare_new_label_always_has_a_held_out_row(grown: Path, count: int) -> None:
    """Fault: by chance it had none, and the batch was rejected, again at each try."""
    rare = [{"text": f"good {word}", "label": "rare"} for word in FILLER[:count]]
    settled = settle(grown, write_jsonl(grown / "rare.jsonl", [*rows(3), *rare]))
    learned = evidence_of(open_workspace(grown), settled)["learned"]
    assert [len(part["items"]) for part in learned if part["label"] == "rare"] == [1]


def test_a_new_label_without_a_held_out_row_is_held(grown: Path) -> None:
    """Law 5: what could not be examined is never promoted."""
    typo = {"text": "good table", "label": "poss"}
    settled = settle(grown, write_jsonl(grown / "typo.jsonl", [*rows(3), typo]))
    assert settled.action == "held" and "poss: not examined, because none" in settled.headline
    learned = evidence_of(open_workspace(grown), settled)["learned"]
    assert [part["items"] for part in learned if part["label"] == "poss"] == [[]]


def test_what_a_rejected_batch_held_out_never_trains(grown: Path) -> None:
    """Its rows come back with other labels: corrected, or in another file."""
    poisoned = settle(grown, batch(grown / "poison.jsonl", 3, flip=True))
    assert poisoned.action == "rejected"
    ws = open_workspace(grown)
    _, held = sides(ws, poisoned.batch)
    texts = {
        item.text for item in read_items(items_path(ws, poisoned.batch)) if item.digest in held
    }
    set_holdout(grown, "fraction: 0.0")
    good = settle(grown, batch(grown / "good.jsonl", 3))
    train, held = sides(ws, good.batch)
    named = {item.digest: item.text for item in read_items(items_path(ws, good.batch))}
    assert {named[item] for item in held} == texts
    assert texts.isdisjoint(named[item] for item in train) and train


def test_an_anchor_moves_only_to_a_version_shown_better(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    params = PARAMS.replace("holdout: {", "holdout: {fraction: 0.0, ")
    (root / "params.yaml").write_text(
        f"{params}\ngate: {{horizon: 1, alpha: 0.3}}\n", encoding="utf-8"
    )
    add_exam(root, batch(root / "exam.jsonl", 900, 200))
    sizes = {1: 44, 2: 120, 3: 120}
    settled = [settle(root, batch(root / f"b{seed}.jsonl", seed, n)) for seed, n in sizes.items()]
    ws = open_workspace(root)
    anchors = [v.anchors["mood"] for v in views.versions(ws.ledger)]
    assert anchors == [1, 2, 2], "the third is no better than the second, whatever the noise"
    exams = [evidence_of(ws, each)["exams"][0] for each in settled[1:]]
    assert [_is_shown_better(exam) for exam in exams] == [True, False]
    assert all(len(exam["anchor"]) == exam["n"] >= 200 for exam in exams)


def _is_shown_better(exam: dict[str, Any]) -> bool:
    names = [str(place) for place in range(exam["n"])]
    anchor, candidate = (
        Answers(names, [bit == "1" for bit in exam[who]]) for who in ("anchor", "candidate")
    )
    return shown_better(anchor, candidate, Rules(3, 6, alpha=0.3, horizon=1).move_alpha)


def test_a_candidate_whose_parent_is_no_longer_champion_is_superseded(grown: Path) -> None:
    ws = open_workspace(grown)
    arrived = arrive(ws, batch(grown / "b3.jsonl", 3), "mood")
    with ws.ledger.lease("tiny", 10) as lease:
        validated = preparation.validate(ws, lease, preparation.begin(ws, lease, arrived.batch))
        preparation.store(ws, lease, validated)
        prepared = preparation.split(ws, lease, validated)
        bundle = training.train(ws, lease, prepared)
        examined = examination.examine(ws, lease, prepared, bundle)
        version = settlement.register(ws, lease, validated, prepared, examined)
        roll_back(ws, lease, 1, "meanwhile")
        outcome = settlement.settle(ws, lease, version, examined.notes)
    assert outcome.action == "superseded"
    again = run_batch(ws, arrived.batch)
    assert (again.action, again.version) == ("promoted", 4)
    made = views.version(ws.ledger, 4)
    assert made is not None and made.parent == 1


def test_the_evidence_is_plain_finite_json(grown: Path) -> None:
    settled = settle(grown, batch(grown / "b3.jsonl", 3))
    ws = open_workspace(grown)
    json.dumps(evidence_of(ws, settled), allow_nan=False)
    assert settled.version is not None
    json.dumps(explain(ws, settled.version), allow_nan=False)
    report = Path(explain(ws, settled.version)["report"])
    assert "promote" in report.read_text(encoding="utf-8").lower()
    assert GOOD[0] not in json.dumps(evidence_of(ws, settled)), "evidence holds no texts"


def test_half_of_the_first_batches_is_held_out_until_exams_can_decide(root: Path) -> None:
    set_holdout(root, "enough_items: 90")
    with (root / "params.yaml").open("a", encoding="utf-8") as params:
        params.write("gate: {margin_points: 10, anchor_margin_points: 10}\n")  # 50 rows decide
    settled = [settle(root, batch(root / f"b{seed}.jsonl", seed, 100)) for seed in (1, 2, 3)]
    assert [each.action for each in settled] == ["promoted"] * 3
    counts = [len(sides(open_workspace(root), each.batch)[1]) for each in settled]
    assert counts == [50, 40, 20], "a half, then what is missing, then the usual share"


@pytest.mark.parametrize(
    ("holdout", "held_out"),
    [
        ("first_fraction: 0.0", 20),
        ("first_fraction: 0.1", 20),
        ("fraction: 0.0", 0),
        ("enough_items: 30", 30),
        ("enough_items: 5", 20),
    ],
)
def test_the_larger_share_is_never_below_the_fraction_nor_above_what_is_missing(
    root: Path, holdout: str, held_out: int
) -> None:
    set_holdout(root, holdout)
    ws = open_workspace(root)
    arrived = arrive(ws, batch(root / "b1.jsonl", 1, 100), "mood")
    with ws.ledger.lease("tiny", 5) as lease:
        arrival = preparation.begin(ws, lease, arrived.batch)
        preparation.split(ws, lease, preparation.validate(ws, lease, arrival))
    assert abs(len(sides(ws, arrived.batch)[1]) - held_out) <= 1  # each label rounds by itself


def test_a_batch_that_meets_a_defect_twice_no_longer_stops_the_others(grown: Path) -> None:
    file = batch(grown / "cursed.jsonl", 7)
    with patch.object(training, "train", side_effect=ValueError("a defect")):
        with pytest.raises(ValueError, match="a defect"):
            settle(grown, file)
        [queued] = views.waiting(open_workspace(grown).ledger)
        assert "ValueError: a defect" in queued.reason
        aside = run_batch(open_workspace(grown), queued.batch)
    assert aside.action == "refused"
    assert "a defect of Ratchet: ValueError: a defect" in aside.headline
    ws = open_workspace(grown)
    assert settle(grown, batch(grown / "good.jsonl", 8)).action == "promoted"
    with ws.ledger.lease(ws.settings.model.name, 60) as lease:
        release_any(ws, lease, queued.batch)
    assert run_batch(open_workspace(grown), queued.batch).action == "promoted"


def test_a_full_disk_sets_no_batch_aside(grown: Path) -> None:
    file = batch(grown / "good.jsonl", 7)
    with patch.object(training, "train", side_effect=OSError(28, "No space left on device")):
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                settle(grown, file)
    assert settle(grown, file).action == "promoted"
