"""The desk: accounts, sessions, the trail of triage, and indexes for its lists."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the desk."""
    _accounts()
    _triage()
    _append_only("triage_acts")
    _statement_counts()
    _lists()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("created_time", _UTC_TIME, nullable=False),
        sa.Column("password_time", _UTC_TIME, nullable=True),
        sa.PrimaryKeyConstraint("username", name="pk_accounts"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("created_time", _UTC_TIME, nullable=False),
        sa.Column("seen_time", _UTC_TIME, nullable=False),
        sa.Column("expires_time", _UTC_TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["username"], ["accounts.username"], name="fk_sessions_username_accounts"
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
    op.create_index("ix_sessions_username", "sessions", ["username"])
    op.create_index("ix_sessions_expires_time", "sessions", ["expires_time"])
    op.create_table(
        "sign_in_failures",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_time", _UTC_TIME, nullable=False),
        sa.Column("blocked_until", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sign_in_failures"),
    )
    op.create_index("ix_sign_in_failures_last_time", "sign_in_failures", ["last_time"])


def _triage() -> None:
    op.create_table(
        "triage",
        sa.Column("target_kind", sa.String(length=16), nullable=False),
        sa.Column("target_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("assignee", sa.String(length=64), nullable=True),
        sa.Column("updated_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("target_kind", "target_id", name="pk_triage"),
    )
    op.create_index("ix_triage_status", "triage", ["target_kind", "status"])
    op.create_table(
        "triage_acts",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("target_kind", sa.String(length=16), nullable=False),
        sa.Column("target_id", sa.String(length=32), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("from_status", sa.String(length=16), nullable=False),
        sa.Column("to_status", sa.String(length=16), nullable=False),
        sa.Column("assignee", sa.String(length=64), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("author", sa.String(length=64), nullable=False),
        sa.Column("time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_triage_acts"),
    )
    op.create_index(
        "ix_triage_acts_target", "triage_acts", ["target_kind", "target_id", "sequence"]
    )


def _append_only(table: str) -> None:
    """Let the database refuse what the code never does: changing what was written."""
    if op.get_bind().dialect.name == "sqlite":
        for act in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )


def _statement_counts() -> None:
    op.create_table(
        "statement_counts",
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "controller", "version", "statement", "outcome", name="pk_statement_counts"
        ),
        sqlite_with_rowid=False,
    )


def _lists() -> None:
    """A list merges the findings that match, each in the order of its events' time."""
    op.add_column("violation_categories", sa.Column("event_time", _UTC_TIME, nullable=True))
    op.execute(
        "UPDATE violation_categories SET event_time = (SELECT v.event_time FROM violations v "
        "WHERE v.id = violation_categories.violation_id)"
    )
    op.create_index(
        "ix_violation_categories_finding",
        "violation_categories",
        ["fingerprint", "event_time", "violation_id"],
    )
    op.create_index("ix_violations_subject", "violations", ["subject", "event_time", "id"])
    op.create_index("ix_violations_statement", "violations", ["statement", "event_time", "id"])
    op.create_index("ix_violations_operation", "violations", ["operation", "event_time", "id"])
