"""A run on a tiny base: what is kept, and that it is not made twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from components.bench import bench as whole
from components.bench import run as running
from components.bench.bench import kept, make, place, wanted
from components.bench.latency import latency
from components.bench.page import read_runs
from components.bench.plan import METHOD_ROWS, STRATEGY_ROWS, Cell, Row, strategy
from components.bench.refusals import refusals
from components.bench.run import Bench, run
from components.bench.small_base import small_base
from components.bench.streams import NAMES, Budget, Stream, Task, deal
from components.cli.bench import bench as command
from components.errors import ConfigError, DataRejected
from tests.tiny_model import WORDS, base, biased, settings, tiny

__all__ = ["base", "biased", "settings", "tiny"]


@pytest.fixture
def bench(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    def dealt(name: str, *_: Any) -> Stream:
        def rows(labels: list[str], since: int) -> list[tuple[str, str]]:
            return [
                (f"it was {WORDS[label][n % len(WORDS[label])]} {n}", label)
                for label in labels
                for n in range(since, since + 12)
            ]

        pairs = [["good", "bad"], ["cat", "dog"]]
        tasks = [Task(str(n), rows(own, 0), rows(own, 50)) for n, own in enumerate(pairs)]
        return Stream(name, True, tasks)

    monkeypatch.setattr(running, "deal", dealt)
    budgets = {"newsgroups": Budget(24, 24)}
    training = {"threads": 1, "device": "cpu", "precision": "float32", "min_steps": 30}
    return Bench(tiny, tmp_path / "cache", None, budgets, training, 32)


def test_what_is_kept_says_all_that_the_table_needs(bench: Bench) -> None:
    found = run(bench, Cell("strategies", strategy("sequential"), "newsgroups", 0))
    assert [len(step["right"]) for step in found["steps"]] == [1, 2]
    assert all(len(bits) == 24 for step in found["steps"] for bits in step["right"])
    assert found["steps"][0]["right"][0].count("1") > 12
    assert found["trainable"] > 0 and found["steps"][1]["bytes"] > 0
    again = run(bench, Cell("strategies", strategy("sequential"), "newsgroups", 0))
    assert [step["right"] for step in again["steps"]] == [step["right"] for step in found["steps"]]


def test_a_row_that_cannot_be_says_why(bench: Bench) -> None:
    found = run(bench, Cell("strategies", strategy("osf"), "newsgroups", 0))
    assert "it needs `adapter.method: osf`, not lora" in found["refused"]


def test_a_kept_run_is_not_made_again_until_something_changes(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(bench: Bench, cell: Cell) -> Any:
        made.append(cell.row.name)
        return {"key": bench.key(cell), "row": cell.row.name}

    monkeypatch.setattr(whole, "run", counted)
    cells = [Cell("strategies", strategy(name), "newsgroups", 0) for name in ("ewc", "lwf")]
    told: list[tuple[int, int]] = []
    for _ in range(2):
        make(bench, cells, tmp_path / "runs", 1, lambda *counts: told.append(counts))
    assert made == ["ewc", "lwf"] and told == [(0, 2), (1, 2), (2, 2), (2, 2)]
    path = place(tmp_path / "runs", cells[0])
    path.write_text(json.dumps({**json.loads(path.read_text()), "key": "old"}))
    assert kept(tmp_path / "runs", bench, cells[0]) is None
    make(bench, cells, tmp_path / "runs", 1, lambda *counts: None)
    assert made == ["ewc", "lwf", "ewc"]


def test_a_run_of_other_settings_is_marked_and_not_counted(bench: Bench, tmp_path: Path) -> None:
    cells = [Cell("strategies", strategy(name), "newsgroups", 0) for name in ("ewc", "lwf")]
    for cell, key in zip(cells, (bench.key(cells[0]), "old"), strict=True):
        told = {"table": cell.table, "row": cell.row.name, "stream": cell.stream, "seed": 0}
        place(tmp_path, cell).write_text(json.dumps({**told, "key": key}))
    found = read_runs(tmp_path, bench)
    assert [(run["row"], run["earlier"]) for run in found] == [("ewc", False), ("lwf", True)]
    said = whole.counted([*cells, Cell("strategies", strategy("osf"), "reuters", 0)], found)
    assert said.startswith("**1 of 3 runs are there**: newsgroups 1 of 2, reuters 0 of 1. 1 more")


def test_answering_is_measured_for_the_rows_that_are_asked_for(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def noted(_: Any, row: Row) -> dict[str, Any]:
        measured.append(row.name)
        return {"refused": "not here"}

    monkeypatch.setattr("components.bench.latency.latency", noted)
    for asked in ({"vera", "ia3"}, {"vera"}, set[str]()):
        whole._measure_latencies(bench, tmp_path, asked, lambda text: None)
    assert measured == ["vera", "ia3"]


def test_every_bench_computes_in_float32() -> None:
    assert whole.FULL_TRAINING["precision"] == whole.QUICK_TRAINING["precision"] == "float32"


def test_the_help_names_the_streams_and_the_list_all_rows() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    listed = CliRunner().invoke(command, ["--list"]).output
    assert all(name in shown and f"  {name}\n" in listed for name in NAMES)
    assert all(f"  {row.name}\n" in listed for row in (*METHOD_ROWS, *STRATEGY_ROWS))


def test_refused_pairs_are_told_in_the_products_words(base: Any) -> None:
    found = {(each.strategy, each.methods): each.reason for each in refusals(base)}
    assert found["osf", "all but osf"] == "it needs `adapter.method: osf`, not METHOD"
    assert found["ewc", "osf"].startswith("METHOD trains other weights")
    assert not any("llama" in methods for _, methods in found)


def test_only_what_is_asked_for_is_wanted(tmp_path: Path) -> None:
    assert {cell.stream for cell in wanted(True, None, (), None)} == {
        "sentiment",
        "newsgroups",
        "reuters",
    }
    one = wanted(False, None, ("newsgroups", "task_vectors"), 2)
    assert {(cell.stream, cell.row.name) for cell in one} == {("newsgroups", "task_vectors")}
    assert {cell.seed for cell in one} == {0, 1}
    assert not wanted(True, None, ("nothing like it",), None)
    with pytest.raises(ConfigError, match="No stream, and no row's name"):
        whole.make_page(tmp_path / "b", tmp_path, True, None, ("zz",), 1, 1, print, print)


def test_a_file_that_is_not_clinc150_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("{}")
    for path in (None, tmp_path / "none.json", tmp_path / "data.json"):
        with pytest.raises(DataRejected, match="CLINC150 can't be read"):
            deal("clinc150", 0, Budget(10, 10), tmp_path, path, print)


def test_clinc150_is_dealt_by_classes_and_no_text_twice(tmp_path: Path) -> None:
    labels = [f"label {n}" for n in range(20)]
    parts = {
        part: [[f"{part} {label} {n}", label] for label in labels for n in range(9)]
        for part in ("train", "test")
    }
    (tmp_path / "data.json").write_text(json.dumps(parts))
    one, other = (
        deal("clinc150", 0, Budget(50, 20), tmp_path, tmp_path / "data.json", print)
        for _ in range(2)
    )
    assert one == other
    assert [len(task.learn) for task in one.tasks] == [50, 50]
    texts = [text for task in one.tasks for text, _ in (*task.learn, *task.ask)]
    assert len(set(texts)) == len(texts)
    assert all(len({label for _, label in task.learn}) == 10 for task in one.tasks)


def test_latency_is_told_for_every_method_that_fits(base: Any) -> None:
    rows = {row.name: row for row in METHOD_ROWS}
    found = latency(base, rows["lora"])
    assert 0.2 < found["batch 1"] < 5 and found["difference"] < 1e-3
    assert found["costs"] == "none once merged"
    assert "decoder" in latency(base, rows["llama_adapter"])["refused"]


def test_the_small_base_is_the_lowest_layers_with_their_weights(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from components.bench import small_base as module

    monkeypatch.setattr(module, "LAYERS", 1)
    made = small_base(tiny, tmp_path)
    assert small_base(tiny, tmp_path) == made
    tensors = load_file(made / "model.safetensors")
    assert not any("layer.1." in name for name in tensors)
    assert any("layer.0." in name for name in tensors)
