"""Ratchet's components: the product, free of any orchestrator.

Concept: a component is a set of functions from values to values. Values are frozen
dataclasses; the clock, the seed and the root folder arrive as arguments.

Promise: nothing in here imports Prefect; MLflow is imported only in `registry`,
Great Expectations and DVC only in `data`; `gate` needs NumPy and SciPy alone.
"""

import os

# OpenMP reads it when PyTorch is first imported, which is done inside functions only. Threads
# that spin while they wait made 200 rows take 23 s instead of 6 on a busy machine with 2 cores;
# the bytes are the same. It stands here because `model` leaves the processes of others alone.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
