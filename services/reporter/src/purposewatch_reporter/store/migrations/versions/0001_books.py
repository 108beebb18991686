"""The books, the violations and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table."""
    _channel_leases()
    _dead_letters()
    _event_ids()
    _hourly_counts()
    _hourly_verdicts()
    _id_conflicts()
    _ledger()
    _outbox()
    _positions()
    _violations()
    _violation_categories()


def _channel_leases() -> None:
    op.create_table(
        "channel_leases",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_leases"),
    )


def _dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("origin_topic", sa.String(), nullable=False),
        sa.Column("origin_partition", sa.Integer(), nullable=False),
        sa.Column("origin_offset", sa.BigInteger(), nullable=False),
        sa.Column("record_time", _UTC_TIME, nullable=False),
        sa.Column("failed_time", _UTC_TIME, nullable=False),
        sa.Column("booked_time", _UTC_TIME, nullable=False),
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("error_class", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.String(), nullable=True),
        sa.Column("kept_partition", sa.Integer(), nullable=True),
        sa.Column("kept_offset", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
    )
    op.create_index(
        "ix_dead_letters_error_class", "dead_letters", ["error_class", "failed_time", "id"]
    )
    op.create_index("ix_dead_letters_time", "dead_letters", ["failed_time", "id"])


def _event_ids() -> None:
    op.create_table(
        "event_ids",
        sa.Column("id_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("event_offset", sa.BigInteger(), nullable=False),
        sa.Column("booked_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_event_ids"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_event_ids_booked_time", "event_ids", ["booked_time"])


def _hourly_counts() -> None:
    op.create_table(
        "hourly_counts",
        sa.Column("hour", _UTC_TIME, nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("data_category", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour",
            "controller",
            "role",
            "data_category",
            "purpose",
            "recipient",
            "outcome",
            "kind",
            name="pk_hourly_counts",
        ),
        sqlite_with_rowid=False,
    )


def _hourly_verdicts() -> None:
    op.create_table(
        "hourly_verdicts",
        sa.Column("hour", _UTC_TIME, nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "controller", "publisher", "outcome", "kind", name="pk_hourly_verdicts"
        ),
        sqlite_with_rowid=False,
    )


def _id_conflicts() -> None:
    op.create_table(
        "id_conflicts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("event_offset", sa.BigInteger(), nullable=False),
        sa.Column("first_partition", sa.Integer(), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("event_time", _UTC_TIME, nullable=False),
        sa.Column("booked_time", _UTC_TIME, nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_id_conflicts"),
    )
    op.create_index("ix_id_conflicts_event_id", "id_conflicts", ["event_id"])
    op.create_index("ix_id_conflicts_time", "id_conflicts", ["booked_time", "id"])


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("accounted", sa.Text(), nullable=False),
        sa.Column("verdicts", sa.BigInteger(), nullable=False),
        sa.Column("dead_letters", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_ledger"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("created_time", _UTC_TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_time", _UTC_TIME, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("delivered_time", _UTC_TIME, nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_outbox"),
        sa.UniqueConstraint("channel", "fingerprint", name="uq_outbox_channel"),
    )
    op.create_index("ix_outbox_waiting", "outbox", ["channel", "delivered_time", "sequence"])


def _positions() -> None:
    op.create_table(
        "positions",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_positions"),
    )


def _violations() -> None:
    op.create_table(
        "violations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("event_offset", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("event_time", _UTC_TIME, nullable=False),
        sa.Column("booked_time", _UTC_TIME, nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("policy_version", sa.String(), nullable=True),
        sa.Column("statement", sa.String(), nullable=True),
        sa.Column("clause", sa.String(), nullable=True),
        sa.Column("grade", sa.String(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_violations"),
    )
    op.create_index("ix_violations_controller", "violations", ["controller", "event_time", "id"])
    op.create_index("ix_violations_event_id", "violations", ["event_id"])
    op.create_index("ix_violations_kind", "violations", ["kind", "event_time", "id"])
    op.create_index("ix_violations_publisher", "violations", ["publisher", "event_time", "id"])
    op.create_index("ix_violations_time", "violations", ["event_time", "id"])


def _violation_categories() -> None:
    op.create_table(
        "violation_categories",
        sa.Column("violation_id", sa.String(length=32), nullable=False),
        sa.Column("data_category", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["violation_id"], ["violations.id"], name="fk_violation_categories_violation_id"
        ),
        sa.PrimaryKeyConstraint("violation_id", "data_category", name="pk_violation_categories"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_violation_categories_data_category",
        "violation_categories",
        ["data_category", "violation_id"],
    )
