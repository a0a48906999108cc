"""The command `ratchet`: what people type, and how facts are printed.

Promise: every expected error is one readable paragraph with its remedy, and an exit code:
0 done, 1 refused or failed, 2 usage, 3 inconclusive or waiting for a person, 4 corrupt.
"""
