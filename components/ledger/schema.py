"""Tables of the ledger.

Concept: `events` is only ever inserted into; `head` names its last one. Every other table except
`leases` is a projection and holds no facts of its own. The indexes keep the cost of a batch
constant, however many came before it.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

INTEGERS = range(-(2**63), 2**63)
"""What a column of integers can hold."""

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("time", String(40), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

head = Table(
    "head",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("token", Integer, nullable=False),
    Column("holder", String(200), nullable=False),
    Column("expires", String(40), nullable=False),
    Column("in_order", Integer, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("position", Integer, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("suffix", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("version", Integer),
    Index("inbox_by_status", "status", "position"),
)

versions = Table(
    "versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("batch", String(64)),
    Column("bundle", String(64), nullable=False),
    Column("parent", Integer),
    Column("status", String(20), nullable=False),
    Column("evidence", String(64), nullable=False),
    Column("headline", Text, nullable=False),
    Column("anchors", Text, nullable=False),
    Column("run", String(64), nullable=False),
    Column("wall", String(64)),
    Index("versions_by_batch", "batch"),
    Index("versions_by_bundle", "bundle"),
    Index("versions_by_status", "status", "parent", "version"),
)

pointer = Table(
    "pointer",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("how", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", String(40), nullable=False),
)

probations = Table(
    "probations",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("parent", Integer, nullable=False),
    Column("since", Integer, nullable=False),  # the number of the event that began it
    Column("ends", String(40), nullable=False),
    Column("labels", Integer, nullable=False),  # so many end it earlier
    Column("outcome", String(20), nullable=False),
    Column("looks", Integer, nullable=False),
    Column("snapshot", String(64)),  # of the newest look, as is its evidence
    Column("evidence", String(64)),
    Index("probations_by_outcome", "outcome"),
)

splits = Table(
    "splits",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("item", String(64), primary_key=True),
    Column("near", String(64), nullable=False),
    Column("task", Text, nullable=False),
    Column("side", String(10), nullable=False),
    Index("splits_by_near", "near", "side", "batch"),
)

pools = Table(
    "pools",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("member", String(64), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Index("pools_by_member", "member", "seq"),
)

holdout = Table(
    "holdout",
    metadata,
    Column("exam", Text, primary_key=True),
    Column("item", String(64), primary_key=True),
    Column("near", String(64), nullable=False),
    Column("task", Text, nullable=False),
    Column("source", String(64), nullable=False),
    Column("version", Integer),
    Column("confirmed", Integer, nullable=False),
    Column("retired", Integer, nullable=False, server_default="0"),  # by which event; 0: it counts
    Index("holdout_by_item", "item"),
    Index("holdout_by_near", "near"),
    Index("holdout_by_version", "version", "confirmed", "retired", "source"),
    Index("holdout_by_age", "retired", "exam", "version"),
    Index("holdout_by_confirmed", "confirmed", "source"),
    Index("holdout_by_retired", "retired", "source"),
)

exam_use = Table(
    "exam_use",
    metadata,
    Column("bundle", String(64), primary_key=True),
    Column("snapshot", String(64), primary_key=True),
    Column("exam", Text, primary_key=True),
    Column("retired", Integer, primary_key=True, server_default="0"),  # as in `holdout`
    Column("turned_away", Integer, nullable=False),
    Column("spent", Integer, nullable=False),
)

renamed_tasks = Table(
    "renamed_tasks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("now", Text, nullable=False),
)

relabelled = Table(
    "relabelled",
    metadata,
    Column("item", String(64), primary_key=True),
    Column("now", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Index("relabelled_by_now", "now"),
)

looks = Table(
    "looks",
    metadata,
    Column("bundle", String(64), primary_key=True),
    Column("snapshot", String(64), primary_key=True),
    Column("batch", String(64)),
    Index("looks_by_batch", "batch"),
)

answers = Table(
    "answers",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("task", Text, nullable=False),
    Column("item", String(64), nullable=False),
    Column("answer", String(10), nullable=False),
    Column("label", Text),
    Column("offered", Text, nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("again", Integer, nullable=False),
    Index("answers_by_item", "item"),
    Index("answers_by_task", "task"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("batch", String(64), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", String(20), nullable=False),
)

choices = Table(
    "choices",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", Text, nullable=False),
    Column("why", Text, nullable=False),
)

trained = Table(
    "trained",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("bundle", String(64), nullable=False),
)

open_intents = Table(
    "open_intents",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", String(60), nullable=False),
    Column("payload", Text, nullable=False),
)

projections = (
    inbox,
    versions,
    pointer,
    probations,
    splits,
    pools,
    holdout,
    exam_use,
    renamed_tasks,
    relabelled,
    looks,
    answers,
    quarantine,
    choices,
    trained,
    open_intents,
)
