"""What adapter and head may weigh."""

from __future__ import annotations

import pytest

from components.gate import Outcome
from components.gate.policies import Size
from tests.gate.extra_checks.given import answers, decide, exam, found, rules

ONE = answers([True] * 200)


@pytest.mark.parametrize(
    ("weight", "outcome", "said"),
    [
        (1_999_999, Outcome.PASS, "within the limit of 2 MB"),
        (2_000_000, Outcome.PASS, "are 2 MB"),
        (2_010_000, Outcome.FAIL, "are 2.01 MB, above the limit of 2 MB"),
        (None, Outcome.MISSING, "were not measured"),
    ],
)
def test_the_bytes_are_held_against_the_limit(
    weight: int | None, outcome: Outcome, said: str
) -> None:
    asked = rules(size=Size("reject", 2.0))
    [verdict] = found(decide(exam(ONE, ONE), asked, adapter_bytes=weight), "size")
    assert verdict.outcome is outcome and said in verdict.sentence


def test_without_a_limit_there_is_no_check() -> None:
    decision = decide(exam(ONE, ONE), rules(size=Size("reject")), adapter_bytes=10**12)
    assert found(decision, "size") == []
