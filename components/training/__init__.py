"""Learning a batch: from (base, parent bundle, lesson) to a new bundle, reproducibly.

Concept: one frozen `base` model in memory, and bundles that hold everything else: adapter,
head, label map, strategy state, memory. `adapters`, `strategies` and `heads` are tables; a
new method is one file and one row.

Promise: the same lesson gives the same bytes on one machine (law 7), and nothing but
safetensors and JSON is read or written (law 9). Importing this package loads no PyTorch.
"""
