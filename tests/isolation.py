"""A process that tests start from: a home of its own, offline, no say of the user's settings."""

from __future__ import annotations

from pathlib import Path

ISOLATED = ("MLFLOW_", "PREFECT_", "DVC_", "GIT_", "RATCHET_")
"""How the variables begin that are the user's, and are taken away."""


def quiet(home: Path) -> dict[str, str]:
    """Return the variables that every library finds before it is imported."""
    return {
        "HOME": str(home),
        "PREFECT_HOME": str(home / ".prefect"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TOKENIZERS_PARALLELISM": "false",
    }
