"""The ledger: an append-only, hash-chained record of every event, and what follows from it.

Concept: the events are the truth. Inbox, versions, champion, holdouts and the wall are
projections, changed in the transaction that appends the event, and rebuilt from nothing
but the events.

Promise: the champion is what the ledger says (law 1); a writer whose lease was taken over fails
in the same transaction; `verify` finds any changed byte of any event, and a missing event at the
end. Whoever can write to the file can also write a new chain: only a head stored elsewhere
reveals that.
"""
