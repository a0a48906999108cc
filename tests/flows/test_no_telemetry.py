"""No command that Ratchet prints sends telemetry (law 10)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from flows.prefect_home import START

REPOSITORY = Path(__file__).parents[2]
PRINTED = re.compile(r"[^\n]*(?:mlflow ui|prefect server start)[^\n]*")
TO_PEOPLE = ("components/cli", "components/operations", "flows")

ASK = """
from mlflow.telemetry.utils import is_telemetry_disabled
from prefect._internal.analytics.enabled import is_telemetry_enabled
from prefect.settings import get_current_settings

print(is_telemetry_disabled(), is_telemetry_enabled(),
      get_current_settings().server.analytics_enabled)
"""


def asked(**environment: str) -> str:
    """Return what MLflow and Prefect say of their telemetry, in a process of people's own."""
    named = ("DO_NOT_TRACK", "CI", "PREFECT_SERVER_ANALYTICS_ENABLED", "MLFLOW_DISABLE_TELEMETRY")
    left = {
        name: value
        for name, value in os.environ.items()
        if name not in named and not name.startswith(("PYTEST", "GITHUB"))
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK], env={**left, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_variables_of_our_lines_turn_both_off() -> None:
    assert asked() == "False True True", "else this test shows nothing"
    ours = dict(pair.split("=") for pair in START.split() if "=" in pair)
    assert asked(**ours) == "True False False"


def test_every_line_that_starts_a_server_has_them() -> None:
    found = [
        (path, line)
        for folder in TO_PEOPLE
        for path in sorted((REPOSITORY / folder).glob("*.py"))
        for line in PRINTED.findall(path.read_text(encoding="utf-8").partition('\n"""\n')[2])
    ]
    assert found
    for path, line in found:
        assert "DO_NOT_TRACK=true" in line, f"{path}: {line}"
