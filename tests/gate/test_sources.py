"""Which exam of a task decides, and what new labels may take."""

from __future__ import annotations

from dataclasses import replace

from components.gate import Answers, Examination, ExamResult, NewTask, Outcome, Rules, judge
from components.gate.sources import deciding
from components.gate.verdicts import PoolResult

RULES = Rules(3.0, 6.0)


def exam(name: str, items: int, **more: object) -> ExamResult:
    right = Answers([f"{name}{place}" for place in range(items)], [True] * items)
    values = {"champion": right, "candidate": right, "anchor": right, "known": True, **more}
    return ExamResult(name, name.partition("#")[0], **values)  # type: ignore[arg-type]


def pool(items: int, **more: object) -> PoolResult:
    return PoolResult("t#pool", "t", items, [], known=True, **more)  # type: ignore[arg-type]


def decides(*exams: ExamResult, pools: tuple[PoolResult, ...] = ()) -> set[str]:
    return set(deciding(Examination(exams, [], pools=pools), RULES))


def test_what_people_brought_decides_where_it_can_and_the_largest_of_it() -> None:
    own = exam("t#batches", 2000)
    assert decides(exam("t", 300), own) == {"t"}
    assert decides(exam("t", 300), own, pools=(pool(1000),)) == {"t#pool"}
    assert decides(exam("t", 300), exam("t#2", 400), own) == {"t#2"}
    assert decides(exam("t", 300), own, pools=(pool(300),)) == {"t"}
    assert decides(exam("t", 50), own) == {"t#batches"}


def test_an_exam_that_held_many_gives_way_to_a_fresh_one() -> None:
    assert decides(exam("t", 900, turned_away=9), exam("t#2", 200)) == {"t#2"}


def test_a_stray_task_too_small_to_be_examined_blocks_only_batches_of_its_own() -> None:
    """Fault: 13 items of a task `default` held every batch of every task."""
    stray, big = exam("default#batches", 13), exam("t", 500, in_batch=True)
    decision = judge(Examination([stray, big], []), RULES)
    assert decision.action == "promote"
    assert any("not what decides" in verdict.sentence for verdict in decision.verdicts)
    own = replace(stray, in_batch=True)
    assert judge(Examination([own, big], []), RULES).action == "hold"


def test_what_an_exam_held_is_not_let_in_by_asking_again() -> None:
    """Fault: at a later look 150 items were too few to pass, so their task held nobody up."""
    items = [f"other{place}" for place in range(150)]
    worse = exam("other", 150, candidate=Answers(items, [place >= 4 for place in range(150)]))
    own = exam("t", 900, in_batch=True)
    looks = [Examination([own, worse], [], look=look) for look in range(3)]
    assert [judge(each, RULES).action for each in looks] == ["hold"] * 3


def test_an_exam_that_does_not_decide_still_rejects_what_it_shows() -> None:
    small = exam("t", 300, candidate=Answers([f"t{n}" for n in range(300)], [False] * 300))
    decision = judge(Examination([small], [], pools=(pool(1000),)), RULES)
    assert decision.action == "reject"


def test_the_anchor_is_held_against_the_candidate_on_older_rows_alone() -> None:
    """Fault: mislabelled batches mark their own later exams, on which the anchor looks wrong."""
    items = [f"t{n}" for n in range(800)]
    drifted = Answers(items, [n >= 100 for n in range(800)])  # wrong on old rows, right on new ones
    anchor = Answers(items, [n < 400 for n in range(800)])
    own = exam("t#batches", 1, champion=drifted, candidate=drifted, anchor=anchor)
    fooled = judge(Examination([own], []), RULES)
    assert fooled.action == "promote"
    older = frozenset(items[:400])
    assert judge(Examination([replace(own, older=older)], []), RULES).action == "reject"
    nothing = replace(own, older=frozenset(), in_batch=True)
    verdicts = judge(Examination([nothing], []), RULES).verdicts
    assert [(v.check, v.outcome, v.consequence) for v in verdicts][1] == (
        "anchor",
        Outcome.MISSING,
        "hold",
    )


