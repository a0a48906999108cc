"""The ground that every step stands on: one root, its files, and what its ledger knows of them.

Concept: `root.Workspace` opens the rooms that hold a root's state; the other files here find,
store and name what lies in it. Steps (`pipeline`) and operations stand on this room; it knows
neither.
"""
