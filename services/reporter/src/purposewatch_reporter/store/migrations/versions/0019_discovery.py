"""Recipients that were ever seen, and since when they are known."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)

# what an earlier version counted is known, and not new: `(carried)` flows name their recipients
_RECIPIENTS = """
INSERT INTO known_recipients (controller, recipient, first_time, recorded_time)
SELECT f.controller, f.recipient, min(c.first_time), min(f.first_recorded_time)
FROM flows f
JOIN flow_decisions d ON d.flow_id = f.id
JOIN flow_totals c ON c.decision_id = d.id
WHERE f.recipient NOT IN ('(other)', '(carried)')
GROUP BY f.controller, f.recipient
"""
_STARTS = """
INSERT INTO discovery_starts (controller, recipients_time, flows_time)
SELECT k.controller, min(k.first_time), min(k.recorded_time)
FROM known_recipients k
GROUP BY k.controller
"""


def upgrade() -> None:
    """Create the tables, and fill them with what the flow ledger knows."""
    op.create_table(
        "known_recipients",
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("publisher", sa.String(), nullable=True),
        sa.Column("flow_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("first_time", _UTC_TIME, nullable=False),
        sa.Column("recorded_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("controller", "recipient", name="pk_known_recipients"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_known_recipients_recorded_time", "known_recipients", ["recorded_time"])
    op.create_table(
        "discovery_starts",
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("recipients_time", _UTC_TIME, nullable=False),
        sa.Column("flows_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("controller", name="pk_discovery_starts"),
        sqlite_with_rowid=False,
    )
    op.execute(_RECIPIENTS)
    op.execute(_STARTS)
