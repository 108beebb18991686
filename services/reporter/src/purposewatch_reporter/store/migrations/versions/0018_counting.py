"""Counting rules: counters, what they hold, and their alerts; notices name their controller."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables and the column. What is there is not touched."""
    op.add_column("notices", sa.Column("controller", sa.String(), nullable=True))
    op.create_table(
        "counters",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("expires_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_counters"),
    )
    op.create_index("ix_counters_rule", "counters", ["rule"])
    op.create_index("ix_counters_expires_time", "counters", ["expires_time"])
    op.create_table(
        "counter_slices",
        sa.Column("counter_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("slice", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("expires_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("counter_id", "slice", name="pk_counter_slices"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_counter_slices_expires_time", "counter_slices", ["expires_time"])
    op.create_table(
        "counter_subjects",
        sa.Column("counter_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("slice", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("counter_id", "slice", "subject", name="pk_counter_subjects"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counting_alerts",
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("episode", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("publisher", sa.String(), nullable=True),
        sa.Column("counted", sa.String(), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("more_than", sa.BigInteger(), nullable=False),
        sa.Column("window_seconds", sa.Integer(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("first_window_time", _UTC_TIME, nullable=False),
        sa.Column("last_window_time", _UTC_TIME, nullable=False),
        sa.Column("peak_window_time", _UTC_TIME, nullable=False),
        sa.Column("peak_count", sa.BigInteger(), nullable=False),
        sa.Column("peak_is_bound", sa.Boolean(), nullable=False),
        sa.Column("first_recorded_time", _UTC_TIME, nullable=False),
        sa.Column("last_recorded_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "episode", name="pk_counting_alerts"),
    )
    op.create_index(
        "ix_counting_alerts_last_recorded_time",
        "counting_alerts",
        ["last_recorded_time", "fingerprint"],
    )
