"""Positions, ledgers, ids and dead letters: what was recorded of the topics."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from purposewatch_reporter.store.tables.schema import UtcTime, metadata


def _fingerprint() -> tuple[Column[Any], ...]:
    """What identifies the log: see ledger/fingerprint.py."""
    return (
        Column("first_offset", BigInteger),
        Column("first_digest", LargeBinary(16)),
        Column("latest_offset", BigInteger),
        Column("latest_digest", LargeBinary(16)),
    )


def _epoch() -> tuple[Column[Any], ...]:
    """One log epoch of a ledger: see docs/concepts.md, "log epochs"."""
    return (
        Column("topic", String, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("log_epoch", Integer, primary_key=True, autoincrement=False),
        Column("started_time", UtcTime),
        Column("ended_time", UtcTime),
        Column("seen_end", BigInteger, nullable=False),
        *_fingerprint(),
    )


# The positions of this service in the topics that it reads. Those of the broker only show them.
positions = Table(
    "positions",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("log_epoch", Integer, nullable=False),
    *_fingerprint(),
)

# Log epochs after the first, of every topic that the ledger rests on: since when, and why.
log_epochs = Table(
    "log_epochs",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("log_epoch", Integer, primary_key=True, autoincrement=False),
    Column("started_time", UtcTime, nullable=False),
    Column("reason", String, nullable=False),
)

# Ledgers of the events topic's partitions: see ledger/partition.py.
ledger = Table(
    "ledger",
    metadata,
    *_epoch(),
    Column("base", BigInteger, nullable=False),
    Column("accounted", Text, nullable=False),
    Column("verdicts", BigInteger, nullable=False),
    Column("dead_letters", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("conflicts", BigInteger, nullable=False),
)

# Ledgers of the raw topic's partitions, and their bits: see ledger/raw.py.
raw_ledger = Table(
    "raw_ledger",
    metadata,
    *_epoch(),
    Column("base", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=False),
    Column("recorded_end", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("dead_letters", BigInteger, nullable=False),
    Column("repeats", BigInteger, nullable=False),
)

raw_chunks = Table(
    "raw_chunks",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("log_epoch", Integer, primary_key=True, autoincrement=False),
    Column("chunk", BigInteger, primary_key=True, autoincrement=False),
    Column("bits", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Ids that were recorded; pruned by age.
event_ids = Table(
    "event_ids",
    metadata,
    Column("id_hash", LargeBinary(16), primary_key=True),
    Column("content_digest", LargeBinary(16), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("event_offset", BigInteger, nullable=False),
    Column("recorded_time", UtcTime, nullable=False),
    Index("ix_event_ids_recorded_time", "recorded_time"),
    sqlite_with_rowid=False,
)

# Verdicts about events whose id was recorded before with other content.
id_conflicts = Table(
    "id_conflicts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("event_offset", BigInteger, nullable=False),
    Column("first_partition", Integer, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("event_id", String, nullable=False),
    Column("event_source", String, nullable=False),
    Column("event_time", UtcTime, nullable=False),
    Column("recorded_time", UtcTime, nullable=False),
    Column("publisher", String, nullable=False),
    Column("controller", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("kind", String),
    Column("summary", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Index("ix_id_conflicts_time", "recorded_time", "id"),
    Index("ix_id_conflicts_event_id", "event_id"),
)

# What was dead-lettered and why; the record itself stays in Kafka.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("origin_topic", String, nullable=False),
    Column("origin_partition", Integer, nullable=False),
    Column("origin_offset", BigInteger, nullable=False),
    Column("record_time", UtcTime, nullable=False),
    Column("failed_time", UtcTime, nullable=False),
    Column("recorded_time", UtcTime, nullable=False),
    Column("consumer", String, nullable=False),
    Column("error_class", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("policy_version", String),
    Column("kept_partition", Integer),
    Column("kept_offset", BigInteger),
    Column("event_hash", LargeBinary(16)),
    Index("ix_dead_letters_event_hash", "event_hash"),
    Index("ix_dead_letters_time", "failed_time", "id"),
    Index("ix_dead_letters_error_class", "error_class", "failed_time", "id"),
)
