"""Examining versions: their answers, what they forgot, and how far the data drifted.

Concept: this room measures and never judges; the gate judges.
"""
