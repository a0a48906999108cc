from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.model.base import Base
from components.model.encoding import fixed_batches, padded_length, rows_a_pass, tokenise
from components.model.frozen import embed
from components.model.placement import Placement

PLAIN = Placement("cpu", "float32", 64, 1)

TEXTS = [
    "it was good",
    "so " * 40,
    "x",
    "",
    "\ud800 lone",
    "it was bad " * 9,
    "日本語 🙂",
    "a b c",
] * 3


def test_vectors_have_length_one_and_follow_the_order_of_the_texts(base: Base) -> None:
    vectors = embed(base, TEXTS, PLAIN)
    assert vectors.shape == (len(TEXTS), base.hidden_size)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert (vectors[:8] == vectors[8:16]).all()
    assert not np.allclose(vectors[0], vectors[5])


def test_no_texts_give_no_vectors(base: Base) -> None:
    assert embed(base, [], PLAIN).shape == (0, base.hidden_size)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_vector_does_not_depend_on_the_company(base: Base, data: st.DataObject) -> None:
    company = data.draw(st.lists(st.sampled_from(range(8)), min_size=1, max_size=30))
    alone = np.concatenate([embed(base, [text], PLAIN) for text in TEXTS[:8]])
    together = embed(base, [TEXTS[place] for place in company], PLAIN)
    assert (together == alone[company]).all()


def test_the_vector_is_the_mean_over_the_texts_own_tokens(base: Base) -> None:
    import torch

    ids = torch.tensor([base.tokenizer("it was good")["input_ids"]])
    hidden = base.model(input_ids=ids).last_hidden_state[0].mean(0).numpy()
    expected = hidden / np.linalg.norm(hidden)
    np.testing.assert_allclose(embed(base, ["it was good"], PLAIN)[0], expected, atol=1e-6)


def test_texts_are_cut_at_max_tokens_and_never_empty(base: Base) -> None:
    rows = tokenise(base, ["so " * 500, ""], 16)
    assert len(rows[0]) == 16
    assert rows[1]


@given(tokens=st.integers(1, 512), limit=st.integers(1, 512))
def test_padding_never_cuts_and_never_passes_the_limit(tokens: int, limit: int) -> None:
    tokens = min(tokens, limit)
    assert tokens <= padded_length(tokens, limit) <= limit


@given(lengths=st.lists(st.integers(1, 64), max_size=60))
def test_fixed_batches_hold_every_row_once_and_fit_it(lengths: list[int]) -> None:
    batches = list(fixed_batches([[0] * n for n in lengths], 64))
    assert sorted(p for places, _ in batches for p in places) == list(range(len(lengths)))
    for places, length in batches:
        assert 1 <= len(places) <= rows_a_pass(length)
        assert {padded_length(lengths[place], 64) for place in places} == {length}


def test_progress_ends_at_the_total(base: Base) -> None:
    told: list[tuple[int, int]] = []
    embed(base, TEXTS, PLAIN, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (len(TEXTS), len(TEXTS))
