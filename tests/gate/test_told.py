"""What a decision says of itself where only sentences are shown."""

from __future__ import annotations

from components.gate.verdicts import Consequence, Decision, Outcome, Verdict


def verdict(
    sentence: str, outcome: Outcome = Outcome.PASS, consequence: Consequence = "promote"
) -> Verdict:
    return Verdict("forgetting", "shop", "shop", outcome, consequence, sentence)


FEW = verdict("shop (rows of batches): too few items to tell.", Outcome.INCONCLUSIVE, "note")


def test_a_promotion_says_first_what_it_rests_on_and_of_the_rest_that_it_is_noted() -> None:
    passed = verdict("shop: within the margin of 3.")
    made = Decision("promote", "", (FEW.sentence, "2 more checks are noted."), (FEW, passed))

    assert made.told == (
        passed.sentence,
        f"Noted only: {FEW.sentence}",
        "2 more checks are noted.",
    )


def test_where_all_passed_each_sentence_stands_once_and_many_are_counted() -> None:
    passed = [verdict(f"exam {place}: passed.") for place in range(7)]
    made = Decision("promote", "", tuple(v.sentence for v in passed), tuple(passed))

    assert made.told == (*(v.sentence for v in passed[:5]), "2 more passed.")


def test_what_stopped_a_version_is_told_as_it_was() -> None:
    few = verdict("shop: too few.", Outcome.INCONCLUSIVE, "hold")
    made = Decision("hold", "", (few.sentence,), (few,), ("add 30 labelled rows",))

    assert made.told == (few.sentence, "To settle it: add 30 labelled rows.")
