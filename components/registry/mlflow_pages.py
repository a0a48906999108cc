"""Addresses of MLflow's own pages, and the table of runs that Ratchet sets up there.

Concept: MLflow keeps a view of its runs table (columns, filter, order) as a tag of the experiment,
offers it by name in its menu "Views", and opens it by the tag's key. Addresses are relative to
MLflow's own, so they hold in its Markdown whatever server shows it.

Without `workflowType` MLflow 3 opens its pages for language models, with no run in sight.
"""

from __future__ import annotations

import json
import time
from urllib.parse import quote

from components.registry.inspection import ACCURACY, NOTE, OUTCOME, VERSION

REPORT = "report.html"
VIEW = "ratchet"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
_TRAINING = "workflowType=machine_learning"

COLUMN_PIXELS = {
    f"tags.`{VERSION}`": 75,
    f"tags.`{OUTCOME}`": 110,
    f"tags.`{ACCURACY}`": 380,
    "attributes.`Dataset`": 200,
}
"""The columns beside a run's name and date, in MLflow's spelling, and how wide they are."""


def model_page(name: str) -> str:
    """Return where MLflow shows a registered model."""
    return f"#/models/{quote(name, safe='')}?{_TRAINING}"


def report_page(experiment: str | None, run_id: str) -> str:
    """Return where MLflow shows the report of a run."""
    return f"#/experiments/{experiment}/runs/{run_id}/artifacts/{REPORT}?{_TRAINING}"


def runs_page(experiment: str | None) -> str:
    """Return where MLflow shows the runs with their version, outcome and accuracy."""
    return f"#/experiments/{experiment}/runs?{_TRAINING}&viewStateShareKey={VIEW}"


def view() -> str:
    """Return the view, as the value of its tag: the registered runs, the newest first."""
    state = {
        "selectedColumns": list(COLUMN_PIXELS),
        "columnOrder": [*COLUMN_PIXELS, "duration"],
        "columnWidths": COLUMN_PIXELS,
        "searchFilter": f"tags.`{VERSION}` != ''",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
    }
    now = int(time.time() * 1000)
    return json.dumps({"name": "Ratchet", "createdAt": now, "state": json.dumps(state)})


def experiment_tags(experiment: str) -> dict[str, str]:
    """Return the tags of the experiment that holds the runs: its table, and a way to it."""
    return {
        VIEW_TAG: view(),
        NOTE: "One run for each version, named by the file that it learned and what became of it: "
        f"[all of them, with their accuracy]({runs_page(experiment)}).",
    }
