"""Remember where users signed in from; second factors and their recovery codes."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three empty tables, and forget failures that were counted under other keys."""
    _of_user(
        "sign_in_networks",
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("used_time", sa.DateTime(timezone=True), nullable=False),
        key=("username", "network"),
    )
    op.create_index("ix_sign_in_networks_used_time", "sign_in_networks", ["used_time"])
    _of_user(
        "second_factors",
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.Column("confirmed_time", sa.DateTime(timezone=True)),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        key=("username",),
    )
    _of_user(
        "recovery_codes",
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        key=("username", "code_hash"),
    )
    op.execute("DELETE FROM sign_in_failures")


def _of_user(table: str, *columns: sa.Column[object], key: tuple[str, ...]) -> None:
    op.create_table(
        table,
        sa.Column("username", sa.String(64), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["username"], ["accounts.username"], name=f"fk_{table}_username_accounts"
        ),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"),
    )
