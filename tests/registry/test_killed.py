"""Registration killed with SIGKILL around each call that changes MLflow, then tried again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.registry import Registry

CALLS = [
    "create_run",
    "log_batch",
    "log_inputs",
    "log_artifacts",
    "set_terminated",
    "create_model_version",
]


def in_a_child_killed(at: str, moment: str, act: Callable[[], object]) -> None:
    """Run `act` in a fork that dies without a word before or after the call `at`."""
    child = os.fork()
    if child == 0:
        honest = getattr(MlflowClient, at)

        def deadly(self, *arguments, **options):
            if moment == "after":
                honest(self, *arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(MlflowClient, at, deadly)
        act()
        os._exit(3)  # the call was never reached
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{at} was not called"


def fresh(tmp_path: Path) -> Registry:
    return Registry(None, tmp_path / "mlruns", "intents", "ratchet")


@pytest.mark.crash
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("at", CALLS)
def test_killed_around_any_call_one_version_remains(registry, submission, tmp_path, at, moment):
    in_a_child_killed(at, moment, lambda: fresh(tmp_path).register(submission()))

    made = registry.register(submission())

    assert [version.version for version in registry.versions()] == [1]
    assert registry.register(submission()) == registry.find("1" * 64) == made
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    runs = client.search_runs(["1"])
    assert {run.info.status for run in runs if run.info.run_id != made.run_id} <= {"KILLED"}
    (mine,) = [run for run in runs if run.info.run_id == made.run_id]
    assert mine.info.status == "FINISHED"
    assert mine.data.metrics == {"accuracy/tweets": 0.5}
    folder = Path(mine.info.artifact_uri.removeprefix("file://"))
    assert (folder / "report.html").exists()
    assert (folder / "model" / "artifacts" / "sealed" / "manifest.json").exists()
    assert not (tmp_path / "mlruns" / "registry.staging").exists()


@pytest.mark.crash
def test_killed_again_and_again_at_other_places_one_version_remains(registry, submission, tmp_path):
    for at in CALLS[:-1]:
        in_a_child_killed(at, "after", lambda: fresh(tmp_path).register(submission()))

    registry.register(submission())

    assert [version.version for version in registry.versions()] == [1]


@pytest.mark.crash
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_an_alias_move_it_points_at_the_old_or_the_new(
    registry, submission, tmp_path, moment
):
    registry.register(submission())
    registry.register(submission(key="2" * 64))
    registry.set_alias("champion", 1)

    move = "set_registered_model_alias"
    in_a_child_killed(move, moment, lambda: fresh(tmp_path).set_alias("champion", 2))

    assert registry.alias("champion") == {"before": 1, "after": 2}[moment]
    registry.set_alias("champion", 2)
    assert registry.alias("champion") == 2


@pytest.mark.crash
@pytest.mark.parametrize("at", ["create_experiment", "create_registered_model"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_in_the_first_preparation_the_next_one_finishes_it(submission, tmp_path, at, moment):
    in_a_child_killed(at, moment, lambda: fresh(tmp_path).prepare())

    registry = fresh(tmp_path)
    registry.prepare()
    assert registry.register(submission()).version == 1
