"""Ratchet's components: the product, free of any orchestrator.

Concept: a component is a set of functions from values to values. Values are frozen
dataclasses; the clock, the seed and the root folder arrive as arguments.

Promise: nothing in here imports Prefect; MLflow is imported only in `registry`,
Great Expectations and DVC only in `data`; `gate` needs NumPy and SciPy alone.
"""
