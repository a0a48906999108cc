from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.demo.tiny_base import write_tiny_base
from components.errors import ConfigError, Corrupted, Retryable
from components.evaluation import score_store, scoring
from components.evaluation.score_store import Kept, Scored, ScoreStore
from components.evaluation.scoring import (
    SAMPLED,
    Distrusted,
    answers_key,
    score,
)
from components.items import make_item
from components.model import answering
from components.model.answering import KEPT_VERSIONS, predict
from components.model.base import Base, load_base
from components.model.bundle import Bundle
from components.model.placement import Placement
from components.settings import Settings
from components.training.candidate import Lesson, learn

ITEMS = tuple(
    make_item(f"it was {word} {'so ' * (place % 9)}{place}", label, "default")
    for place in range(20)
    for word, label in (("good", "pos"), ("bad", "neg"))
)
PLAIN = Placement("cpu", "float32", 128, 1)
TEXTS = [item.text for item in ITEMS]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = write_tiny_base(tmp_path_factory.mktemp("base") / "tiny", ["it", "was", "good", "bad"])
    rates = {"learning_rate": 5e-3, "head_learning_rate": 5e-2, "warmup_steps": 1}
    training = {"device": "cpu", "threads": 1, "epochs": 10, "min_steps": 0, **rates}
    return Settings.model_validate(
        {
            "model": {"base": str(folder)},
            "strategy": {"method": "replay"},
            "training": training,
        }
    )


@pytest.fixture(scope="module")
def base(settings: Settings) -> Base:
    return load_base(settings.model, Path())


