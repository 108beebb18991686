"""The tables. Migrations create them; a test holds the two equal.

One long module, because it is one schema: it is read from top to bottom beside a database, and
holds nothing but declarations.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    false,
    text,
    true,
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
        if value.tzinfo is not UTC:  # mostly it is, and moving it there would cost the most here
            value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


def _accesses(name: str = "accesses", *, default: str = "0") -> Column[Any]:
    """How many accesses the counted events stand for: see docs/concepts.md."""
    return Column(name, BigInteger, nullable=False, server_default=default)


NO_KIND = "none"
"""Stands for a missing kind where a column is part of a primary key, as in metric labels."""

_COUNTER = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


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
    _accesses(),
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
    _accesses(),
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
    _accesses(),
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
    _accesses(),
    sqlite_with_rowid=False,
)

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
    _accesses(default="1"),
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
    _accesses(),
    Column("silenced_count", BigInteger, nullable=False),
    _accesses("silenced_accesses"),
    Column("state", String, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("episode_started_time", UtcTime),
    Column("episode_count", BigInteger, nullable=False),
    _accesses("episode_accesses"),
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
    Column("sequence", _COUNTER, primary_key=True, autoincrement=True),
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

# Who may sign in to the page. Without a password, only through another identity provider.
accounts = Table(
    "accounts",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", String),
    Column("created_time", UtcTime, nullable=False),
    Column("password_time", UtcTime),
)

# Who is signed in. The token itself is only in the browser.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("username", String(64), ForeignKey("accounts.username"), nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("seen_time", UtcTime, nullable=False),
    Column("expires_time", UtcTime, nullable=False),
    Index("ix_sessions_username", "username"),
    Index("ix_sessions_expires_time", "expires_time"),
)

# Where a user has signed in from: failures of strangers elsewhere do not lock these out.
sign_in_networks = Table(
    "sign_in_networks",
    metadata,
    Column("username", String(64), ForeignKey("accounts.username"), primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("used_time", UtcTime, nullable=False),
    Index("ix_sign_in_networks_used_time", "used_time"),
)

# Authenticator apps. The secret is derived from the salt and a key that is not in the database;
# codes of the last used step and before are not accepted. Not confirmed: being set up.
second_factors = Table(
    "second_factors",
    metadata,
    Column("username", String(64), ForeignKey("accounts.username"), primary_key=True),
    Column("salt", LargeBinary(16), nullable=False),
    Column("confirmed_time", UtcTime),
    Column("last_step", BigInteger, nullable=False),
)

# Recovery codes that were not used yet, as keyed hashes.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("username", String(64), ForeignKey("accounts.username"), primary_key=True),
    Column("code_hash", LargeBinary(32), primary_key=True),
)

# Failed attempts to sign in, by account name and by address, whether or not either exists.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_time", UtcTime, nullable=False),
    Column("blocked_until", UtcTime, nullable=False),
    Index("ix_sign_in_failures_last_time", "last_time"),
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
    Column("sequence", _COUNTER, primary_key=True, autoincrement=True),
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

# Statements of facts, as their topic holds them: one row for each key. `history` identifies
# subject, controller and fact; `affected_events` says how many verdicts would use another value
# now, because the statement arrived after them.
facts = Table(
    "facts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("history", LargeBinary(16), nullable=False),
    Column("controller", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("fact", String, nullable=False),
    Column("value", Boolean, nullable=False),
    Column("effective_from", UtcTime, nullable=False),
    Column("until", UtcTime),
    Column("stated_time", UtcTime, nullable=False),
    Column("statement_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("statement_digest", String(32), nullable=False),
    Column("publisher", String, nullable=False),
    Column("evidence", String),
    Column("accepted_time", UtcTime, nullable=False),
    Column("content_digest", LargeBinary(16), nullable=False),
    Column("recorded_time", UtcTime, nullable=False),
    Column("affected_events", BigInteger, nullable=False, server_default="0"),
    _accesses("affected_accesses"),
    Index("ix_facts_history", "history", "effective_from"),
    Index("ix_facts_subject", "subject", "controller"),
    Index("ix_facts_statement_digest", "statement_digest"),
    Index(
        "ix_facts_late",
        "recorded_time",
        "id",
        sqlite_where=text("affected_events > 0"),
        postgresql_where=text("affected_events > 0"),
    ),
)

# Which value of a fact a verdict used. Only verdicts that depend on facts have any; pruned by age.
fact_uses = Table(
    "fact_uses",
    metadata,
    Column("history", LargeBinary(16), primary_key=True),
    Column("event_time", UtcTime, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("log_epoch", Integer, primary_key=True, autoincrement=False),
    Column("event_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Boolean),
    Column("recorded_time", UtcTime, nullable=False),
    _accesses(default="1"),
    Index("ix_fact_uses_recorded_time", "recorded_time"),
    sqlite_with_rowid=False,
)

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
