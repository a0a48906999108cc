"""Data: from a file somebody dropped to items that may be learned, and to bytes that stay.

Concept: `readers` turns a file into numbered rows without changing a value; `validation`
holds them to the contract with Great Expectations; `split` keeps holdouts away from
training; `quarantine` remembers what was refused and why; `versioning` stores bytes by DVC.

Promise: nothing here decides about a model, and importing this package costs nothing:
Great Expectations, DVC, pandas and pyarrow load inside the functions that need them.
"""
