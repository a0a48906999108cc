"""The demo: a real base model and real ratings, so that `ratchet demo` shows real forgetting.

Concept: what the demo learns from is fetched once, pinned by SHA-256 and never committed.
"""
