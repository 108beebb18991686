"""Record each distinct flow once, and count events by flow, decision, publisher and hour."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "flows",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("source", sa.String()),
        sa.Column("location", sa.String()),
        sa.Column("retention_days", sa.Integer()),
        sa.Column("legal_basis", sa.String()),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("ledger_facts", sa.Text(), nullable=False),
        sa.Column("is_other", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_carried", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("first_recorded_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flows")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_flows_first_recorded_time", "flows", ["first_recorded_time", "id"])
    op.create_index("ix_flows_controller", "flows", ["controller", "first_recorded_time", "id"])
    op.create_table(
        "flow_decisions",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("flow_id", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.String()),
        sa.Column("digest", sa.String()),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("counts_events", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("counts_categories", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow_decisions")),
        sa.ForeignKeyConstraint(["flow_id"], ["flows.id"], name=op.f("fk_flow_decisions_flow_id")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_flow_decisions_flow_id", "flow_decisions", ["flow_id"])
    op.create_table(
        "flow_decision_categories",
        sa.Column("decision_id", sa.LargeBinary(16), nullable=False),
        sa.Column("data_category", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("statement", sa.String()),
        sa.Column("is_nearest_miss", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "decision_id", "data_category", name=op.f("pk_flow_decision_categories")
        ),
        _of_decision("flow_decision_categories"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "flow_counts",
        sa.Column("hour", _UTC_TIME, nullable=False),
        sa.Column("decision_id", sa.LargeBinary(16), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False, server_default="1"),
        *_sums(),
        sa.PrimaryKeyConstraint("hour", "decision_id", "publisher", name=op.f("pk_flow_counts")),
        _of_decision("flow_counts"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_flow_counts_decision_id", "flow_counts", ["decision_id", "hour"])
    op.create_table(
        "flow_totals",
        sa.Column("decision_id", sa.LargeBinary(16), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint("decision_id", "publisher", name=op.f("pk_flow_totals")),
        _of_decision("flow_totals"),
        sqlite_with_rowid=False,
    )
    op.add_column("violations", sa.Column("flow_id", sa.LargeBinary(16)))
    op.create_index("ix_violations_flow_id", "violations", ["flow_id", "event_time", "id"])


def _sums() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("accesses", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("first_time", _UTC_TIME, nullable=False),
        sa.Column("last_time", _UTC_TIME, nullable=False),
    )


def _of_decision(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["decision_id"], ["flow_decisions.id"], name=op.f(f"fk_{table}_decision_id")
    )
