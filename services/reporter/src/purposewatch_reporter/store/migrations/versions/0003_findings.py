"""Findings: violations of the same flow, grouped; suppressions; the outbox of their alerts."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UTC_TIME = sa.DateTime(timezone=True)
_BATCH = 500

_FLOW = ("controller", "role", "kind", "data_category", "purpose", "recipient", "publisher")


def upgrade() -> None:
    """Add the findings, and find what the violations so far amount to."""
    _findings()
    _suppressions()
    _notices()
    _channel_health()
    op.add_column(
        "violations", sa.Column("severity", sa.String(), nullable=False, server_default="medium")
    )
    op.add_column(
        "violations",
        sa.Column("suppressed", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "violation_categories",
        sa.Column("kind", sa.String(), nullable=False, server_default="unknown"),
    )
    op.add_column(
        "violation_categories",
        sa.Column("fingerprint", sa.String(length=32), nullable=False, server_default=""),
    )
    _fill_findings()
    _fill_notices()
    op.drop_table("outbox")
    _outbox()


def _findings() -> None:
    op.create_table(
        "findings",
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in _FLOW),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("first_event_time", _UTC_TIME, nullable=False),
        sa.Column("last_event_time", _UTC_TIME, nullable=False),
        sa.Column("first_booked_time", _UTC_TIME, nullable=False),
        sa.Column("last_booked_time", _UTC_TIME, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("suppressed_count", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("episode_started_time", _UTC_TIME, nullable=True),
        sa.Column("episode_count", sa.BigInteger(), nullable=False),
        sa.Column("active_time", _UTC_TIME, nullable=True),
        sa.Column("quiet_time", _UTC_TIME, nullable=True),
        sa.Column("routed_episode", sa.Integer(), nullable=False),
        sa.Column("last_violation_id", sa.String(length=32), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("statement", sa.String(), nullable=True),
        sa.Column("clause", sa.String(), nullable=True),
        sa.Column("policy_version", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_findings"),
    )
    op.create_index("ix_findings_last_booked_time", "findings", ["last_booked_time", "fingerprint"])
    op.create_index("ix_findings_state", "findings", ["state", "active_time"])


def _suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", sa.String(length=32), nullable=False),
        *(sa.Column(name, sa.String(), nullable=True) for name in _FLOW),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("created_time", _UTC_TIME, nullable=False),
        sa.Column("expires_time", _UTC_TIME, nullable=False),
        sa.Column("ended_time", _UTC_TIME, nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
    )
    op.create_index("ix_suppressions_created_time", "suppressions", ["created_time", "id"])


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("episode_started_time", _UTC_TIME, nullable=False),
        sa.Column("episode_count", sa.BigInteger(), nullable=False),
        sa.Column("first_time", _UTC_TIME, nullable=False),
        sa.Column("active_time", _UTC_TIME, nullable=False),
        sa.Column("quiet_time", _UTC_TIME, nullable=True),
        sa.Column("routed_episode", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_notices"),
    )
    op.create_index("ix_notices_state", "notices", ["state", "active_time"])


def _channel_health() -> None:
    op.create_table(
        "channel_health",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("failing_since", _UTC_TIME, nullable=True),
        sa.Column("last_success_time", _UTC_TIME, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_health"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_time", _UTC_TIME, nullable=False),
        sa.Column("due_time", _UTC_TIME, nullable=True),
        sa.Column("waiting_since", _UTC_TIME, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("resolve_after", _UTC_TIME, nullable=True),
        sa.Column("resolved_time", _UTC_TIME, nullable=True),
        sa.Column("resolved_count", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("done_time", _UTC_TIME, nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_outbox"),
        sa.UniqueConstraint("channel", "fingerprint", "episode", name="uq_outbox_channel"),
    )
    op.create_index("ix_outbox_due", "outbox", ["channel", "done_time", "due_time"])
    op.create_index("ix_outbox_fingerprint", "outbox", ["fingerprint", "done_time"])


def _table(name: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())


def _by_id(table: sa.Table) -> Iterator[Any]:
    """All rows with what waits for delivery, some at a time."""
    outbox = _table("outbox")
    waits = (
        sa.exists()
        .where(outbox.c.fingerprint == table.c.id, outbox.c.delivered_time.is_(None))
        .label("waits")
    )
    last = ""
    while True:
        query = sa.select(table, waits).where(table.c.id > last).order_by(table.c.id)
        rows = op.get_bind().execute(query.limit(_BATCH)).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].id


def _digest(*values: str) -> str:
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _fill_findings() -> None:
    """Group what is there. Only what was still to be delivered alerts, now once per group."""
    categories = _table("violation_categories")
    found: dict[str, dict[str, Any]] = {}
    for row in _by_id(_table("violations")):
        decided = {
            item["data_category"].replace("\0", "\N{REPLACEMENT CHARACTER}"): item
            for item in json.loads(row.verdict)["categories"]
            if item["outcome"] != "permitted"
        }
        for category, item in sorted(decided.items()):
            kind = item["kind"] or "unknown"
            flow = {**row._mapping, "kind": kind, "data_category": category}  # noqa: SLF001
            flow = {name: flow[name] for name in _FLOW}
            fingerprint = _digest(*flow.values())
            op.execute(
                categories.update()
                .where(categories.c.violation_id == row.id, categories.c.data_category == category)
                .values(kind=kind, fingerprint=fingerprint)
            )
            _add(found, fingerprint, row, {**flow, "outcome": item["outcome"]})
    if found:
        op.bulk_insert(_table("findings"), list(found.values()))


def _add(
    found: dict[str, dict[str, Any]], fingerprint: str, row: Any, flow: dict[str, Any]
) -> None:
    finding = found.get(fingerprint)
    if finding is None:
        finding = found[fingerprint] = {
            "fingerprint": fingerprint,
            **flow,
            "severity": "medium",
            "first_event_time": row.event_time,
            "last_event_time": row.event_time,
            "first_booked_time": row.booked_time,
            "last_booked_time": row.booked_time,
            "count": 0,
            "suppressed_count": 0,
            "state": "quiet",
            "episode": 1,
            "episode_started_time": row.booked_time,
            "episode_count": 0,
            "active_time": row.booked_time,
            "quiet_time": row.booked_time,
            "routed_episode": 1,
            "last_violation_id": row.id,
            "summary": row.summary,
            "statement": row.statement,
            "clause": row.clause,
            "policy_version": row.policy_version,
        }
    finding["count"] += 1
    finding["episode_count"] += 1
    finding["first_event_time"] = min(finding["first_event_time"], row.event_time)
    finding["last_event_time"] = max(finding["last_event_time"], row.event_time)
    for name in ("first_booked_time", "episode_started_time"):
        finding[name] = min(finding[name], row.booked_time)
    if row.booked_time >= finding["last_booked_time"]:
        finding.update(
            last_booked_time=row.booked_time,
            active_time=row.booked_time,
            last_violation_id=row.id,
        )
    if finding["state"] == "quiet":
        finding["quiet_time"] = finding["last_booked_time"]
    if row.waits:
        finding.update(state="firing", quiet_time=None, routed_episode=0)


def _fill_notices() -> None:
    """An id with two contents alerts as a notice, once for each publisher."""
    found: dict[str, dict[str, Any]] = {}
    for row in _by_id(_table("id_conflicts")):
        if not row.waits:
            continue
        key = row.publisher
        fingerprint = _digest("notice", "conflict", key)
        notice = found.setdefault(
            fingerprint,
            {
                "fingerprint": fingerprint,
                "kind": "conflict",
                "key": key,
                "severity": "medium",
                "state": "firing",
                "episode": 1,
                "episode_started_time": row.booked_time,
                "episode_count": 0,
                "first_time": row.booked_time,
                "active_time": row.booked_time,
                "quiet_time": None,
                "routed_episode": 0,
            },
        )
        notice["episode_count"] += 1
        notice["summary"] = row.summary
        notice["active_time"] = max(notice["active_time"], row.booked_time)
    if found:
        op.bulk_insert(_table("notices"), list(found.values()))
