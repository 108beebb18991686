"""The tables. Migrations create them; a test holds the two equal."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no type with a zone, so there it is stored without."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: their meaning would depend on the machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a zone can't be stored; attach its zone"
            raise ValueError(message)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


NO_KIND = "none"
"""Stands for «no kind» where a column is part of a primary key, as it does in metric labels."""

_COUNTER = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

# Where this service stands in the topics that it reads. The broker's offsets are only a display.
positions = Table(
    "positions",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)

# One row per partition of the events topic: see ledger/partition.py.
ledger = Table(
    "ledger",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("base", BigInteger, nullable=False),
    Column("accounted", Text, nullable=False),
    Column("verdicts", BigInteger, nullable=False),
    Column("dead_letters", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("conflicts", BigInteger, nullable=False),
)

# Decisions about data categories, by the hour of the event's own time.
hourly_counts = Table(
    "hourly_counts",
    metadata,
    Column("hour", UtcTime, primary_key=True),
    Column("controller", String, primary_key=True),
    Column("role", String, primary_key=True),
    Column("data_category", String, primary_key=True),
    Column("purpose", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Events, by the hour of their own time.
hourly_verdicts = Table(
    "hourly_verdicts",
    metadata,
    Column("hour", UtcTime, primary_key=True),
    Column("controller", String, primary_key=True),
    Column("publisher", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Verdicts that are not «permitted»: violations, and events that could not be judged.
violations = Table(
    "violations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("event_offset", BigInteger, nullable=False),
    Column("event_id", String, nullable=False),
    Column("event_source", String, nullable=False),
    Column("event_time", UtcTime, nullable=False),
    Column("booked_time", UtcTime, nullable=False),
    Column("origin", String, nullable=False),
    Column("publisher", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("controller", String, nullable=False),
    Column("role", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("kind", String),
    Column("policy_version", String),
    Column("statement", String),
    Column("clause", String),
    Column("grade", String),
    Column("summary", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Index("ix_violations_time", "event_time", "id"),
    Index("ix_violations_controller", "controller", "event_time", "id"),
    Index("ix_violations_kind", "kind", "event_time", "id"),
    Index("ix_violations_publisher", "publisher", "event_time", "id"),
    Index("ix_violations_event_id", "event_id"),
)

# The data categories of a violation that were not permitted.
violation_categories = Table(
    "violation_categories",
    metadata,
    Column("violation_id", String(32), ForeignKey("violations.id"), primary_key=True),
    Column("data_category", String, primary_key=True),
    Index("ix_violation_categories_data_category", "data_category", "violation_id"),
    sqlite_with_rowid=False,
)

# Ids that were booked; pruned by age.
event_ids = Table(
    "event_ids",
    metadata,
    Column("id_hash", LargeBinary(16), primary_key=True),
    Column("content_digest", LargeBinary(16), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("event_offset", BigInteger, nullable=False),
    Column("booked_time", UtcTime, nullable=False),
    Index("ix_event_ids_booked_time", "booked_time"),
    sqlite_with_rowid=False,
)

# Verdicts about events whose id was booked before with other content.
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
    Column("booked_time", UtcTime, nullable=False),
    Column("publisher", String, nullable=False),
    Column("controller", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("kind", String),
    Column("summary", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Index("ix_id_conflicts_time", "booked_time", "id"),
    Index("ix_id_conflicts_event_id", "event_id"),
)

# What was set aside and why; the record itself stays in Kafka.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("origin_topic", String, nullable=False),
    Column("origin_partition", Integer, nullable=False),
    Column("origin_offset", BigInteger, nullable=False),
    Column("record_time", UtcTime, nullable=False),
    Column("failed_time", UtcTime, nullable=False),
    Column("booked_time", UtcTime, nullable=False),
    Column("consumer", String, nullable=False),
    Column("error_class", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("policy_version", String),
    Column("kept_partition", Integer),
    Column("kept_offset", BigInteger),
    Index("ix_dead_letters_time", "failed_time", "id"),
    Index("ix_dead_letters_error_class", "error_class", "failed_time", "id"),
)

# Alerts to deliver, one row per alert and channel.
outbox = Table(
    "outbox",
    metadata,
    Column("sequence", _COUNTER, primary_key=True, autoincrement=True),
    Column("channel", String, nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("kind", String, nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_time", UtcTime, nullable=False),
    Column("last_error", Text),
    Column("delivered_time", UtcTime),
    UniqueConstraint("channel", "fingerprint"),
    Index("ix_outbox_waiting", "channel", "delivered_time", "sequence"),
)

# Who delivers on a channel: one process at a time, so that alerts arrive in order.
channel_leases = Table(
    "channel_leases",
    metadata,
    Column("channel", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", UtcTime, nullable=False),
)
