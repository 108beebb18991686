"""Which event a dead letter is about, as far as its record says so."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the hash of the event's id. It is not known of the dead letters that are there."""
    with op.batch_alter_table("dead_letters") as table:
        table.add_column(sa.Column("event_hash", sa.LargeBinary(16)))
        table.create_index("ix_dead_letters_event_hash", ["event_hash"])
