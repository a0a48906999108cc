"""How a version learns: from (base, parent bundle, lesson) to a new bundle, reproducibly.

Concept: `candidate.learn` gathers the rows, puts the model together, lets a strategy train it
and writes the bundle. `strategies` is a table; a new one is one file and one row.

Promise: the same lesson gives the same bytes on one machine (law 7). Importing this package
loads no PyTorch.
"""
