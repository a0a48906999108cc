"""A cause is named where the facts show it, and nowhere else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from components.evaluation.causes import causes

ALIKE = [
    {"name": name, "drifted": False, "effect": 0.0, "classes": []}
    for name in ("domain_classifier", "mmd", "outliers", "language")
]


def answered(
    labels: int,
    rows: int,
    wrong: float,
    sure: float,
    swap: dict[int, int] | None = None,
    flips: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Return made-up answers: `wrong` errors of which `sure` are sure, labels turned afterwards."""
    pick, told = random.Random(seed), dict[str, Any]()
    for _ in range(rows):
        truth = pick.randrange(labels)
        answer, certain = truth, pick.random() < 0.5
        if pick.random() < wrong:
            answer = pick.choice([each for each in range(labels) if each != truth])
            certain = pick.random() < sure
        label = (swap or {}).get(truth, truth)
        if pick.random() < flips:
            label = pick.choice([each for each in range(labels) if each != truth])
        cell = told.setdefault(f"l{label}", {}).setdefault(f"l{answer}", [0, 0])
        cell[0], cell[1] = cell[0] + 1, cell[1] + certain
    return told


def evidence(batch: Any, held: Any, drift: Any = ALIKE) -> dict[str, Any]:
    return {"labels": [], "drift": drift, "answers": {"tweets": {"batch": batch, "held": held}}}


def kinds(document: dict[str, Any]) -> list[str]:
    return [each.kind for each in causes(document)]


HELD = {2: answered(2, 300, 0.06, 0.1, seed=9), 25: answered(25, 1500, 0.1, 0.1, seed=9)}


def test_turned_labels_are_called_flipped() -> None:
    [cause] = causes(evidence(answered(2, 200, 0.06, 0.1, {0: 1, 1: 0}), HELD[2]))
    assert cause.title == "labels of tweets look flipped"
    assert (
        "190 of 200 rows with another label; of earlier rows the champion gets 7 % wrong"
        in cause.detail
    )


def test_two_of_many_labels_are_named_when_they_are_swapped() -> None:
    [cause] = causes(evidence(answered(25, 1000, 0.1, 0.1, {3: 7, 7: 3}), HELD[25]))
    assert cause.title == "two labels of tweets look swapped: l3 and l7"


def test_a_ring_of_three_labels_is_mixed_up_and_says_which_is_answered_as_which() -> None:
    [cause] = causes(evidence(answered(25, 2000, 0.1, 0.1, {3: 7, 7: 9, 9: 3}), HELD[25]))
    assert cause.kind == "mixed up"
    for label, other in (("l3", "l7"), ("l7", "l9"), ("l9", "l3")):
        assert f"rows labelled {other} as {label}" in cause.detail


def test_labels_that_are_all_answered_as_one_are_not_mixed_up() -> None:
    moved = {3: 7, 4: 7, 5: 7}
    assert "mixed up" not in kinds(evidence(answered(25, 2000, 0.1, 0.1, moved), HELD[25]))


def test_labels_that_all_moved_on_are_mixed_up() -> None:
    moved = {each: (each + 1) % 25 for each in range(25)}
    assert kinds(evidence(answered(25, 1000, 0.1, 0.1, moved), HELD[25])) == ["mixed up"]


@pytest.mark.parametrize("labels", [2, 25])
@pytest.mark.parametrize("seed", range(10))
def test_a_third_of_wrong_labels_is_found_and_its_share_told(labels: int, seed: int) -> None:
    [cause] = causes(evidence(answered(labels, 300, 0.08, 0.1, flips=0.3, seed=seed), HELD[labels]))
    assert cause.kind == "wrong labels"
    assert 18 <= int(cause.title.split()[1]) <= 45


@pytest.mark.parametrize("labels", [2, 25])
@pytest.mark.parametrize("wrong", [0.05, 0.15, 0.3, 0.5])
def test_an_honest_batch_has_no_cause_however_hard_it_is(labels: int, wrong: float) -> None:
    told = [
        kinds(evidence(answered(labels, 300, wrong, 0.15, seed=seed), HELD[labels]))
        for seed in range(100)
    ]
    assert told.count([]) == 100


@pytest.mark.parametrize("seed", range(20))
def test_a_champion_that_is_sure_and_wrong_on_other_texts_gives_no_cause(seed: int) -> None:
    other = [{**each, "drifted": each["name"] == "mmd"} for each in ALIKE]
    hard = answered(2, 300, 0.4, 0.5, seed=seed)
    assert kinds(evidence(hard, HELD[2], other)) == []


