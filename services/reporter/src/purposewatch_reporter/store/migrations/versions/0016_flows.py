"""Record each distinct flow once, and count events by flow, decision, publisher and hour.

The counts by hour and by statement become counts of flows of which no more is known than what they
were counted by.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)
_IS_HOURLY = sa.text("hours = 1")


_CARRIED = "(carried)"
_NO_KIND = "none"
_NEAREST_MISS = "nearest_miss"
_EVENT = ("controller", "outcome", "kind")
_DECISION = ("controller", "role", "data_category", "purpose", "recipient", "outcome", "kind")
_STATEMENT = ("controller", "version", "statement", "outcome")


def upgrade() -> None:
    """Create the tables, and carry over what the earlier ones counted."""
    _create_tables()
    now = datetime.now(UTC)
    _carry("hourly_verdicts", _EVENT, now)
    _carry("hourly_counts", _DECISION, now)
    _carry("statement_counts", _STATEMENT, now)
    for table in ("hourly_verdicts", "hourly_counts", "statement_counts"):
        op.drop_table(table)
    _create_indexes_of_counts()


def _carry(table: str, columns: Sequence[str], now: datetime) -> None:
    """Carry a table's counts over: a decision for each of the values that it counted by."""
    connection = op.get_bind()
    names = ", ".join(columns)
    rows = connection.execute(sa.text(f"SELECT DISTINCT {names} FROM {table}"))  # noqa: S608
    counted = [dict(row._mapping) for row in rows]  # noqa: SLF001 - its public name
    found = sa.table(
        "carried", sa.column("id", sa.LargeBinary), *(sa.column(name) for name in columns)
    )
    op.create_table(
        "carried",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in columns),
        sa.PrimaryKeyConstraint(*columns),
        sqlite_with_rowid=False,
    )
    if counted:
        flow_rows = {row["id"]: row for row in (_flow(each, now) for each in counted)}
        there = set(connection.execute(sa.select(_flows.c.id)).scalars())
        new = [row for name, row in flow_rows.items() if name not in there]
        if new:
            op.bulk_insert(_flows, new)
        op.bulk_insert(_decisions, [_decision(each) for each in counted])
        op.bulk_insert(_categories, [row for each in counted for row in _category(each)])
        op.bulk_insert(found, [{"id": _id(each), **each} for each in counted])
    join = " AND ".join(f"o.{name} = c.{name}" for name in columns)
    of_old = f"FROM {table} AS o JOIN carried AS c ON {join}"
    publisher = "o.publisher" if table == "hourly_verdicts" else f"'{_CARRIED}'"
    if table == "statement_counts":
        statement = f"""
            INSERT INTO flow_totals (
                decision_id, publisher, "count", accesses, first_time, last_time
            )
            SELECT c.id, {publisher}, o."count", o.accesses,
                (SELECT coalesce(min(hour), :now) FROM flow_counts),
                (SELECT coalesce(max(hour), :now) FROM flow_counts)
            {of_old}"""  # noqa: S608 - names of ours
        connection.execute(sa.text(statement).bindparams(sa.bindparam("now", now, _UTC_TIME)))
    else:
        op.execute(f"""
            INSERT INTO flow_counts (
                hour, decision_id, publisher, "count", accesses, first_time, last_time
            )
            SELECT o.hour, c.id, {publisher}, o."count", o.accesses, o.hour, o.hour
            {of_old}""")
        op.execute("""
            INSERT INTO flow_totals (
                decision_id, publisher, "count", accesses, first_time, last_time
            )
            SELECT n.decision_id, n.publisher, sum(n."count"), sum(n.accesses),
                min(n.first_time), max(n.last_time)
            FROM flow_counts AS n JOIN carried AS c ON c.id = n.decision_id
            GROUP BY n.decision_id, n.publisher""")
    op.drop_table("carried")


_flows = sa.table(
    "flows",
    sa.column("id", sa.LargeBinary),
    *(sa.column(name) for name in ("controller", "role", "operation", "purpose", "recipient")),
    *(sa.column(name) for name in ("categories", "facts", "ledger_facts")),
    sa.column("is_carried", sa.Boolean),
    sa.column("first_recorded_time", _UTC_TIME),
)
_decisions = sa.table(
    "flow_decisions",
    sa.column("id", sa.LargeBinary),
    sa.column("flow_id", sa.LargeBinary),
    *(sa.column(name) for name in ("version", "outcome", "kind")),
    sa.column("counts_events", sa.Boolean),
    sa.column("counts_categories", sa.Boolean),
)
_categories = sa.table(
    "flow_decision_categories",
    sa.column("decision_id", sa.LargeBinary),
    *(sa.column(name) for name in ("data_category", "outcome", "kind", "statement")),
    sa.column("is_nearest_miss", sa.Boolean),
)


