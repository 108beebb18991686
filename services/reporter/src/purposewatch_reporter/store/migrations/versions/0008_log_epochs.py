"""Name the columns as the documentation does: log epochs, recorded times."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_RENAMED = {
    "positions": {"page": "log_epoch"},
    "ledger": {"page": "log_epoch", "opened_time": "started_time", "closed_time": "ended_time"},
    "raw_ledger": {
        "page": "log_epoch",
        "opened_time": "started_time",
        "closed_time": "ended_time",
        "booked_end": "recorded_end",
    },
    "raw_chunks": {"page": "log_epoch"},
    "violations": {"booked_time": "recorded_time"},
    "event_ids": {"booked_time": "recorded_time"},
    "id_conflicts": {"booked_time": "recorded_time"},
    "dead_letters": {"booked_time": "recorded_time"},
    "findings": {
        "first_booked_time": "first_recorded_time",
        "last_booked_time": "last_recorded_time",
    },
}
_FINGERPRINTS = {"mark_offset": "latest_offset", "mark_digest": "latest_digest"}
_INDEXES = {
    ("event_ids", "ix_event_ids_booked_time"): ("ix_event_ids_recorded_time", ["recorded_time"]),
    ("findings", "ix_findings_last_booked_time"): (
        "ix_findings_last_recorded_time",
        ["last_recorded_time", "fingerprint"],
    ),
}


def upgrade() -> None:
    """Rename in place; only the few rows of started log epochs move to another table."""
    for table, columns in _RENAMED.items():
        for old, new in columns.items():
            _rename(table, old, new)
    for table in ("positions", "ledger", "raw_ledger"):
        for old, new in _FINGERPRINTS.items():
            _rename(table, old, new)
    for (table, old), (new, names) in _INDEXES.items():
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER INDEX {old} RENAME TO {new}")
        else:
            op.drop_index(old, table)
            op.create_index(new, table, names)
    _log_epochs()


def _rename(table: str, old: str, new: str) -> None:
    # both databases spell it alike; SQLite changes the keys and indexes on the column as well
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")


def _log_epochs() -> None:
    op.create_table(
        "log_epochs",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "log_epoch", name="pk_log_epochs"),
    )
    op.execute(
        "INSERT INTO log_epochs (topic, partition, log_epoch, started_time, reason) "
        "SELECT topic, partition, page, opened_time, reason FROM pages"
    )
    op.drop_table("pages")
