"""What was ever seen, and what counting rules count."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from purposewatch_reporter.store.tables.schema import UtcTime, metadata

# Recipients of a controller's data, once each: those that were ever seen.
known_recipients = Table(
    "known_recipients",
    metadata,
    Column("controller", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("publisher", String),
    Column("flow_id", LargeBinary(16)),
    Column("first_time", UtcTime, nullable=False),
    Column("recorded_time", UtcTime, nullable=False),
    Index("ix_known_recipients_recorded_time", "recorded_time"),
    sqlite_with_rowid=False,
)

# Since when recipients and flows of a controller are known: what is new after a while is told.
discovery_starts = Table(
    "discovery_starts",
    metadata,
    Column("controller", String, primary_key=True),
    Column("recipients_time", UtcTime, nullable=False),
    Column("flows_time", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

# What a counting rule counts together: see counting/. Its row is locked while its slices change.
counters = Table(
    "counters",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("rule", String, nullable=False),
    Column("expires_time", UtcTime, nullable=False),
    Index("ix_counters_rule", "rule"),
    Index("ix_counters_expires_time", "expires_time"),
)

# How many matched in a slice of time; of data subjects, how many distinct ones.
counter_slices = Table(
    "counter_slices",
    metadata,
    Column("counter_id", LargeBinary(16), primary_key=True),
    Column("slice", BigInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("expires_time", UtcTime, nullable=False),
    Index("ix_counter_slices_expires_time", "expires_time"),
    sqlite_with_rowid=False,
)

# The distinct data subjects of a slice, as digests.
counter_subjects = Table(
    "counter_subjects",
    metadata,
    Column("counter_id", LargeBinary(16), primary_key=True),
    Column("slice", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", LargeBinary(16), primary_key=True),
    sqlite_with_rowid=False,
)

# Windows in which more matched than a rule allows: a row for each episode of their notice.
counting_alerts = Table(
    "counting_alerts",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("episode", Integer, primary_key=True, autoincrement=False),
    Column("rule", String, nullable=False),
    Column("controller", String, nullable=False),
    Column("publisher", String),
    Column("counted", String, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("more_than", BigInteger, nullable=False),
    Column("window_seconds", Integer, nullable=False),
    Column("severity", String, nullable=False),
    Column("first_window_time", UtcTime, nullable=False),
    Column("last_window_time", UtcTime, nullable=False),
    Column("peak_window_time", UtcTime, nullable=False),
    Column("peak_count", BigInteger, nullable=False),
    Column("peak_is_bound", Boolean, nullable=False),
    Column("first_recorded_time", UtcTime, nullable=False),
    Column("last_recorded_time", UtcTime, nullable=False),
    Index("ix_counting_alerts_last_recorded_time", "last_recorded_time", "fingerprint"),
)
