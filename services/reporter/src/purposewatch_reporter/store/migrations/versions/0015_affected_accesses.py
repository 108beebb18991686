"""Count the accesses of the events that a late statement of a fact affects."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. So far every event has stood for one access."""
    op.add_column(
        "fact_uses", sa.Column("accesses", sa.BigInteger(), nullable=False, server_default="1")
    )
    op.add_column(
        "facts", sa.Column("affected_accesses", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.execute("UPDATE facts SET affected_accesses = affected_events")
