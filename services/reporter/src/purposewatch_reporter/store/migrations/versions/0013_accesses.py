"""Count the accesses that events stand for beside the events."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SUMS = (
    ("hourly_counts", "accesses", "count"),
    ("hourly_verdicts", "accesses", "count"),
    ("statement_counts", "accesses", "count"),
    ("findings", "accesses", "count"),
    ("findings", "silenced_accesses", "silenced_count"),
    ("findings", "episode_accesses", "episode_count"),
)


def upgrade() -> None:
    """Add the columns. So far every event has stood for one access."""
    for table, accesses, events in _SUMS:
        op.add_column(
            table, sa.Column(accesses, sa.BigInteger(), nullable=False, server_default="0")
        )
        op.execute(f'UPDATE {table} SET {accesses} = "{events}"')  # noqa: S608 - names of ours
    op.add_column(
        "violations", sa.Column("accesses", sa.BigInteger(), nullable=False, server_default="1")
    )
