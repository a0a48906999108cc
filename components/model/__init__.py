"""What a version is, and how it answers.

Concept: a bundle is a folder of named parts over one frozen base; `load_version` puts the two
together and hands back an `Answerer`. `adapters` and `heads` are tables; a new method is one
file and one row.

Promise: this folder travels inside each MLflow version, so what answers there is what the gate
examined (law 12). It imports nothing of Ratchet's but the ground files beside it, always
relatively, because it travels under a name of its own. Importing it loads no PyTorch, and
nothing but safetensors and JSON is read or written (law 9).
"""
