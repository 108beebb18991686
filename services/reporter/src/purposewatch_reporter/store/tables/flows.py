"""The flow ledger: distinct flows, what was decided about them, and how often."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
    true,
)

from purposewatch_reporter.store.tables.schema import UtcTime, accesses, metadata

# Distinct flows: everything of an event that a decision can depend on. `is_other` stands for all of
# a controller beyond the limit, `is_carried` for what earlier versions counted by less: there, the
# dimensions that are not known are `(other)` or `(carried)`.
flows = Table(
    "flows",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("controller", String, nullable=False),
    Column("role", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("source", String),
    Column("location", String),
    Column("retention_days", Integer),
    Column("legal_basis", String),
    Column("categories", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("ledger_facts", Text, nullable=False),
    Column("is_other", Boolean, nullable=False, server_default=false()),
    Column("is_carried", Boolean, nullable=False, server_default=false()),
    Column("first_recorded_time", UtcTime, nullable=False),
    Index("ix_flows_first_recorded_time", "first_recorded_time", "id"),
    Index("ix_flows_controller", "controller", "first_recorded_time", "id"),
    Index(
        "ix_flows_other",
        "id",
        sqlite_where=text("is_other = 1"),
        postgresql_where=text("is_other"),
    ),
    sqlite_with_rowid=False,
)

# What was decided about a flow, under which policy. For a flow that was observed, a count is one of
# events and of decisions about each data category. For `(other)` and carried flows, these are
# counted apart: of events alone, of decisions alone, or of what statements decided alone.
flow_decisions = Table(
    "flow_decisions",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("flow_id", LargeBinary(16), ForeignKey("flows.id"), nullable=False),
    Column("version", String),
    Column("digest", String),
    Column("outcome", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("counts_events", Boolean, nullable=False, server_default=true()),
    Column("counts_categories", Boolean, nullable=False, server_default=true()),
    Index("ix_flow_decisions_flow_id", "flow_id"),
    sqlite_with_rowid=False,
)

# Its decisions about the data categories.
flow_decision_categories = Table(
    "flow_decision_categories",
    metadata,
    Column("decision_id", LargeBinary(16), ForeignKey("flow_decisions.id"), primary_key=True),
    Column("data_category", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("statement", String),
    Column("is_nearest_miss", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# Events by decision, publisher and the hour of their own time, which is the beginning of the day
# where `hours` is 24. The hour comes first: what a batch changes then lies together.
flow_counts = Table(
    "flow_counts",
    metadata,
    Column("hour", UtcTime, primary_key=True),
    Column("decision_id", LargeBinary(16), ForeignKey("flow_decisions.id"), primary_key=True),
    Column("publisher", String, primary_key=True),
    Column("hours", Integer, nullable=False, server_default="1"),
    Column("count", BigInteger, nullable=False),
    accesses(),
    Column("first_time", UtcTime, nullable=False),
    Column("last_time", UtcTime, nullable=False),
    Index("ix_flow_counts_decision_id", "decision_id", "hour"),
    Index(
        "ix_flow_counts_hourly",
        "hour",
        "decision_id",
        sqlite_where=text("hours = 1"),
        postgresql_where=text("hours = 1"),
    ),
    sqlite_with_rowid=False,
)

# The same over all time.
flow_totals = Table(
    "flow_totals",
    metadata,
    Column("decision_id", LargeBinary(16), ForeignKey("flow_decisions.id"), primary_key=True),
    Column("publisher", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
    accesses(),
    Column("first_time", UtcTime, nullable=False),
    Column("last_time", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

# Hours of `flow_counts` that are not summed below. The last one stands for all from it on; without
# any, nothing is summed. See flows/hour_sums.py.
unsummed_hours = Table("unsummed_hours", metadata, Column("hour", UtcTime, primary_key=True))

# Events of all flows together, of the hours that are summed.
event_sums = Table(
    "event_sums",
    metadata,
    Column("hour", UtcTime, primary_key=True),
    Column("controller", String, primary_key=True),
    Column("publisher", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("is_other", Boolean, primary_key=True),
    Column("count", BigInteger, nullable=False),
    accesses(),
    sqlite_with_rowid=False,
)

# Their decisions about data categories, once for each dimension, by its values. By all dimensions
# together, there would be as many rows as flows.
decision_sums = Table(
    "decision_sums",
    metadata,
    Column("dimension", String, primary_key=True),
    Column("hour", UtcTime, primary_key=True),
    Column("value", String, primary_key=True),
    Column("controller", String, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("is_other", Boolean, primary_key=True),
    Column("count", BigInteger, nullable=False),
    accesses(),
    sqlite_with_rowid=False,
)