# New labels


def widened(taken: int, lost: int = 0, items: int = 600) -> tuple[ExamResult, NewTask]:
    """A candidate that knows `new` too: it takes `taken` items, and forgot `lost` others."""
    names = [f"t{n}" for n in range(items)]
    champion = Answers(names, [n % 10 != 0 for n in range(items)])
    among = Answers(names, [right and n >= lost for n, right in enumerate(champion.correct)])
    ours = [n for n in range(items) if among.correct[n]][:taken]
    candidate = Answers(names, [right and n not in ours for n, right in enumerate(among.correct)])
    old = ExamResult(
        "t", "t", champion, candidate, champion, True, in_batch=True,
        labels={name: "ab"[n % 2] for n, name in enumerate(names)},
        restricted={"champion": among, "anchor": among},
        taken={names[n]: "new" for n in ours},
    )  # fmt: skip
    rows = Answers([f"n{n}" for n in range(40)], [n < 32 for n in range(40)])
    return old, NewTask("t", rows, None, 1 / 3, known=False, label="new")


def judged(taken: int, lost: int = 0) -> dict[str, Outcome]:
    old, part = widened(taken, lost)
    return {v.check: v.outcome for v in judge(Examination([old], [part]), RULES).verdicts}


def test_items_that_go_to_a_new_label_are_no_forgetting() -> None:
    """Fault: a batch was rejected for 1.8 points that its new classes took."""
    found = judged(taken=30)
    assert found == dict.fromkeys(
        ("forgetting", "anchor", "competition", "learned", "balance"), Outcome.PASS
    )


def test_forgetting_among_the_known_labels_is_not_excused_by_new_ones() -> None:
    assert judged(taken=0, lost=60)["forgetting"] is Outcome.FAIL


def test_new_labels_that_take_too_much_are_rejected_for_that() -> None:
    assert judged(taken=120)["competition"] is Outcome.FAIL


def test_what_all_labels_since_the_anchor_took_is_held_for_a_person() -> None:
    """Each batch kept to its share, and the labels of five together took two fifths."""
    old, _ = widened(taken=240)
    old = replace(old, restricted={"anchor": old.restricted["anchor"]}, champion=old.candidate)
    rules = replace(RULES, anchor_competition_points=30.0)
    learned = NewTask("t", old.candidate, old.champion, None, known=True)
    decision = judge(Examination([old], [learned]), rules)
    [told] = [v for v in decision.verdicts if v.check == "anchor_competition"]
    assert (told.outcome, told.consequence, decision.action) == (Outcome.FAIL, "hold", "hold")
    assert any("ratchet anchor move --task t" in way for way in decision.settle)
    assert judge(Examination([old], [learned]), RULES).action == "promote"
    fewer = replace(old, candidate=old.restricted["anchor"])
    assert judge(Examination([fewer], [learned]), rules).action == "promote"


def test_a_new_label_that_takes_most_of_a_known_one_is_held_as_a_rename() -> None:
    old, part = widened(0)
    a_items = [item for item, label in old.labels.items() if label == "a"][:200]
    old = replace(old, taken=dict.fromkeys(a_items, "new"))
    decision = judge(Examination([old], [part]), RULES)
    assert decision.action == "hold" and "renamed" in decision.headline


def test_several_new_labels_are_learned_together_and_one_that_is_not_yet_is_noted() -> None:
    def part(label: str, right: int) -> NewTask:
        rows = Answers([f"{label}{n}" for n in range(8)], [n < right for n in range(8)])
        return NewTask("t", rows, None, 1 / 20, known=False, label=label)

    new = [part(f"l{n}", 7) for n in range(9)] + [part("late", 0)]
    decision = judge(Examination([exam("t", 500, in_batch=True)], new), RULES)
    assert decision.action == "promote"
    assert any("late" in v.sentence and v.consequence == "note" for v in decision.verdicts)
    poor = [part(f"l{n}", 0) for n in range(10)]
    known = exam("t", 500, in_batch=True)
    assert judge(Examination([known], poor), RULES).action != "promote"
