"""Notices about what was never seen before."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from purposewatch_policy import InvalidSourceError
from purposewatch_reporter.alerts.routing import DiscoveryPolicy
from purposewatch_reporter.alerts.routing_file import load_routing
from purposewatch_reporter.discovery import first_seen as module
from purposewatch_reporter.discovery.first_seen import FirstSeenRecorder
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import NOW, ledger_writer_of
from tests.unit.reporter.records import in_topic, verdict

AT_ONCE = timedelta()
ALL = DiscoveryPolicy(third_parties=True, recipients=True, flows=True, learning=AT_ONCE)


def recorder(policy: DiscoveryPolicy = ALL) -> FirstSeenRecorder:
    """A recorder without vocabularies: names say what is below what."""
    return FirstSeenRecorder(policy, dict)


def to(
    offset: int, recipient: str, *, days: int = 0, partition: int = 0, **more: Any
) -> dict[str, Any]:
    """A verdict about an event with that recipient, accepted so many days later."""
    value = verdict(partition, offset, **more)
    value["data"]["recipient"] = recipient
    accepted = datetime.fromisoformat(value["accepted_time"]) + timedelta(days=days)
    value["accepted_time"] = accepted.isoformat().replace("+00:00", "Z")
    return value


async def record(
    database: Database, values: list[dict[str, Any]], first_seen: Any, **options: Any
) -> None:
    """Record them behind those that are recorded."""
    start = values[0]["position"]["offset"]
    writer = ledger_writer_of(database, first_seen=first_seen, **options)
    await writer.record_verdicts(in_topic("verdicts", values, start=start))


async def told(database: Database) -> list[tuple[str, str, int]]:
    """Kind, key and count of the notices."""
    c = tables.notices.c
    async with database.reading() as connection:
        rows = await connection.execute(select(c.kind, c.key, c.episode_count).order_by(c.key))
        return [tuple(row) for row in rows]


async def test_only_third_parties_are_told_unless_asked(database: Database) -> None:
    """With who stated what; a recipient is told once, whatever flows it is seen in."""
    usual = recorder(DiscoveryPolicy(learning=AT_ONCE))
    values = [
        to(0, "first_party"),
        to(1, "third_party.advertising"),
        to(2, "third_party.advertising", role="visitor"),
        to(3, "processor.cloud"),
    ]
    await record(database, values, usual)
    await record(database, [to(4, "third_party.advertising", role="mentor")], usual)
    assert await told(database) == [
        ("new_third_party", "wework-labs/third_party.advertising", 1),
    ]
    async with database.reading() as connection:
        notice = (await connection.execute(select(tables.notices))).one()
    assert (notice.controller, notice.severity) == ("wework-labs", "medium")
    assert notice.summary == (
        "A third party that was never seen before: `crm` stated `use` of `user.contact.email` of a "
        "`member` of wework-labs for `marketing.advertising`, to `third_party.advertising`; "
        "permitted."
    )


async def test_recipients_and_flows_are_told_on_request(database: Database) -> None:
    """Flows of a controller in one notice, with their number."""
    values = [to(0, "first_party"), to(1, "affiliate"), to(2, "affiliate", role="visitor")]
    await record(database, values, recorder())
    assert await told(database) == [
        ("new_flow", "wework-labs", 3),
        ("new_recipient", "wework-labs/affiliate", 1),
        ("new_recipient", "wework-labs/first_party", 1),
    ]


async def test_the_first_days_are_for_learning(database: Database) -> None:
    """Then everything is new: it is remembered, and not told later either."""
    learning = recorder(DiscoveryPolicy(flows=True, learning=timedelta(days=7)))
    await record(database, [to(0, "third_party"), to(1, "third_party.a", days=6)], learning)
    assert await told(database) == []
    later = [to(2, "third_party.a", days=8), to(3, "third_party.b", days=7)]
    await record(database, later, learning)
    assert await told(database) == [
        ("new_flow", "wework-labs", 1),
        ("new_third_party", "wework-labs/third_party.b", 1),
    ]


class _Failing:
    async def record(self, *arguments: Any) -> None:
        await recorder().record(*arguments)
        message = "killed"
        raise OSError(message)


async def test_it_is_told_once_whatever_is_killed(database: Database) -> None:
    """Seen and told in one transaction: what is rolled back is told when it is recorded."""
    values = [to(0, "third_party.a")]
    with pytest.raises(OSError, match="killed"):
        await record(database, values, _Failing())
    assert await told(database) == []
    for _ in range(2):
        await record(database, values, recorder())
    assert ("new_third_party", "wework-labs/third_party.a", 1) in await told(database)
    assert ("new_flow", "wework-labs", 1) in await told(database)


async def test_recipients_are_seen_beyond_the_limit_of_flows(database: Database) -> None:
    """A flow that is counted under `(other)` may be the first to a third party."""
    values = [to(0, "first_party"), to(1, "third_party.a")]
    await record(database, values, recorder(DiscoveryPolicy(learning=AT_ONCE)), max_flows=1)
    assert await told(database) == [("new_third_party", "wework-labs/third_party.a", 1)]


async def test_names_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a foreign producer invents can't fill the database."""
    monkeypatch.setattr(module, "MOST_RECIPIENTS", 2)
    await record(database, [to(n, f"third_party.p{n}") for n in range(4)], recorder())
    async with database.reading() as connection:
        known = select(func.count()).select_from(tables.known_recipients)
        assert await connection.scalar(known) == 2


async def test_what_was_counted_before_is_known(database: Database) -> None:
    """The migration takes the recipients, and since when, from the flow ledger."""
    await record(database, [to(0, "third_party.a"), to(1, "affiliate")], None)
    async with database.writing() as connection:
        later = ("unsummed_hours", "event_sums", "decision_sums")
        for name in ("known_recipients", "discovery_starts", *later):
            await connection.execute(text(f"DROP TABLE {name}"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0018'"))
    await database.start()
    await record(database, [to(2, "third_party.a", days=9)], recorder(DiscoveryPolicy()))
    assert await told(database) == []
    await record(database, [to(3, "third_party.b", days=9)], recorder(DiscoveryPolicy()))
    assert await told(database) == [("new_third_party", "wework-labs/third_party.b", 1)]
    async with database.reading() as connection:
        start = (await connection.execute(select(tables.discovery_starts))).one()
    assert start.recipients_time == datetime.fromisoformat("2026-03-02T08:15:00Z")
    assert start.flows_time == NOW


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("", DiscoveryPolicy()),
        (
            "discovery: {flows: true, learning_days: 0}",
            DiscoveryPolicy(flows=True, learning=AT_ONCE),
        ),
        ("discovery: {third_parties: false}", DiscoveryPolicy(third_parties=False)),
    ],
)
def test_the_alerting_file_says_what_is_told(
    tmp_path: Path, stated: str, expected: DiscoveryPolicy
) -> None:
    """Third parties, unless it says otherwise; routes say who is told."""
    file = tmp_path / "alerting.yaml"
    channel = "channels: {a: {type: webhook, url: 'http://a'}}"
    route = "routes: [{kinds: [new_third_party, new_recipient, new_flow], channels: [a]}]"
    file.write_text(f"{channel}\n{route}\ndefault: [a]\n{stated}\n", "utf-8")
    assert load_routing(file).discovery == expected
    file.write_text(f"{channel}\ndefault: [a]\ndiscovery: {{third_party: true}}\n", "utf-8")
    with pytest.raises(InvalidSourceError, match="did you mean `third_parties`"):
        load_routing(file)
