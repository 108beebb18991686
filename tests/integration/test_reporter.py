"""The reporter as a process, on real brokers and databases: exact, whatever is killed when."""

import asyncio
import json
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from purposewatch_contract import EVENTS, VERDICTS, topic_name
from purposewatch_reporter.alerts.webhook import sign
from purposewatch_reporter.app import build_app
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from tests.harness.broker import RunningBroker
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.harness.scrape import get, metric, until_json
from tests.harness.service import ServiceProcess
from tests.integration.reporter_stage import Load, Stage, stage_on
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.flows.reading import all_counts
from tests.unit.reporter.records import dead_letter, in_topic, verdict
from tests.unit.reporter.reference_ledger import stored_ledger
from tests.unit.reporter.test_migrations import differences

HOOK_SECRET = "the secret that signs alerts"
HOOK_TOKEN = "a-token-within-the-address"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One server for all tests; `start` it."""
    with PostgreSQL(require_postgresql()) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    await server.start()
    yield server.url(await server.create_database())


@pytest.fixture
async def stage(
    broker: RunningBroker, topic_prefix: str, database_url: str
) -> AsyncIterator[Stage]:
    """A stage on each broker with each database."""
    async with stage_on(broker, topic_prefix, database_url) as stage:
        yield stage


@pytest.mark.timeout(180)
async def test_killed_again_and_again_it_records_everything_once(
    stage: Stage, topic_prefix: str
) -> None:
    """SIGKILL in the middle of the load, several times: no count differs from a dictionary's."""
    load = Load(topic_prefix, events=500, seed=1)
    publishing = asyncio.create_task(stage.publish(load, pause=0.15))
    async with stage.reporter() as reporter:
        for number in range(5):
            before = await stage.recorded()
            await stage.wait_recorded(min(before + 60 + 37 * number, load.accounted() - 1))
            reporter.kill()
            reporter.start()
        await publishing
        await stage.assert_ledger(load, reporter)
        await reporter.wait_ready()
        assert (
            await metric(reporter, "purposewatch_ledger_unaccounted")
            + await metric(reporter, "purposewatch_ledger_pending")
            == load.unaccounted.total()
        )


@pytest.mark.timeout(180)
async def test_two_reporters_and_a_zombie_record_everything_once(
    broker: RunningBroker, topic_prefix: str, postgresql: PostgreSQL
) -> None:
    """A reporter that is stopped, replaced, and wakes up again, does not count a second time."""
    await postgresql.start()
    url = postgresql.url(await postgresql.create_database())
    load = Load(topic_prefix, events=500, seed=2)
    async with stage_on(broker, topic_prefix, url) as stage:
        publishing = asyncio.create_task(stage.publish(load, pause=0.25))
        async with stage.reporter() as one, stage.reporter() as other:
            for number in range(2):
                stopped = (one, other)[number]
                await stage.wait_recorded((number + 1) * 150)
                stopped.signal(signal.SIGSTOP)
                await asyncio.sleep(4)  # twice the session time-out
                stopped.signal(signal.SIGCONT)
            await publishing
            await stage.assert_ledger(load, one)


@pytest.mark.timeout(180)
async def test_a_database_that_is_away_only_delays_the_ledger(
    broker: RunningBroker, topic_prefix: str, postgresql: PostgreSQL
) -> None:
    """Away at the start, and crashed in the middle of the load: nothing lost, nothing twice."""
    await postgresql.start()
    url = postgresql.url(await postgresql.create_database())
    postgresql.stop()
    load = Load(topic_prefix, events=400, seed=3)
    async with stage_on(broker, topic_prefix, url) as stage, stage.reporter() as reporter:
        await reporter.wait_ready("/livez")
        await until_json(
            reporter,
            "/readyz",
            lambda found: not found["checks"]["database"]["ok"],
            status=503,
        )
        answer = await get(reporter, "/api/v1/violations")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        await postgresql.start()
        publishing = asyncio.create_task(stage.publish(load, pause=0.15))
        await stage.wait_recorded(200)
        postgresql.stop()
        await asyncio.sleep(2)
        await postgresql.start()
        await publishing
        await stage.assert_ledger(load, reporter)
        await reporter.wait_ready()


