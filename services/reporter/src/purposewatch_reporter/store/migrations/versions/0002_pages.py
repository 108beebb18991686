"""Pages of the books: a topic that was recreated starts a new one. Books of the raw topic."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make what there is the first page of every partition."""
    # one row for each partition; SQLite can't change a primary key where it is
    positions, accounts = _rows("positions"), _rows("ledger")
    op.drop_table("positions")
    op.drop_table("ledger")
    op.bulk_insert(_positions(), [{**row, "page": 0} for row in positions])
    op.bulk_insert(_ledger(), [{**row, "page": 0, "seen_end": 0} for row in accounts])
    _pages()
    _raw_ledger()
    _raw_chunks()


def _rows(name: str) -> list[dict[str, Any]]:
    table = sa.table(name, sa.column("*", is_literal=True))
    return [dict(row) for row in op.get_bind().execute(sa.select(table)).mappings()]


def _marks() -> list[sa.Column[Any]]:
    return [
        sa.Column("first_offset", sa.BigInteger(), nullable=True),
        sa.Column("first_digest", sa.LargeBinary(length=16), nullable=True),
        sa.Column("mark_offset", sa.BigInteger(), nullable=True),
        sa.Column("mark_digest", sa.LargeBinary(length=16), nullable=True),
    ]


def _page() -> list[sa.Column[Any]]:
    return [
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("opened_time", _UTC_TIME, nullable=True),
        sa.Column("closed_time", _UTC_TIME, nullable=True),
        sa.Column("seen_end", sa.BigInteger(), nullable=False),
        *_marks(),
    ]


def _positions() -> sa.Table:
    return op.create_table(
        "positions",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        *_marks(),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_positions"),
    )


def _ledger() -> sa.Table:
    return op.create_table(
        "ledger",
        *_page(),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("accounted", sa.Text(), nullable=False),
        sa.Column("verdicts", sa.BigInteger(), nullable=False),
        sa.Column("dead_letters", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "page", name="pk_ledger"),
    )


def _pages() -> None:
    op.create_table(
        "pages",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("opened_time", _UTC_TIME, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "page", name="pk_pages"),
    )


def _raw_ledger() -> None:
    op.create_table(
        "raw_ledger",
        *_page(),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("booked_end", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("dead_letters", sa.BigInteger(), nullable=False),
        sa.Column("repeats", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "page", name="pk_raw_ledger"),
    )


def _raw_chunks() -> None:
    op.create_table(
        "raw_chunks",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chunk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "page", "chunk", name="pk_raw_chunks"),
        sqlite_with_rowid=False,
    )
