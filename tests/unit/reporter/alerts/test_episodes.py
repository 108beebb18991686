"""When an episode begins and ends, and who is told."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from purposewatch_reporter.alerts.notices import (
    NoticeKind,
    end_notice,
    raise_notice,
    raise_suspect_notices,
)
from purposewatch_reporter.alerts.routing import AppriseSpec, Route, Routing
from purposewatch_reporter.findings.group import digest
from purposewatch_reporter.store import tables
from tests.unit.reporter.alerts.conftest import ROUTING, Bench
from tests.unit.reporter.conftest import NOW


async def finding(bench: Bench) -> Any:
    """The only finding."""
    [row] = await bench.rows(tables.findings)
    return row


async def test_a_storm_is_one_alert(bench: Bench) -> None:
    """However many come, in however many batches."""
    for _ in range(3):
        await bench.violate(*["user.a"] * 40)
        await bench.advance()
    assert [(row.episode, row.state) for row in await bench.rows()] == [(1, "firing")]
    assert ((await finding(bench)).count, (await finding(bench)).episode_count) == (120, 120)


async def test_it_is_over_when_it_has_been_quiet(bench: Bench) -> None:
    """For the whole of the quiet time since the latest; then the next begins another episode."""
    await bench.violate("user.a")
    await bench.advance()
    bench.later(minutes=9)
    await bench.violate("user.a")
    bench.later(minutes=9.9)
    await bench.advance()
    assert (await finding(bench)).state == "firing"
    bench.later(minutes=0.2)
    await bench.advance()
    assert ((await finding(bench)).state, (await finding(bench)).quiet_time) == ("quiet", bench.now)
    [row] = await bench.rows()
    assert (row.state, row.resolved_time, row.resolved_count) == ("resolved", bench.now, 2)
    await bench.violate("user.a")
    await bench.advance()
    assert [(row.episode, row.state) for row in await bench.rows()] == [
        (1, "resolved"),
        (2, "firing"),
    ]
    found = await finding(bench)
    assert (found.episode, found.episode_count, found.count) == (2, 1, 3)
    assert (found.episode_started_time, found.quiet_time) == (bench.now, None)


async def test_no_episode_is_passed_over(bench: Bench) -> None:
    """It isn't ended before it was routed, however long that takes."""
    await bench.violate("user.a")
    bench.later(days=1)
    await bench.advance()
    assert [row.state for row in await bench.rows()] == ["resolved"]


async def test_routes_say_who_is_told(bench: Bench) -> None:
    """By controller, kind and severity; what no route takes goes the default way."""
    specs = tuple(AppriseSpec(name, None) for name in ("privacy", "legal", "rest"))  # type: ignore[arg-type]
    bench.routing = Routing(
        specs=specs,
        routes=(
            Route(("privacy",), controllers=frozenset({"wework-labs"})),
            Route(("legal",), kinds=frozenset({"prohibited"}), severities=frozenset({"high"})),
        ),
        default=("rest",),
    )
    await bench.violate("user.a")
    await bench.violate("user.b", kind="prohibited")
    async with bench.database.writing() as connection:
        await raise_notice(
            connection, kind="ledger", key="page", summary="odd", severity="critical", now=NOW
        )
    await bench.advance()
    names = {row.fingerprint: row.data_category for row in await bench.rows(tables.findings)}
    told = sorted((names.get(row.fingerprint, "notice"), row.channel) for row in await bench.rows())
    assert told == [
        ("notice", "rest"),
        ("user.a", "privacy"),
        ("user.b", "legal"),
        ("user.b", "privacy"),
    ]


async def test_without_a_channel_nothing_waits(bench: Bench) -> None:
    """An outbox that nobody empties would only grow."""
    bench.routing = Routing()
    await bench.violate("user.a")
    await bench.advance()
    assert await bench.rows() == []
    assert (await finding(bench)).routed_episode == 1


async def raise_ledger_notice(bench: Bench, summary: str) -> None:
    """Raise the same notice."""
    async with bench.database.writing() as connection:
        await raise_notice(
            connection,
            kind=NoticeKind.LEDGER,
            key="unaccounted",
            summary=summary,
            severity="critical",
            now=bench.now,
        )


