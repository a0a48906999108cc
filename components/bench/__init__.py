"""The bench: every adapter method and every strategy on the same streams, in one table.

Concept: `plan` names the rows, `streams` deals the data, `run` learns one row on one stream with
one seed and keeps what came of it as JSON, `page` makes tables and plots of all that is kept. So a
table can be made over several evenings, and a run is never made twice.

Promise: no figure on the page was typed; a row that cannot run says why in words.
"""