def test_a_champion_that_never_knew_the_labels_gives_no_cause() -> None:
    guessing = answered(2, 300, 0.5, 0.5)
    assert kinds(evidence(answered(2, 200, 0.06, 0.1, {0: 1, 1: 0}), guessing)) == []
    assert kinds(evidence({"new": {"l0": [80, 40]}}, HELD[2])) == []


def test_a_handful_of_rows_gives_no_cause() -> None:
    few = {"l0": {"l1": [3, 3]}, "l1": {"l0": [3, 3]}}
    assert kinds(evidence(few, HELD[2])) == []


def test_older_evidence_tells_flipped_labels_where_there_are_two() -> None:
    concept = {
        "name": "concept", "drifted": True, "effect": 80.5,
        "classes": [{"name": "l0", "before": 0.1, "after": 0.95},
                    {"name": "l1", "before": 0.12, "after": 0.92}],
    }  # fmt: skip
    counts = {"answered": {"tweets": {"l0": [120, 114], "l1": [113, 104]}}}
    document = {"labels": ["l0", "l1"], "drift": [concept, *ALIKE], "counts": counts}
    [cause] = causes(document)
    assert cause.title == "labels of tweets look flipped"
    assert "218 of 233" in cause.detail
    assert causes({**document, "labels": ["l0", "l1", "l2"]}) == ()


def test_another_language_is_named_where_many_texts_moved() -> None:
    moved = {
        "name": "language", "drifted": True, "effect": 0.97,
        "classes": [{"name": "en", "before": 0.98, "after": 0.01},
                    {"name": "de", "before": 0.0, "after": 0.97}],
    }  # fmt: skip
    [cause] = causes({"labels": [], "drift": [moved]})
    assert str(cause) == "texts in another language: German: 97 % of them, 0 % of the earlier ones"
    assert causes({"labels": [], "drift": [{**moved, "effect": 0.1}]}) == ()
    assert causes({"labels": [], "drift": [{**moved, "drifted": False}]}) == ()


def test_texts_that_are_cut_or_not_known_are_a_cause_unless_earlier_ones_were_too() -> None:
    def of(batch: list[int], earlier: list[int]) -> list[str]:
        names = ("rows", "cut", "tokens", "unknown")
        sides = [dict(zip(names, side, strict=True)) for side in (batch, earlier)]
        texts = {"max_tokens": 128, "batch": sides[0], "earlier": sides[1]}
        return [each.title for each in causes({"labels": [], "drift": [], "texts": texts})]

    assert of([100, 60, 9000, 9], [100, 2, 4000, 4]) == ["texts cut at 128 tokens"]
    assert of([100, 60, 9000, 9], [100, 55, 9000, 9]) == []
    assert of([100, 0, 900, 500], [100, 0, 900, 1]) == [
        "texts in a script that the base does not know"
    ]
    assert of([0, 0, 0, 0], [0, 0, 0, 0]) == []


def test_a_cause_says_what_shows_it_and_of_how_many_rows_it_knows() -> None:
    batch = answered(2, 200, 0.06, 0.1, {0: 1, 1: 0})
    document = evidence(batch, HELD[2])
    [cause] = causes(document)
    assert (cause.task, cause.turned) == ("tweets", {"l0": "l1", "l1": "l0"})
    assert "asked" not in cause.detail

    document["answers"]["tweets"]["rows"] = 900
    [cause] = causes(document)
    assert cause.detail.endswith(" (asked 200 of the task's 900 rows in the batch)")


def test_what_to_do_is_to_correct_labels_only_where_labels_are_doubted() -> None:
    [flipped] = causes(evidence(answered(2, 200, 0.06, 0.1, {0: 1, 1: 0}), HELD[2]))
    moved = {"name": "de", "before": 0.0, "after": 0.9}
    language = {"name": "language", "drifted": True, "effect": 0.9, "classes": [moved]}
    [german] = causes(evidence(answered(2, 200, 0.06, 0.1), HELD[2], [*ALIKE[:3], language]))

    assert flipped.doubts_labels and flipped.remedy.startswith("Correct the labels")
    assert not german.doubts_labels and "a task of their own" in german.remedy


def moved_language(after: dict[str, float], before: float = 0.0) -> dict[str, Any]:
    classes = [{"name": name, "before": before, "after": share} for name, share in after.items()]
    classes.append({"name": "en", "before": 1.0, "after": 1 - sum(after.values())})
    return {"name": "language", "drifted": True, "effect": sum(after.values()), "classes": classes}