def _flow(counted: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The flow of counts: what they do not say is carried."""
    return {
        "id": _flow_id(counted),
        "controller": counted["controller"],
        "role": counted.get("role", _CARRIED),
        "operation": _CARRIED,
        "purpose": counted.get("purpose", _CARRIED),
        "recipient": counted.get("recipient", _CARRIED),
        "categories": json.dumps(_data_categories(counted), separators=(",", ":")),
        "facts": "{}",
        "ledger_facts": "{}",
        "is_carried": True,
        "first_recorded_time": now,
    }


def _decision(counted: Mapping[str, str]) -> dict[str, Any]:
    is_miss = counted["outcome"] == _NEAREST_MISS
    return {
        "id": _id(counted),
        "flow_id": _flow_id(counted),
        "version": counted.get("version"),
        "outcome": "violation" if is_miss else counted["outcome"],
        "kind": counted.get("kind", _NO_KIND),
        "counts_events": counted.keys() == set(_EVENT),
        "counts_categories": "data_category" in counted,
    }


def _category(counted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if counted.keys() != set(_EVENT):
        is_miss = counted["outcome"] == _NEAREST_MISS
        yield {
            "decision_id": _id(counted),
            "data_category": counted.get("data_category", _CARRIED),
            "outcome": "violation" if is_miss else counted["outcome"],
            "kind": counted.get("kind", _NO_KIND),
            "statement": counted.get("statement"),
            "is_nearest_miss": is_miss,
        }


def _data_categories(counted: Mapping[str, str]) -> list[str]:
    return [counted["data_category"]] if "data_category" in counted else []


def _flow_id(counted: Mapping[str, str]) -> bytes:
    names = ("controller", "role", "data_category", "purpose", "recipient")
    return _hashed([_CARRIED, *(counted.get(name) for name in names)])


def _id(counted: Mapping[str, str]) -> bytes:
    return _hashed([_CARRIED, sorted(counted.items())])


def _hashed(content: object) -> bytes:
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).digest()


def _create_tables() -> None:
    op.create_table(
        "flows",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("controller", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("source", sa.String()),
        sa.Column("location", sa.String()),
        sa.Column("retention_days", sa.Integer()),
        sa.Column("legal_basis", sa.String()),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("ledger_facts", sa.Text(), nullable=False),
        sa.Column("is_other", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_carried", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("first_recorded_time", _UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flows")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_flows_first_recorded_time", "flows", ["first_recorded_time", "id"])
    op.create_index("ix_flows_controller", "flows", ["controller", "first_recorded_time", "id"])
    op.create_index(
        "ix_flows_other",
        "flows",
        ["id"],
        sqlite_where=sa.text("is_other = 1"),
        postgresql_where=sa.text("is_other"),
    )
    op.create_table(
        "flow_decisions",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("flow_id", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.String()),
        sa.Column("digest", sa.String()),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("counts_events", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("counts_categories", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow_decisions")),
        sa.ForeignKeyConstraint(["flow_id"], ["flows.id"], name=op.f("fk_flow_decisions_flow_id")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_flow_decisions_flow_id", "flow_decisions", ["flow_id"])
    op.create_table(
        "flow_decision_categories",
        sa.Column("decision_id", sa.LargeBinary(16), nullable=False),
        sa.Column("data_category", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("statement", sa.String()),
        sa.Column("is_nearest_miss", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "decision_id", "data_category", name=op.f("pk_flow_decision_categories")
        ),
        _of_decision("flow_decision_categories"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "flow_counts",
        sa.Column("hour", _UTC_TIME, nullable=False),
        sa.Column("decision_id", sa.LargeBinary(16), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False, server_default="1"),
        *_sums(),
        sa.PrimaryKeyConstraint("hour", "decision_id", "publisher", name=op.f("pk_flow_counts")),
        _of_decision("flow_counts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "flow_totals",
        sa.Column("decision_id", sa.LargeBinary(16), nullable=False),
        sa.Column("publisher", sa.String(), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint("decision_id", "publisher", name=op.f("pk_flow_totals")),
        _of_decision("flow_totals"),
        sqlite_with_rowid=False,
    )
    op.add_column("violations", sa.Column("flow_id", sa.LargeBinary(16)))
    op.create_index("ix_violations_flow_id", "violations", ["flow_id", "event_time", "id"])


def _create_indexes_of_counts() -> None:
    """Once the rows are there: half the time of an index that grows with them."""
    op.create_index("ix_flow_counts_decision_id", "flow_counts", ["decision_id", "hour"])
    op.create_index(
        "ix_flow_counts_hourly",
        "flow_counts",
        ["hour", "decision_id"],
        sqlite_where=_IS_HOURLY,
        postgresql_where=_IS_HOURLY,
    )


def _sums() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("accesses", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("first_time", _UTC_TIME, nullable=False),
        sa.Column("last_time", _UTC_TIME, nullable=False),
    )


def _of_decision(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["decision_id"], ["flow_decisions.id"], name=op.f(f"fk_{table}_decision_id")
    )
