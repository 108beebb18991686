"""Call silences and deliveries by the words that Alertmanager has for them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename tables, columns and indexes; their content stays as it is."""
    op.drop_index("ix_suppressions_created_time", "suppressions")
    op.rename_table("suppressions", "silences")
    op.create_index("ix_silences_created_time", "silences", ["created_time", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_suppressions RENAME TO pk_silences")
    for table, old, new in (
        ("findings", "suppressed_count", "silenced_count"),
        ("violations", "suppressed", "silenced"),
        ("outbox", "told", "delivered"),
    ):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
