"""The way of a batch: the steps between arrival and decision, each over one workspace.

Concept: a step reads what it needs, changes the outside world through one room, and writes
its ledger event. The order of the steps, their retries and their visibility belong to
`flows`; every step may be repeated, because each effect is idempotent by key.
"""