@pytest.mark.timeout(120)
async def test_the_ledger_shows_gaps_and_what_is_under_way(stage: Stage, topic_prefix: str) -> None:
    """Each partition by itself, with the ranges that are missing and since when."""
    settled = [verdict(0, offset, prefix=topic_prefix) for offset in (0, 1, 4)]
    values: dict[int, list[Any]] = {0: settled, 1: [verdict(1, 0, prefix=topic_prefix)]}
    await stage._publish(EVENTS, {0: [b"{}"] * 6, 1: [b"{}"]}, 100, 0)
    await stage._publish(VERDICTS, values, 100, 0)
    async with stage.reporter() as reporter:
        await reporter.wait_ready()
        await stage.wait_recorded(4)
        ledger = await until_json(
            reporter,
            "/api/v1/ledger",
            lambda found: (
                [(each["events"], each["verdicts"]) for each in found["partitions"]]
                == [(6, 3), (1, 1), (0, 0)]
            ),
        )
        first, second, third = ledger["partitions"]
        assert (first["events"], first["unaccounted"], first["pending"]) == (6, 2, 1)
        assert first["gaps"] == [{"first": 2, "last": 3}]
        assert first["oldest_open_since"] is not None
        assert (second["reconciled"], third["reconciled"]) == (True, True)
        assert (second["events"], third["events"]) == (1, 0)
        assert ledger["reconciled"] is False
        labels = {"partition": "0"}
        assert await metric(reporter, "purposewatch_ledger_oldest_pending_seconds", labels) > 0
        late = [verdict(0, offset, prefix=topic_prefix) for offset in (3, 2, 5)]
        await stage._publish(VERDICTS, {0: late}, 100, 0)
        await stage.wait_recorded(7)
        await until_json(reporter, "/api/v1/ledger", lambda found: found["reconciled"] is True)
        assert await metric(reporter, "purposewatch_ledger_oldest_pending_seconds") == 0
        assert await reporter.terminate() == 0


