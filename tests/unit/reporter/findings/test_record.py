"""Violations become findings."""

import asyncio
from typing import Any

from sqlalchemy import select

from purposewatch_reporter.findings.group import OTHER, Group
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.severity import severity_table
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic, verdict


def keeper_of(database: Database, *, limit: int = 10_000) -> LedgerWriter:
    """A ledger writer that caches so many findings at most."""
    return ledger_writer_of(database, findings=Findings(severity_table({}), limit=limit))


async def rows(database: Database, table: Any) -> list[Any]:
    """What a table says."""
    async with database.reading() as connection:
        order = table.c.get("data_category", next(iter(table.c)))
        return list(await connection.execute(select(table).order_by(order)))


async def test_a_finding_is_what_equal_violations_have_in_common(database: Database) -> None:
    """Counted once per event, with the first and the last of them."""
    values = [
        verdict(0, 0, outcome="violation", event_time="2026-03-02T08:15:00Z"),
        verdict(0, 1, outcome="violation", event_time="2026-03-01T08:15:00Z"),
        verdict(0, 2, outcome="violation", event_time="2026-03-02T07:15:00Z"),
        verdict(0, 3, outcome="violation", role="visitor"),
        verdict(0, 4, outcome="violation", publisher="shop"),
        verdict(0, 5, outcome="permitted"),
    ]
    await keeper_of(database).record_verdicts(in_topic("verdicts", values))
    found = {(row.role, row.publisher): row for row in await rows(database, tables.findings)}
    assert {key: row.count for key, row in found.items()} == {
        ("member", "crm"): 3,
        ("visitor", "crm"): 1,
        ("member", "shop"): 1,
    }
    finding = found["member", "crm"]
    assert finding.first_event_time.isoformat() == "2026-03-01T08:15:00+00:00"
    assert finding.last_event_time.isoformat() == "2026-03-02T08:15:00+00:00"
    assert (finding.state, finding.episode, finding.routed_episode) == ("firing", 1, 0)
    assert (finding.outcome, finding.severity, finding.clause) == (
        "violation",
        "medium",
        "members.1",
    )
    last = {row.id: row.event_offset for row in await rows(database, tables.violations)}
    assert last[finding.last_violation_id] == 2


async def test_the_last_violation_of_a_finding_is_the_last_that_was_recorded(
    database: Database,
) -> None:
    """Also where verdicts of two hours take turns, which are counted apart."""
    hours = ["08", "07", "08", "07", "08"]
    values = [
        verdict(0, n, outcome="violation", event_time=f"2026-03-02T{hour}:15:00Z")
        for n, hour in enumerate(hours)
    ]
    await keeper_of(database).record_verdicts(in_topic("verdicts", values))
    [finding] = await rows(database, tables.findings)
    offsets = {row.id: row.event_offset for row in await rows(database, tables.violations)}
    assert (finding._mapping["count"], offsets[finding.last_violation_id]) == (5, 4)


async def test_a_finding_sums_violations_and_accesses(database: Database) -> None:
    """Apart from each other, over batches, and with silenced ones among them."""
    counts = [250, 1, 3]
    values = [verdict(0, n, outcome="violation", count=count) for n, count in enumerate(counts)]
    keeper = keeper_of(database)
    await keeper.record_verdicts(in_topic("verdicts", values[:2]))
    await keeper.record_verdicts(in_topic("verdicts", values[2:], start=2))
    [finding] = await rows(database, tables.findings)
    assert (finding._mapping["count"], finding.accesses) == (3, 254)
    assert (finding.episode_count, finding.episode_accesses) == (3, 254)
    assert (finding.silenced_count, finding.silenced_accesses) == (0, 0)


async def test_every_category_has_its_finding(database: Database) -> None:
    """One violation, two of them; what was permitted has none."""
    value = verdict(
        0,
        0,
        outcome="violation",
        categories={"user.a": "violation", "user.b": "unknown", "user.c": "permitted"},
    )
    await keeper_of(database).record_verdicts(in_topic("verdicts", [value]))
    findings = await rows(database, tables.findings)
    assert [(row.data_category, row.kind, row.outcome) for row in findings] == [
        ("user.a", "undeclared_purpose", "violation"),
        ("user.b", "unknown", "unknown"),
    ]
    categories = await rows(database, tables.violation_categories)
    assert [(row.data_category, row.kind, row.fingerprint) for row in categories] == [
        (row.data_category, row.kind, row.fingerprint) for row in findings
    ]
    [violation] = await rows(database, tables.violations)
    assert (violation.severity, violation.silenced) == ("medium", False)


async def test_a_violation_is_as_grave_as_its_gravest_category(database: Database) -> None:
    """Here the kind of the first makes it so."""
    value = verdict(
        0, 0, outcome="violation", kind="prohibited", categories={"a": "violation", "b": "unknown"}
    )
    await keeper_of(database).record_verdicts(in_topic("verdicts", [value]))
    [violation] = await rows(database, tables.violations)
    assert violation.severity == "high"


def test_a_fingerprint_never_changes() -> None:
    """Links, silences and receivers' memories hang on it."""
    group = Group("wework-labs", "member", "unknown", "user.name", "p", "first_party", "crm")
    assert group.fingerprint == "128a266c80ca488198b9135c77bdd332"


async def test_findings_beyond_the_limit_are_collected(database: Database) -> None:
    """By kind: somebody who invents values can't fill the table, and is still alerted about."""
    for start in (0, 10, 20):
        values = [
            verdict(0, offset, outcome="violation", categories={f"user.n{offset:02}": "violation"})
            for offset in range(start, start + 10)
        ]
        # a process that has just started knows no finding
        await keeper_of(database, limit=15).record_verdicts(
            in_topic("verdicts", values, start=start)
        )
    found = await rows(database, tables.findings)
    assert len(found) == 16
    [collected] = [row for row in found if row.data_category == OTHER]
    assert (collected.kind, collected.count, collected.controller) == (
        "undeclared_purpose",
        15,
        OTHER,
    )
    of_violations = {row.fingerprint for row in await rows(database, tables.violation_categories)}
    assert of_violations == {row.fingerprint for row in found}
    again = verdict(0, 30, outcome="violation", categories={"user.n00": "violation"})
    await keeper_of(database, limit=15).record_verdicts(in_topic("verdicts", [again], start=30))
    counts = {row.data_category: row.count for row in await rows(database, tables.findings)}
    assert counts["user.n00"] == 2


async def test_concurrent_recording_counts_everything(database: Database) -> None:
    """Two reporters, other partitions, the same findings."""

    async def record(partition: int) -> None:
        keeper = keeper_of(database)
        for offset in range(20):
            value = verdict(partition, offset, outcome="violation")
            records = in_topic("verdicts", [value], start=offset)
            for record in records:
                record.partition = partition
            await keeper.record_verdicts(records)

    await asyncio.gather(record(0), record(1))
    [finding] = await rows(database, tables.findings)
    assert (finding.count, finding.episode, finding.episode_count) == (40, 1, 40)