def in_german(share: float) -> list[dict[str, Any]]:
    others = [{**each, "drifted": True} for each in ALIKE if each["name"] != "language"]
    return [*others, moved_language({"de": share})]


CUT = {
    "max_tokens": 128,
    "batch": {"rows": 200, "cut": 200, "tokens": 25_600, "unknown": 0},
    "earlier": {"rows": 200, "cut": 0, "tokens": 4_000, "unknown": 0},
}


def lost(labels: int, rows: int, seed: int) -> dict[str, Any]:
    """Return answers of a champion that can't read the texts: few labels, whatever stands there."""
    pick, told = random.Random(seed), dict[str, Any]()
    favours = pick.choices(range(labels), k=3)
    for _ in range(rows):
        label, answer = pick.randrange(labels), pick.choices(favours, (6, 3, 1))[0]
        cell = told.setdefault(f"l{label}", {}).setdefault(f"l{answer}", [0, 0])
        cell[0], cell[1] = cell[0] + 1, cell[1] + (pick.random() < 0.5)
    return told


@pytest.mark.parametrize("labels", [2, 4, 25])
@pytest.mark.parametrize("kind", ["language", "cut"])
def test_honest_texts_that_the_champion_cannot_read_are_told_by_that_alone(
    labels: int, kind: str
) -> None:
    held = answered(labels, 900, 0.06, 0.1, seed=9)
    why: dict[str, Any] = {"drift": in_german(1.0)} if kind == "language" else {"texts": CUT}
    told = [kinds({**evidence(lost(labels, 200, seed), held), **why}) for seed in range(100)]
    assert told.count([kind]) == 100


@pytest.mark.parametrize("seed", range(100))
def test_a_champion_that_is_lost_is_no_proof_of_labels_that_are_mixed_up(seed: int) -> None:
    held = answered(4, 900, 0.06, 0.1, seed=9)
    assert "mixed up" not in kinds(evidence(lost(4, 200, seed), held))


def test_all_languages_that_came_are_named() -> None:
    drift = [moved_language({"de": 0.43, "fr": 0.41, "es": 0.16})]
    [cause] = causes({"labels": [], "drift": drift})
    assert str(cause) == (
        "texts in other languages: German, French, Spanish: 100 % of them (German 43 %, French "
        "41 %, Spanish 16 %), 0 % of the earlier ones"
    )


def test_labels_are_doubted_where_the_rows_that_read_like_earlier_ones_show_it() -> None:
    swapped = answered(4, 200, 0.06, 0.1, {0: 1, 1: 0})
    held = answered(4, 900, 0.06, 0.1, seed=9)
    mixed = {**evidence(swapped, held), "drift": in_german(0.4)}
    assert kinds(mixed) == ["language"]

    alike = evidence(answered(4, 120, 0.06, 0.1, {0: 1, 1: 0}), held)
    first, second = causes({**mixed, "alike": alike})
    assert (first.kind, second.kind) == ("swapped", "language"), "it explains most of the rows"
    assert first.detail.startswith("among texts like the earlier ones the champion answers")

    honest = evidence(answered(4, 120, 0.06, 0.1), held)
    assert kinds({**mixed, "alike": honest}) == ["language"]


def test_each_file_of_a_pool_has_its_own_cause() -> None:
    held = answered(4, 900, 0.06, 0.1, seed=9)
    flips = evidence(answered(4, 160, 0.06, 0.1, flips=0.4), held)
    german = {**evidence(lost(4, 160, 1), held), "drift": in_german(1.0)}
    files = [{"source": "flipped.csv", **flips}, {"source": "de.csv", **german}]
    pool = {**evidence(answered(4, 320, 0.4, 0.5), held), "drift": in_german(0.5), "files": files}

    wrong, language = causes(pool)
    assert wrong.title.startswith("flipped.csv: about ") and wrong.doubts_labels
    assert language.title == "de.csv: texts in another language: German"


def test_a_file_of_a_pool_that_shows_nothing_by_itself_hides_no_cause_of_the_whole() -> None:
    few = {"source": "few.csv", **evidence({"l0": {"l0": [3, 3]}}, HELD[2])}
    whole = evidence(answered(2, 200, 0.06, 0.1, {0: 1, 1: 0}), HELD[2])
    assert kinds({**whole, "files": [few]}) == ["flipped"]


def test_one_more_label_is_not_called_labels() -> None:
    ring = {0: 1, 1: 2, 2: 3, 3: 0}
    [cause] = causes(evidence(answered(25, 2000, 0.1, 0.1, ring), HELD[25]))
    assert "and so on for 1 more label;" in cause.detail
