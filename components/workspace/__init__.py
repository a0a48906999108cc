"""The basis of every step: one root, its files, and what its ledger knows about them.

Concept: `root.Workspace` opens the packages that hold a root's state; the other modules here
find, store and name its files. `pipeline` and `operations` build on this package; it imports
neither.
"""
