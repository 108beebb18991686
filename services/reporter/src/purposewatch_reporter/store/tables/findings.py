"""Violations, the findings that they are grouped to, silences, triage and exports."""

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
)

from purposewatch_reporter.store.tables.schema import COUNTER, UtcTime, accesses, metadata

# Verdicts other than `permitted`: violations, and events that could not be judged.
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
    Column("recorded_time", UtcTime, nullable=False),
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
    Column("severity", String, nullable=False, server_default="medium"),
    Column("silenced", Boolean, nullable=False, server_default=false()),
    accesses(default="1"),
    Column("flow_id", LargeBinary(16)),
    Index("ix_violations_time", "event_time", "id"),
    Index("ix_violations_controller", "controller", "event_time", "id"),
    Index("ix_violations_kind", "kind", "event_time", "id"),
    Index("ix_violations_publisher", "publisher", "event_time", "id"),
    Index("ix_violations_event_id", "event_id"),
    Index("ix_violations_subject", "subject", "event_time", "id"),
    Index("ix_violations_statement", "statement", "event_time", "id"),
    Index("ix_violations_operation", "operation", "event_time", "id"),
    Index("ix_violations_policy_version", "policy_version", "event_time", "id"),
    Index("ix_violations_flow_id", "flow_id", "event_time", "id"),
)

# The data categories of a violation that were not permitted.
violation_categories = Table(
    "violation_categories",
    metadata,
    Column("violation_id", String(32), ForeignKey("violations.id"), primary_key=True),
    Column("data_category", String, primary_key=True),
    Column("kind", String, nullable=False, server_default="unknown"),
    Column("fingerprint", String(32), nullable=False, server_default=""),
    Column("event_time", UtcTime),
    Index("ix_violation_categories_data_category", "data_category", "violation_id"),
    Index("ix_violation_categories_finding", "fingerprint", "event_time", "violation_id"),
    sqlite_with_rowid=False,
)

# Violations and unknown flows, grouped: see findings/. An episode is a time of activity; it begins
# with what is not silenced and ends when that has been quiet for a while. Episode 0: none yet.
findings = Table(
    "findings",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("controller", String, nullable=False),
    Column("role", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("data_category", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("publisher", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("first_event_time", UtcTime, nullable=False),
    Column("last_event_time", UtcTime, nullable=False),
    Column("first_recorded_time", UtcTime, nullable=False),
    Column("last_recorded_time", UtcTime, nullable=False),
    Column("count", BigInteger, nullable=False),
    accesses(),
    Column("silenced_count", BigInteger, nullable=False),
    accesses("silenced_accesses"),
    Column("state", String, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("episode_started_time", UtcTime),
    Column("episode_count", BigInteger, nullable=False),
    accesses("episode_accesses"),
    Column("active_time", UtcTime),
    Column("quiet_time", UtcTime),
    Column("routed_episode", Integer, nullable=False),
    Column("last_violation_id", String(32), nullable=False),
    Column("summary", Text, nullable=False),
    Column("statement", String),
    Column("clause", String),
    Column("policy_version", String),
    Index("ix_findings_last_recorded_time", "last_recorded_time", "fingerprint"),
    Index("ix_findings_state", "state", "active_time"),
)

# Findings that don't alert, for a while. A column that is null matches everything. With a policy
# version it is an exception to that: see findings/exceptions.py.
silences = Table(
    "silences",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("controller", String),
    Column("role", String),
    Column("kind", String),
    Column("data_category", String),
    Column("purpose", String),
    Column("recipient", String),
    Column("publisher", String),
    Column("reason", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("expires_time", UtcTime, nullable=False),
    Column("ended_time", UtcTime),
    Column("ended_by", String),
    Column("policy_version", String),
    Column("owner", String),
    Index("ix_silences_created_time", "created_time", "id"),
    Index("ix_silences_policy_version", "policy_version", "expires_time"),
)

# What the team made of a violation or of a finding. No row means open.
triage = Table(
    "triage",
    metadata,
    Column("target_kind", String(16), primary_key=True),
    Column("target_id", String(32), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("assignee", String(64)),
    Column("updated_time", UtcTime, nullable=False),
    Index("ix_triage_status", "target_kind", "status"),
)

# Every act of triage. Append-only: triggers refuse changes.
triage_acts = Table(
    "triage_acts",
    metadata,
    Column("sequence", COUNTER, primary_key=True, autoincrement=True),
    Column("target_kind", String(16), nullable=False),
    Column("target_id", String(32), nullable=False),
    Column("act", String(16), nullable=False),
    Column("from_status", String(16), nullable=False),
    Column("to_status", String(16), nullable=False),
    Column("assignee", String(64)),
    Column("comment", Text),
    Column("author", String(64), nullable=False),
    Column("time", UtcTime, nullable=False),
    Index("ix_triage_acts_target", "target_kind", "target_id", "sequence"),
)

# Every export, and how each ended. Append-only as well.
exports = Table(
    "exports",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("author", String(64), nullable=False),
    Column("format", String(16), nullable=False),
    Column("filters", Text, nullable=False),
    Column("started_time", UtcTime, nullable=False),
    Index("ix_exports_started_time", "started_time", "id"),
)

export_ends = Table(
    "export_ends",
    metadata,
    Column("export_id", String(32), ForeignKey("exports.id"), primary_key=True),
    Column("outcome", String(16), nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("ended_time", UtcTime, nullable=False),
)
