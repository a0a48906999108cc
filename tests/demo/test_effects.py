"""The demo's effects are real, and large: over three seeds each is at least twice its margin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.demo.fetch import fetch
from components.ledger import views
from components.operations import rollback
from components.operations.explanation import explain
from components.workspace.root import Workspace, open_workspace

pytestmark = pytest.mark.slow

PROMOTED = ["tweets-1", "products-1", "editorials-1", "films-1", "products-2"]
LABELS = range(3, 31)
"""How many answers are a handful."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch the demo's data once for all seeds."""
    folder = tmp_path_factory.mktemp("demo")
    fetch(folder / ".cache" / "demo", lambda line: None)
    return folder


@pytest.fixture(params=[0, 1, 2], scope="module")
def story(request: pytest.FixtureRequest, cache: Path) -> dict[str, Any]:
    """Run the demo as a person would, with another seed each time."""
    done = subprocess.run(
        [sys.executable, "-m", "components.cli.main", "demo", "--json",
         "--folder", str(cache / f"seed{request.param}"), "--seed", str(request.param)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def by_name(story: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in story["told"]}


def workspace(story: dict[str, Any]) -> Workspace:
    return open_workspace(Path(story["root"]))


def test_honest_batches_are_promoted(story: dict[str, Any]) -> None:
    rows = by_name(story)
    assert {name: rows[name]["action"] for name in PROMOTED} == dict.fromkeys(PROMOTED, "promoted")


def test_broken_rows_are_kept_apart_and_junk_is_refused_whole(story: dict[str, Any]) -> None:
    rows, ws = by_name(story), workspace(story)
    assert "13 broken rows are in quarantine" in rows["tweets-2, again"]["why"]
    assert rows["products-junk"]["action"] == "refused"
    assert rows["products-junk"]["version"] is None
    assert {each.kind for each in views.quarantined(ws.ledger)} == {"rows", "batch"}


def test_the_poison_is_rejected_for_a_loss_of_twice_the_margin(story: dict[str, Any]) -> None:
    row = by_name(story)["products-poisoned"]
    assert row["action"] == "rejected"
    verdicts = explain(workspace(story), row["version"])["verdicts"]
    products = next(v for v in verdicts if v["check"] == "forgetting" and v["exam"] == "products")
    assert products["outcome"] == "FAIL"
    assert products["effect_points"] >= 2 * products["margin_points"]


def test_a_small_batch_is_promoted_with_a_handful_of_labels(story: dict[str, Any]) -> None:
    rows, ws = by_name(story), workspace(story)
    held = rows["tweets-2"]
    assert held["action"] == "held"
    assert held["why"].startswith("Hold for labels")
    assert len(views.answers(ws.ledger, "tweets")) in LABELS
    assert rows["tweets-2, again"]["action"] == "promoted"
    decided = explain(ws, rows["tweets-2, again"]["version"])["verdicts"]
    pool = [v for v in decided if v["exam"] == "tweets#pool" and v["check"] == "forgetting"]
    assert [v["outcome"] for v in pool] == ["PASS"]


def test_the_late_regression_is_rolled_back_and_its_batch_is_in_quarantine(
    story: dict[str, Any],
) -> None:
    rows, ws = by_name(story), workspace(story)
    target = rows["editorials-1"]["version"]
    later = explain(ws, rows["films-1"]["version"])
    assert later["status"] == "barred"
    (found,) = [v for each in later["later"] for v in each["verdicts"]]
    assert (found["exam"], int(found["target"])) == ("tweets#2", target)
    assert found["effect_points"] >= 2 * found["margin_points"]
    batch = next(a for a in views.arrivals(ws.ledger) if a.source == "films-1.jsonl")
    assert batch.status == "quarantined"


def test_the_demo_ends_on_a_sound_champion_where_mlflow_says(story: dict[str, Any]) -> None:
    rows, ws = by_name(story), workspace(story)
    champion = views.champion(ws.ledger)
    assert champion is not None
    assert champion.version == story["champion"] == rows["products-2"]["version"]
    assert ws.registry.alias("champion") == champion.version
    live = [v.batch for v in views.versions(ws.ledger) if v.status in ("champion", "former")]
    assert len(live) == len(set(live)) == 5
    with ws.ledger.lease(ws.settings.model.name, 600) as lease:
        assert rollback.look(ws, lease).regressions == ()
