from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from components.model import activation_cache
from components.model.activation_cache import ActivationCache


def rows(first: int, count: int, size: int = 100) -> dict[bytes, np.ndarray]:
    return {
        f"{place:032d}".encode(): np.full((2, size // 8), place, np.float32)
        for place in range(first, first + count)
    }


def numbers(cache: ActivationCache, wanted: dict[bytes, np.ndarray]) -> list[float]:
    found = cache.get(list(wanted))
    return [float(found[key].view(np.float32)[0]) for key in wanted if key in found]


@pytest.fixture
def cache(tmp_path: Path) -> ActivationCache:
    return ActivationCache(tmp_path / "deep" / "activations", 100_000)


def test_what_was_put_comes_back_in_another_process_bit_for_bit(cache: ActivationCache) -> None:
    kept = {b"a" * 32: np.arange(7, dtype=np.float32), b"b" * 32: np.arange(3, dtype=np.uint16)}
    assert cache.put(kept)
    again = ActivationCache(cache.folder, cache.max_bytes).get([*kept, b"c" * 32])
    assert {key: value.tobytes() for key, value in again.items()} == {
        key: value.tobytes() for key, value in kept.items()
    }


def test_a_row_cannot_be_written_through_what_was_found(cache: ActivationCache) -> None:
    cache.put(rows(0, 1))
    (found,) = cache.get(list(rows(0, 1))).values()
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


def test_rows_that_were_exchanged_are_absent(cache: ActivationCache) -> None:
    cache.put(rows(0, 3))
    with closing(sqlite3.connect(cache.folder / "index.db")) as index, index:
        places = index.execute("SELECT key, start, sum FROM rows ORDER BY key").fetchall()
        for (key, *_), (_, *others) in zip(places[:2], places[1::-1], strict=True):
            index.execute("UPDATE rows SET start = ?, sum = ? WHERE key = ?", (*others, key))
    assert numbers(cache, rows(0, 3)) == [2.0]


def test_the_bound_holds_and_the_block_used_longest_ago_goes_first(
    cache: ActivationCache,
) -> None:
    first, second, third = rows(0, 400), rows(400, 400), rows(800, 400)
    cache.put(first)
    cache.put(second)
    assert len(numbers(cache, first)) == 400  # used just now, so the second is the older one
    cache.put(third)
    assert cache.size() <= cache.max_bytes
    assert numbers(cache, second) == []
    assert len(numbers(cache, first)) == len(numbers(cache, third)) == 400
    on_disk = sum(path.stat().st_size for path in cache.folder.glob("*.block"))
    assert on_disk == cache.size()


def test_more_than_the_bound_is_not_kept_and_pushes_nothing_out(cache: ActivationCache) -> None:
    cache.put(rows(0, 10))
    assert not cache.put(rows(100, 1200))
    assert len(numbers(cache, rows(0, 10))) == 10


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "gone"])
def test_a_damaged_block_is_absent_and_can_be_put_again(
    cache: ActivationCache, damage: str
) -> None:
    cache.put(rows(0, 3))
    cache.put(rows(3, 3))
    block = min(cache.folder.glob("*.block"), key=lambda path: path.stat().st_mtime_ns)
    data = bytearray(block.read_bytes())
    if damage == "gone":
        block.unlink()
    elif damage == "flipped":
        data[-1] ^= 1
        block.write_bytes(data)
    else:
        block.write_bytes(data[:-5] if damage == "cut" else b"")
    assert numbers(cache, rows(3, 3)) == [3, 4, 5]
    assert set(numbers(cache, rows(0, 3))) <= {0, 1}
    assert numbers(cache, rows(0, 3)) == []  # the whole block was dropped
    cache.put(rows(0, 3))
    assert numbers(cache, rows(0, 6)) == [0, 1, 2, 3, 4, 5]


def test_a_damaged_index_starts_anew(cache: ActivationCache) -> None:
    cache.put(rows(0, 3))
    for path in cache.folder.glob("index.db*"):
        path.write_bytes(b"no database at all, but long enough to be taken for a header" * 20)
    assert numbers(cache, rows(0, 3)) == []
    assert cache.put(rows(0, 3))
    assert numbers(cache, rows(0, 3)) == [0, 1, 2]


def test_a_locked_index_finds_and_keeps_nothing_and_raises_nothing(
    cache: ActivationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(rows(0, 3))
    monkeypatch.setattr(activation_cache, "LOCK_SECONDS", 0.05)
    holder = sqlite3.connect(cache.folder / "index.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert cache.get(list(rows(0, 3))) == {}
    assert not cache.put(rows(3, 3))
    holder.rollback()
    holder.close()
    assert numbers(cache, rows(0, 3)) == [0, 1, 2]


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ActivationCache(tmp_path / "file" / "activations", 1000)
    assert not cache.put(rows(0, 3))
    assert cache.get(list(rows(0, 3))) == {}


def test_what_a_killed_process_left_is_swept_away_later(cache: ActivationCache) -> None:
    cache.folder.mkdir(parents=True)
    old, new = cache.folder / "left.123.part", cache.folder / "made.now.part"
    for path in (old, new):
        path.write_bytes(b"torn")
    os.utime(old, (0, 0))
    cache.put(rows(3, 3))
    assert not old.exists()
    assert new.exists()


def test_many_writers_and_readers_lose_nothing_that_fits(cache: ActivationCache) -> None:
    def work(place: int) -> list[float]:
        own = ActivationCache(cache.folder, cache.max_bytes)
        own.put(rows(10 * place, 10))
        return numbers(own, rows(10 * place, 10))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(16)))
    assert found == [[float(n) for n in range(10 * p, 10 * p + 10)] for p in range(16)]
    assert len(numbers(cache, rows(0, 160))) == 160
