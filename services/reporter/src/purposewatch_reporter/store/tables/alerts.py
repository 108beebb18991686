"""Notices, and the delivery of alerts."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from purposewatch_reporter.store.tables.schema import COUNTER, UtcTime, metadata

# What alerts apart from findings: the ledger, a dead channel, an id with two contents.
notices = Table(
    "notices",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("controller", String),
    Column("summary", Text, nullable=False),
    Column("severity", String, nullable=False),
    Column("state", String, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("episode_started_time", UtcTime, nullable=False),
    Column("episode_count", BigInteger, nullable=False),
    Column("first_time", UtcTime, nullable=False),
    Column("active_time", UtcTime, nullable=False),
    Column("quiet_time", UtcTime),
    Column("routed_episode", Integer, nullable=False),
    Index("ix_notices_state", "state", "active_time"),
)

# Alerts to deliver: one row per episode and channel, from its beginning until the receiver knows
# of its end. See alerts/outbox.py.
outbox = Table(
    "outbox",
    metadata,
    Column("sequence", COUNTER, primary_key=True, autoincrement=True),
    Column("channel", String, nullable=False),
    Column("source", String, nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("due_time", UtcTime),
    Column("waiting_since", UtcTime),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("resolve_after", UtcTime),
    Column("resolved_time", UtcTime),
    Column("resolved_count", BigInteger),
    Column("last_error", Text),
    Column("done_time", UtcTime),
    UniqueConstraint("channel", "fingerprint", "episode"),
    Index("ix_outbox_due", "channel", "done_time", "due_time"),
    Index("ix_outbox_fingerprint", "fingerprint", "done_time"),
)

# Whether a channel gets through; shared by all processes.
channel_health = Table(
    "channel_health",
    metadata,
    Column("channel", String, primary_key=True),
    Column("failing_since", UtcTime),
    Column("last_success_time", UtcTime),
    Column("last_error", Text),
)

# Who delivers on a channel: one process at a time, so that alerts arrive in order.
channel_leases = Table(
    "channel_leases",
    metadata,
    Column("channel", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", UtcTime, nullable=False),
)
