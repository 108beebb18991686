"""What publishers could not state as events."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, String, Table

from purposewatch_reporter.store.tables.schema import UtcTime, metadata

# What publishers saw and could not state as events, by name, and by the day of the gap's own time.
gaps = Table(
    "gaps",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("publisher", String, nullable=False),
    Column("controller", String),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_time", UtcTime, nullable=False),
    Column("last_time", UtcTime, nullable=False),
    Column("first_recorded_time", UtcTime, nullable=False),
    Column("last_recorded_time", UtcTime, nullable=False),
    Index("ix_gaps_publisher", "publisher", "kind", "name"),
    Index("ix_gaps_last_recorded_time", "last_recorded_time", "id"),
)

gap_days = Table(
    "gap_days",
    metadata,
    Column("gap_id", String(32), ForeignKey("gaps.id"), primary_key=True),
    Column("day", UtcTime, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Index("ix_gap_days_day", "day"),
    sqlite_with_rowid=False,
)

# Ids of gaps that were counted; pruned by age.
gap_ids = Table(
    "gap_ids",
    metadata,
    Column("id_hash", LargeBinary(16), primary_key=True),
    Column("recorded_time", UtcTime, nullable=False),
    Index("ix_gap_ids_recorded_time", "recorded_time"),
    sqlite_with_rowid=False,
)
