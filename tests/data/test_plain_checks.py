"""The plain checks say what Great Expectations says, whatever the rows are."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.plain_checks import hold_plainly
from components.data.readers import read_batch
from components.data.validation import validate
from components.settings import DataSettings
from tests.stream import write_jsonl

WORDS = st.one_of(
    st.sampled_from(["a", "b", "A", " a", "a\u0301", "\u00e1", "x" * 60, "-- !", "\0", "", "  "]),
    st.text(max_size=6),
)
VALUES: st.SearchStrategy[Any] = st.one_of(
    WORDS, WORDS, WORDS, st.none(), st.integers(), st.just([])
)
CONTRACTS = st.builds(
    DataSettings,
    min_rows=st.integers(1, 5),
    min_labels=st.integers(1, 2),
    max_bad_share=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    max_text_chars=st.sampled_from([3, 50]),
    min_text_chars=st.sampled_from([1, 2]),
    labels=st.sampled_from(["open", ["a", "b"], ["\u00e1", "A"]]),
    tasks=st.sampled_from(["open", ["a"], ["default", "t 2"]]),
)


ROWS = st.fixed_dictionaries(
    {}, optional={"text": VALUES, "label": VALUES, "task": VALUES, "other": st.integers()}
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROWS, max_size=8), contract=CONTRACTS, known=st.frozensets(WORDS, max_size=2))
def test_a_batch_is_validated_alike_with_and_without_great_expectations(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    contract: DataSettings,
    known: frozenset[str],
) -> None:
    path = write_jsonl(
        tmp_path_factory.mktemp("plain") / "rows.jsonl", [*rows, {"text": "a", "label": "a"}]
    )
    reading = read_batch(path, contract, "default", "rows.jsonl")
    wanted = validate(reading, contract, known)
    assert validate(reading, contract, known, hold_plainly) == wanted


def test_plain_checks_take_no_great_expectations() -> None:
    program = (
        "import sys; from components.data import plain_checks, validation;"
        "assert not {'great_expectations', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