@pytest.fixture(scope="module")
def bundles(
    base: Base, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> list[Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return [
        learn(base, folder, Lesson(f"{n}" * 64, ITEMS, None, {}, "0" * 64, ()), settings)
        for n in range(KEPT_VERSIONS + 2)
    ]


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    return ScoreStore(tmp_path / "deep" / "scores.db")


def test_probabilities_sum_to_one_and_their_maximum_is_the_label(
    base: Base, bundles: list[Bundle]
) -> None:
    found = predict(base, bundles[0], TEXTS, PLAIN)
    assert found.classes == ("neg", "pos")
    assert found.probabilities.shape == (40, 2)
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-6)
    assert found.labels == [found.classes[place] for place in found.probabilities.argmax(1)]
    assert sum(a == item.label for a, item in zip(found.labels, ITEMS, strict=True)) > 36


def test_no_texts_give_no_answers(base: Base, bundles: list[Bundle]) -> None:
    found = predict(base, bundles[0], [], PLAIN)
    assert found.labels == []
    assert found.probabilities.shape == (0, 2)


def test_an_answer_does_not_depend_on_the_company(base: Base, bundles: list[Bundle]) -> None:
    whole = predict(base, bundles[0], TEXTS, PLAIN).probabilities
    for places in ([7], [39, 0, 7], list(range(40))[::-1]):
        some = predict(base, bundles[0], [TEXTS[place] for place in places], PLAIN)
        assert (some.probabilities == whole[places]).all()


def test_versions_asked_in_turn_keep_their_own_answers_when_evicted_and_loaded_again(
    base: Base, bundles: list[Bundle]
) -> None:
    first = [predict(base, bundle, TEXTS, PLAIN).probabilities for bundle in bundles]
    again = [predict(base, bundle, TEXTS, PLAIN).probabilities for bundle in bundles]
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    assert not any((first[0] == other).all() for other in first[1:])
    assert len(answering._OPEN) <= KEPT_VERSIONS


def test_another_base_is_refused(base: Base, bundles: list[Bundle]) -> None:
    with pytest.raises(ConfigError, match="was trained on tiny"):
        predict(replace(base, digest="f" * 64), bundles[0], TEXTS, PLAIN)


def test_only_what_is_missing_is_computed(
    base: Base, bundles: list[Bundle], store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counting(base: Base, bundle: Bundle, texts: list[str], *rest: Any) -> Any:
        asked.append(len(texts))
        return predict(base, bundle, texts, *rest)

    monkeypatch.setattr(scoring, "predict", counting)
    some = score(base, bundles[0], ITEMS[:10], store, PLAIN)
    whole = score(base, bundles[0], ITEMS, store, PLAIN)
    assert score(base, bundles[0], ITEMS[::-1], store, PLAIN) == whole
    assert asked == [10, 10, 30, SAMPLED]  # what is kept is sampled
    assert some == {item.digest: whole[item.digest] for item in ITEMS[:10]}
    assert whole.keys() == {item.digest for item in ITEMS}
    score(base, bundles[1], ITEMS, store, PLAIN)
    assert asked[4:] == [40]


def test_cached_answers_are_the_computed_ones(
    base: Base, bundles: list[Bundle], store: ScoreStore
) -> None:
    direct = predict(base, bundles[0], TEXTS, PLAIN)
    for _ in range(2):
        found = score(base, bundles[0], ITEMS, store, PLAIN)
        answers = [found[item.digest] for item in ITEMS]
        assert [answer.label for answer in answers] == direct.labels
        confidence = [answer.confidence for answer in answers]
        np.testing.assert_allclose(confidence, direct.probabilities.max(1), atol=5e-5)


def test_the_brier_score_is_the_squared_distance_from_the_items_own_label(
    base: Base, bundles: list[Bundle], store: ScoreStore
) -> None:
    probability = predict(base, bundles[0], TEXTS, PLAIN).probabilities[:, 1].astype(float)
    own = np.array([item.label == "pos" for item in ITEMS])
    found = score(base, bundles[0], ITEMS, store, PLAIN)
    brier = [found[item.digest].brier for item in ITEMS]
    np.testing.assert_allclose(brier, (probability - own) ** 2, atol=5e-5)
    unknown = make_item(TEXTS[0], "a label that no version knows", "default")
    [scored] = score(base, bundles[0], [unknown], store, PLAIN).values()
    chances = probability[0], 1 - probability[0]
    assert scored.brier == pytest.approx((sum(p * p for p in chances) + 1) / 2, abs=5e-5)


def answer(label: str) -> Scored:
    return Scored(label, 0.75, 0.0625)


def test_the_store_keeps_versions_apart_and_the_first_answer(store: ScoreStore) -> None:
    store.put("one", {"a": answer("x"), "b": answer("y")})
    store.put("one", {"a": answer("z")})
    store.put("two", {"a": answer("w")})
    assert store.look_up("one", ["a", "b", "c"]).answers == {"a": answer("x"), "b": answer("y")}
    assert store.look_up("two", ["a"]).answers == {"a": answer("w")}
    assert store.look_up("one", []).answers == {}


def test_a_store_of_labels_alone_is_filled_anew(store: ScoreStore) -> None:
    store.path.parent.mkdir()
    with closing(sqlite3.connect(store.path)) as old, old:
        old.execute("CREATE TABLE scores (bundle TEXT, item TEXT, label TEXT NOT NULL)")
        old.execute("INSERT INTO scores VALUES ('one', 'a', 'x')")
    assert store.look_up("one", ["a"]).answers == {}
    store.put("one", {"a": answer("y")})
    assert store.look_up("one", ["a"]).answers == {"a": answer("y")}


def test_a_probability_that_is_no_number_stays_none(store: ScoreStore) -> None:
    store.put("one", {"a": Scored("x", float("nan"), float("nan"))})
    found = store.look_up("one", ["a"]).answers["a"]
    assert found.label == "x" and np.isnan([found.confidence, found.brier]).all()


def test_many_writers_do_not_lose_answers(store: ScoreStore) -> None:
    def write(place: int) -> None:
        for item in range(20):
            store.put("one", {f"{place}:{item}": answer("x")})

    threads = [threading.Thread(target=write, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = [f"{place}:{item}" for place in range(4) for item in range(20)]
    assert len(store.look_up("one", wanted).answers) == 80


def test_a_damaged_store_says_that_it_can_be_deleted(store: ScoreStore) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"no database at all, but long enough to be taken for a header" * 20)
    with pytest.raises(Corrupted, match="Delete the file"):
        store.look_up("one", ["a"])


def test_a_locked_store_can_be_tried_again(
    store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("one", {"a": answer("x")})
    monkeypatch.setattr(score_store, "LOCK_SECONDS", 0.05)
    holder = sqlite3.connect(store.path)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Retryable, match="locked"):
        store.put("one", {"b": answer("x")})
    holder.rollback()
    holder.close()
    store.put("one", {"b": answer("x")})


def tamper(store: ScoreStore, statement: str) -> None:
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute(statement)


CHANGES = {
    "a label": "UPDATE scored SET label = 'y'",
    "a label of another type": "UPDATE scored SET label = CAST(label AS BLOB)",
    "a label that is no UTF-8": "UPDATE scored SET label = CAST(x'ff' AS TEXT)",
    "a confidence": "UPDATE scored SET confidence = 0.5",
    "a number dropped": "UPDATE scored SET brier = NULL",
    "a number as text": "UPDATE scored SET brier = 'low'",
    "a digest": "UPDATE scored SET digest = upper(digest)",
    "another item": "UPDATE scored SET item = 'b'",
    "another version": "UPDATE scored SET bundle = 'two'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_was_changed_is_never_handed_out(change: str, store: ScoreStore) -> None:
    store.put("one", {"a": answer("x")})
    tamper(store, CHANGES[change])
    for bundle in ("one", "two"):
        assert store.look_up(bundle, ["a", "b"]).answers == {}
    [kept] = store.everything().values()
    assert kept.answers == {} and len(kept.unsound) == 1


def test_rows_without_a_digest_are_filled_anew(store: ScoreStore) -> None:
    store.path.parent.mkdir()
    with closing(sqlite3.connect(store.path)) as old, old:
        old.execute("CREATE TABLE answers (bundle TEXT, item TEXT, label TEXT NOT NULL)")
        old.execute("INSERT INTO answers VALUES ('one', 'a', 'x')")
    assert store.look_up("one", ["a"]) == Kept()


def test_a_changed_row_is_computed_anew_and_told(
    base: Base, bundles: list[Bundle], store: ScoreStore
) -> None:
    told: list[Distrusted] = []
    whole = score(base, bundles[0], ITEMS, store, PLAIN, distrust=told.append)
    assert told == []
    tamper(store, f"UPDATE scored SET label = 'pos' WHERE item = '{ITEMS[1].digest}'")
    assert score(base, bundles[0], ITEMS, store, PLAIN, distrust=told.append) == whole
    assert [(each.bundle, each.items) for each in told] == [(bundles[0].digest, 1)]
    assert score(base, bundles[0], ITEMS, store, PLAIN, distrust=told.append) == whole
    assert len(told) == 1


def test_answers_turned_round_with_digests_that_fit_are_found_by_giving_some_again(
    base: Base, bundles: list[Bundle], store: ScoreStore
) -> None:
    told: list[Distrusted] = []
    whole = score(base, bundles[0], ITEMS, store, PLAIN)
    key = answers_key(bundles[0], PLAIN, "mood")
    turned = {
        item: replace(each, label={"pos": "neg", "neg": "pos"}[each.label])
        for item, each in whole.items()
    }
    store.forget(key)
    store.put(key, turned)
    assert store.look_up(key, whole).answers == turned  # the digests fit
    assert score(base, bundles[0], ITEMS, store, PLAIN, distrust=told.append) == whole
    assert [each.items for each in told] == [len(ITEMS)]
    assert f"of {SAMPLED} answers came out differently" in told[0].reason


def test_a_near_tie_answered_elsewhere_is_no_reason_for_distrust(
    base: Base, bundles: list[Bundle], store: ScoreStore
) -> None:
    found = score(base, bundles[0], ITEMS, store, PLAIN)
    near = {
        item: replace(found[item.digest], confidence=found[item.digest].confidence - 0.005)
        for item in ITEMS
    }
    assert scoring.differing(base, bundles[0], near, PLAIN) == []
    far = {
        item: replace(found[item.digest], confidence=found[item.digest].confidence - 0.05)
        for item in ITEMS
    }
    assert scoring.differing(base, bundles[0], far, PLAIN) == list(ITEMS)
