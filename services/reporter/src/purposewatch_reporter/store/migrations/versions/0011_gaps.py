"""Gaps: their names, their counts by day, and the ids that were counted."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables of gaps. What is there is not touched."""
    op.create_table(
        "gaps",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("controller", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_time", _UTC_TIME, nullable=False),
        sa.Column("last_time", _UTC_TIME, nullable=False),
        sa.Column("first_recorded_time", _UTC_TIME, nullable=False),
        sa.Column("last_recorded_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gaps"),
    )
    op.create_index("ix_gaps_publisher", "gaps", ["publisher", "kind", "name"])
    op.create_index("ix_gaps_last_recorded_time", "gaps", ["last_recorded_time", "id"])
    op.create_table(
        "gap_days",
        sa.Column("gap_id", sa.String(length=32), nullable=False),
        sa.Column("day", _UTC_TIME, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["gap_id"], ["gaps.id"], name="fk_gap_days_gap_id"),
        sa.PrimaryKeyConstraint("gap_id", "day", name="pk_gap_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_gap_days_day", "gap_days", ["day"])
    op.create_table(
        "gap_ids",
        sa.Column("id_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("recorded_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_gap_ids"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_gap_ids_recorded_time", "gap_ids", ["recorded_time"])
