from __future__ import annotations

from typing import Any

from components.settings import Settings


def impatient(settings: Settings, **values: Any) -> Settings:
    training = settings.training.model_copy(update={"patience": 1, **values})
    return settings.model_copy(update={"training": training})


def steps(stream: Any, items: Any, settings: Settings) -> tuple[int, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    stream.teach("a", items, settings=settings, progress=lambda *at: told.append(at))
    return len(told), told


def test_training_ends_when_the_slice_no_longer_gains(stream: Any, make_rows: Any) -> None:
    items = make_rows(["good", "bad"], 150)
    settings = impatient(stream.settings, epochs=60, learning_rate=0.03)
    taken, told = steps(stream, items, settings)
    assert taken < told[-1][1]
    assert told[-1][0] == told[-1][1]


def test_the_slice_is_not_trained_on_and_the_same_each_time(stream: Any, make_rows: Any) -> None:
    items = make_rows(["good", "bad"], 150)
    settings = impatient(stream.settings, epochs=1)
    _, told = steps(stream, items, settings)
    assert told[-1] == (17, 17)  # 270 of 300 rows in batches of 16
    first = stream.teach("a", items, settings=settings)
    assert stream.teach("a", items[::-1], settings=settings).digest == first.digest


def test_too_few_rows_for_a_slice_run_every_epoch(stream: Any, make_rows: Any) -> None:
    items = make_rows(["good", "bad"], 50)
    taken, told = steps(stream, items, impatient(stream.settings))
    assert taken == told[-1][1] == 12 * 7
