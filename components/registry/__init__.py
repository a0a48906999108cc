"""The registry: MLflow, and the only room that knows it.

Concept: `Registry` mirrors what the ledger decided into versions, aliases and tags.

Promise: importing this room does not import MLflow; the first call does.
"""

from components.registry.store import Registry
from components.registry.submission import DataSource, Registered, Submission, Version

__all__ = ["DataSource", "Registered", "Registry", "Submission", "Version"]
