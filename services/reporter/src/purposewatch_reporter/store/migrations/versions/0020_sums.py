"""Sums of the flow ledger's counts by the hour. The reporter fills them."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)


def _key(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _counts() -> tuple[sa.Column[int], ...]:
    return (
        sa.Column("is_other", sa.Boolean(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("accesses", sa.BigInteger(), server_default="0", nullable=False),
    )


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "unsummed_hours",
        sa.Column("hour", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("hour", name="pk_unsummed_hours"),
    )
    of_event = ("controller", "publisher", "outcome", "kind")
    op.create_table(
        "event_sums",
        sa.Column("hour", _UTC_TIME, nullable=False),
        *_key(*of_event),
        *_counts(),
        sa.PrimaryKeyConstraint("hour", *of_event, "is_other", name="pk_event_sums"),
        sqlite_with_rowid=False,
    )
    of_decision = ("value", "controller", "outcome", "kind")
    op.create_table(
        "decision_sums",
        *_key("dimension"),
        sa.Column("hour", _UTC_TIME, nullable=False),
        *_key(*of_decision),
        *_counts(),
        sa.PrimaryKeyConstraint(
            "dimension", "hour", *of_decision, "is_other", name="pk_decision_sums"
        ),
        sqlite_with_rowid=False,
    )
