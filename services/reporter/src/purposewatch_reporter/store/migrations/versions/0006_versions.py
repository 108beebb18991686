"""Let the violations of one policy version be listed without a look at those of the others."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_violations_policy_version", "violations", ["policy_version", "event_time", "id"]
    )
