"""Statements of facts, and which verdicts used them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, text

from purposewatch_reporter.store.tables.schema import UtcTime, accesses, metadata

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
    accesses("affected_accesses"),
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
    accesses(default="1"),
    Index("ix_fact_uses_recorded_time", "recorded_time"),
    sqlite_with_rowid=False,
)
