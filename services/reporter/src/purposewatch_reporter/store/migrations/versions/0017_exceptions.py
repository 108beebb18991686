"""Let silences be exceptions to a version of a policy, with an owner."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. So far no silence has been an exception."""
    op.add_column("silences", sa.Column("policy_version", sa.String()))
    op.add_column("silences", sa.Column("owner", sa.String()))
    op.create_index("ix_silences_policy_version", "silences", ["policy_version", "expires_time"])