class Receiver:
    """An HTTP server that takes alerts in, or doesn't."""

    def __init__(self) -> None:
        self.alerts: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.signatures_hold = True
        self.calls = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def up(self) -> None:
        """Listen; every other call fails."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls += 1
                expected = sign(body, SecretStr(HOOK_SECRET))
                receiver.signatures_hold &= expected == self.headers["X-Purposewatch-Signature"]
                taken = receiver.calls % 2 == 0
                if taken:
                    alert = json.loads(body)
                    assert self.headers["Idempotency-Key"] == alert["key"]
                    if alert["labels"]["kind"] != "ledger":  # there are verdicts without events
                        receiver.alerts[alert["key"]].append(alert)
                self.send_response(204 if taken else 500)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    receiver.up()
    try:
        yield receiver
    finally:
        receiver.down()


@pytest.mark.timeout(180)
async def test_every_alert_arrives_whatever_fails(stage: Stage, topic_prefix: str) -> None:
    """The receiver fails half the calls, goes away and comes back; the reporter is killed."""
    outcomes = ["violation", "permitted", "unknown", "violation"]

    def some(offsets: Sequence[int]) -> list[Any]:
        return [
            verdict(
                0,
                offset,
                outcome=outcomes[offset % 4],
                categories={f"user.n{offset}": outcomes[offset % 4]},
                prefix=topic_prefix,
            )
            for offset in offsets
        ]

    with receiving() as receiver:
        stage.environment |= {
            "PURPOSEWATCH_WEBHOOK_URL": f"http://127.0.0.1:{receiver.port}/{HOOK_TOKEN}",
            "PURPOSEWATCH_WEBHOOK_SECRET": HOOK_SECRET,
            "PURPOSEWATCH_WEBHOOK_TIMEOUT_SECONDS": "1",
        }
        async with stage.reporter() as reporter:
            await stage._publish(EVENTS, {0: [b"{}"] * 13}, 100, 0)
            await stage._publish(VERDICTS, {0: some(range(12))}, 100, 0)
            async with asyncio.timeout(40):
                while len(receiver.alerts) < 4:
                    await asyncio.sleep(0.05)
            receiver.down()
            again = verdict(0, 12, event_id="event-0-0", content="other", prefix=topic_prefix)
            await stage._publish(VERDICTS, {0: [again]}, 100, 0)
            await stage.wait_recorded(13)
            reporter.kill()
            reporter.start()
            await reporter.wait_ready()
            outbox = (await get(reporter, "/api/v1/outbox")).json()["channels"][0]
            assert outbox["waiting"] >= 10 - len(receiver.alerts)
            receiver.up()
            async with asyncio.timeout(60):
                while len(receiver.alerts) < 10:
                    await asyncio.sleep(0.05)
            stored = await stored_ledger(stage.database, topic_name(topic_prefix, EVENTS))
            told = Counter(
                alerts[0]["labels"].get("outcome", alerts[0]["labels"]["kind"])
                for alerts in receiver.alerts.values()
            )
            assert told == {"violation": 6, "unknown": 3, "conflict": 1}
            assert (len(stored.findings), stored.notices) == (9, {"crm": 1})
            for alerts in receiver.alerts.values():
                assert all(alert == alerts[0] for alert in alerts)
                if "latest_violation" in alerts[0]["facts"]:
                    position = alerts[0]["facts"]["latest_violation"]
                    link = await get(reporter, position.removeprefix(reporter.base_url))
                    assert link.json()["summary"] == alerts[0]["summary"]
            assert receiver.signatures_hold
            async with asyncio.timeout(20):
                while (await get(reporter, "/api/v1/outbox")).json()["channels"][0]["waiting"]:
                    await asyncio.sleep(0.05)
            assert HOOK_TOKEN not in reporter.logs
            assert HOOK_SECRET not in reporter.logs


async def test_schema_and_api_are_the_same_on_postgresql(postgresql: PostgreSQL) -> None:
    """Two reporters that start at once make one schema; every query runs on it."""
    await postgresql.start()
    url = postgresql.url(await postgresql.create_database())
    database, other = Database(SecretStr(url)), Database(SecretStr(url))
    await asyncio.gather(database.start(), other.start())
    await other.stop()
    async with database.writing() as connection:
        assert await connection.run_sync(differences) == []
    detector = ledger_writer_of(database)
    values = [verdict(0, n, outcome="violation", publisher="crm") for n in range(5)]
    values.append(verdict(0, 5, event_id="event-0-0", content="other", publisher="crm"))
    await detector.record_verdicts(in_topic("verdicts", values))
    await detector.record_dead_letters(in_topic("dead-letters", [dead_letter(0, 6)]))
    app, _ = build_app(ReporterSettings(database_url=SecretStr(url)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as api:
        first = (await api.get("/violations?limit=3&category=user.contact.email")).json()
        rest = (await api.get(f"/violations?limit=3&cursor={first['next']}")).json()
        ids = [item["id"] for item in first["items"] + rest["items"]]
        assert (len(set(ids)), rest["next"]) == (5, None)
        assert ids == sorted(ids, reverse=True)  # they are of the same moment
        counts = (await api.get("/counts?of=decisions&by=hour&by=kind")).json()
        by = {"hour": "2026-03-02T08:00:00Z", "kind": "undeclared_purpose"}
        assert counts["groups"] == [{**by, "count": 5, "accesses": 5}]
        assert (await api.get("/counts?outcome=unknown")).json()["total"] == 0
        for resource, number in (("conflicts", 1), ("dead-letters", 1)):
            since = "since=2026-03-02T08:00:00Z"
            assert len((await api.get(f"/{resource}?{since}")).json()["items"]) == number
        found = (await api.get("/findings?limit=1")).json()["items"]
        assert [(item["count"], item["state"]) for item in found] == [(5, "firing")]
        named = {"matchers": {"publisher": "crm"}, "reason": "known", "author": "ana"}
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        added = await api.post("/silences", json={**named, "expires_time": until})
        assert added.status_code == 201
        assert len((await api.get("/findings?state=quiet")).json()["items"]) == 1
        assert (await api.get("/outbox")).json()["channels"] == []
    async with database.reading() as connection:
        [counted] = await all_counts(
            connection, "wework-labs", since=datetime(2026, 3, 2, tzinfo=UTC)
        )
        assert (counted.events, counted.outcome) == (5, "violation")
    await database.stop()


async def test_it_says_what_is_wrong_with_its_settings(tmp_path: Path) -> None:
    """An API open to everyone is refused at once, with what to set."""
    env = {"PURPOSEWATCH_REPORTER_HTTP_HOST": "0.0.0.0", "PURPOSEWATCH_DATABASE_URL": "x"}
    async with ServiceProcess("purposewatch_reporter", env) as reporter:
        assert await reporter.wait_ended() == 2
        assert "PURPOSEWATCH_DATABASE_URL: must begin with" in reporter.logs
