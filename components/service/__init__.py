"""A working installation on one machine: servers and workers, started, watched and ended together.

Concept: `supervisor` keeps processes running, whatever they are; `servers` says which ones an
installation needs.
"""