async def test_a_notice_alerts_once_until_it_is_ended(bench: Bench) -> None:
    """Whoever raised it ends it; time doesn't."""
    for number in range(3):
        await raise_ledger_notice(bench, f"{number} events")
        await bench.advance()
    bench.later(days=2)
    await bench.advance()
    assert [(row.episode, row.state) for row in await bench.rows()] == [(1, "firing")]
    async with bench.database.writing() as connection:
        ended = [
            await end_notice(connection, kind="ledger", key="unaccounted", now=bench.now)
            for _ in range(2)
        ]
    assert ended == [True, False]
    deliverer = bench.deliverer()
    await deliverer.deliver()
    await deliverer.deliver()
    first, second = (batch[0] for batch in bench.channel.sent)
    assert (first.summary, first.severity, str(first.state)) == ("2 events", "critical", "firing")
    assert (second.count, str(second.state)) == (3, "resolved")
    assert first.labels["alertname"] == "PurposewatchNotice"
    assert first.labels["audience"] == "oncall"
    await raise_ledger_notice(bench, "again")
    await bench.advance()
    assert [row.episode for row in await bench.rows()] == [1, 2]


async def test_a_notice_of_0_1_is_delivered_and_ended_under_its_new_kind(bench: Bench) -> None:
    """Its stored row still says `books`, and its fingerprint is made of that name."""
    bench.routing = Routing(
        specs=ROUTING.specs, routes=(Route(("hook",), kinds=frozenset({"ledger"})),)
    )
    await raise_ledger_notice(bench, "2 events")
    async with bench.database.writing() as connection:
        await connection.execute(update(tables.notices).values(kind="books"))
    await bench.advance()
    deliverer = bench.deliverer()
    await deliverer.deliver()
    await raise_ledger_notice(bench, "3 events")
    async with bench.database.writing() as connection:
        assert await end_notice(connection, kind="ledger", key="unaccounted", now=bench.now)
    await deliverer.deliver()
    alerts = [alert for batch in bench.channel.sent for alert in batch]
    assert [(alert.labels["kind"], str(alert.state)) for alert in alerts] == [
        ("ledger", "firing"),
        ("ledger", "resolved"),
    ]
    assert {alert.fingerprint for alert in alerts} == {digest("notice", "books", "unaccounted")}
    assert [row.kind for row in await bench.rows(tables.notices)] == ["ledger"]


async def test_an_id_with_two_contents_is_a_notice_of_its_publisher(bench: Bench) -> None:
    """Many are one alert, which ends when it has been quiet."""
    await bench.violate("user.a", event_id="one")
    for number in range(3):
        await bench.violate("user.a", event_id="one", content=f"other {number}")
    await bench.advance()
    [notice] = await bench.rows(tables.notices)
    assert (notice.kind, notice.key, notice.episode_count) == ("conflict", "crm", 3)
    bench.later(minutes=11)
    await bench.advance()
    [notice] = await bench.rows(tables.notices)
    assert (notice.state, notice.quiet_time) == ("quiet", bench.now)


async def test_a_notice_about_suspect_records_ends_by_itself(bench: Bench) -> None:
    """After the quiet period, as one about conflicts; nobody can say that the cause is gone."""
    row = {
        "origin_topic": "data-access.verdicts",
        "origin_partition": 1,
        "origin_offset": 42,
        "reason": "the record is about an event beyond the end of its log",
    }
    async with bench.database.writing() as connection:
        await raise_suspect_notices(connection, [row, row], bench.now)
    await bench.advance()
    [notice] = await bench.rows(tables.notices)
    assert (notice.kind, notice.key, notice.state) == ("suspect", row["origin_topic"], "firing")
    assert (notice.severity, notice.episode_count) == ("critical", 2)
    assert "partition 1, offset 42 of `data-access.verdicts`" in notice.summary
    bench.later(minutes=11)
    await bench.advance()
    [notice] = await bench.rows(tables.notices)
    assert (notice.state, notice.quiet_time) == ("quiet", bench.now)


async def test_two_processes_route_an_episode_once(bench: Bench) -> None:
    """The second finds nothing to do."""
    await bench.violate(*(f"user.n{number}" for number in range(60)))
    await bench.advance()
    await bench.advance()
    assert len(await bench.rows()) == 60
    assert {row.due_time for row in await bench.rows()} == {NOW}
    bench.quiet = timedelta(0)
    bench.later(seconds=1)
    await bench.advance()
    assert {row.state for row in await bench.rows()} == {"resolved"}
