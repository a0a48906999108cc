"""The ledger: an append-only, hash-chained record of every event, and what follows from it.

Concept: the events are the truth. Inbox, versions, champion, holdouts and the wall are
projections, changed in the transaction that appends the event, and rebuilt from nothing
but the events.

Promise: the champion is what the ledger says (law 1); whoever writes as the owner of a
lease that was taken over fails in the same transaction; any changed byte of any event, and
an event cut off at the end, is found by `verify`. Whoever may write the file may also write
a whole new chain: only a head noted elsewhere shows that.
"""
