"""Facts: what was stated about subjects, and which values verdicts used."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)
_IS_LATE = sa.text("affected_events > 0")


def upgrade() -> None:
    """Add the tables of facts. What is there is not touched."""
    op.create_table(
        "facts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("history", sa.LargeBinary(length=16), nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("fact", sa.String(), nullable=False),
        sa.Column("value", sa.Boolean(), nullable=False),
        sa.Column("effective_from", _UTC_TIME, nullable=False),
        sa.Column("until", _UTC_TIME, nullable=True),
        sa.Column("stated_time", _UTC_TIME, nullable=False),
        sa.Column("statement_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("statement_digest", sa.String(length=32), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.Column("accepted_time", _UTC_TIME, nullable=False),
        sa.Column("content_digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("recorded_time", _UTC_TIME, nullable=False),
        sa.Column("affected_events", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_facts"),
    )
    op.create_index("ix_facts_history", "facts", ["history", "effective_from"])
    op.create_index("ix_facts_subject", "facts", ["subject", "controller"])
    op.create_index("ix_facts_statement_digest", "facts", ["statement_digest"])
    op.create_index(
        "ix_facts_late",
        "facts",
        ["recorded_time", "id"],
        sqlite_where=_IS_LATE,
        postgresql_where=_IS_LATE,
    )
    op.create_table(
        "fact_uses",
        sa.Column("history", sa.LargeBinary(length=16), nullable=False),
        sa.Column("event_time", _UTC_TIME, nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Boolean(), nullable=True),
        sa.Column("recorded_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint(
            "history",
            "event_time",
            "partition",
            "log_epoch",
            "event_offset",
            name="pk_fact_uses",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fact_uses_recorded_time", "fact_uses", ["recorded_time"])
