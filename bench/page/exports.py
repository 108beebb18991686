"""How much exports delay the ledger, on PostgreSQL: `python -m bench.page.exports`.

`python -m bench.page.exports [exports] [violations]` fills a private server with violations, starts
a reporter, and publishes a hundred verdicts every tenth of a second. It prints how long after being
published they are in the ledger, and how long a page takes: first without exports, then while as
many sessions as asked for (8) each export everything. Needs PostgreSQL's programs on the machine.
"""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from bench.page.filling import fill
from purposewatch_contract import DEAD_LETTERS, EVENTS, VERDICTS, topic_name
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.positions import load_next_offsets
from purposewatch_reporter.web.request_context import SESSION_COOKIE
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.sessions import SessionPolicy, open_session
from purposewatch_reporter.web.users.store import User, add_user
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, TopicProvisioner
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.harness.service import ServiceProcess
from tests.unit.reporter.records import verdict

PREFIX = "bench"
EXPORTS = 8
VIOLATIONS = 200_000
SECONDS = 20.0
DRAIN_SECONDS = 120.0
EVERY = 0.1
BATCH = 100


@dataclass
class Phase:
    """What was seen for a while; all times in seconds."""

    delays: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """The figures in one line, in milliseconds."""
        return (
            f"{name:24} ledger delay {_figures(self.delays)}   page {_figures(self.pages)}   "
            f"({len(self.delays)} batches, {len(self.pages)} pages)"
        )


def _figures(values: list[float]) -> str:
    ordered = sorted(1000 * value for value in values) or [float("nan")]
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    return f"p50 {statistics.median(ordered):7.0f}  p95 {p95:7.0f}  max {ordered[-1]:7.0f} ms"


class Watched:
    """A reporter under a steady load, and how far its ledger is behind."""

    def __init__(
        self, producer: AcknowledgedProducer, database: Database, port: int, tokens: list[str]
    ) -> None:
        self._producer = producer
        self._database = database
        self._port = port
        self._tokens = tokens
        self._published = 0

    async def phase(self, *, exports: bool) -> tuple[Phase, Counter[str], int]:
        """Publish for a while and watch; with exports, what they were answered, and their bytes."""
        seen = Phase()
        answers: Counter[str] = Counter()
        received = [0]
        running = [
            asyncio.create_task(self._export(token, answers, received))
            for token in (self._tokens if exports else [])
        ]
        pages = asyncio.create_task(self._pages(seen))
        await self._publish(seen)
        for task in (*running, pages):
            task.cancel()
        await asyncio.gather(*running, pages, return_exceptions=True)
        return seen, answers, received[0]

    async def _publish(self, seen: Phase) -> None:
        due = time.perf_counter()
        waiting: list[tuple[int, float]] = []
        look = asyncio.create_task(self._look(waiting, seen))
        for _ in range(round(SECONDS / EVERY)):
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            values = [
                verdict(0, self._published + number, prefix=PREFIX) for number in range(BATCH)
            ]
            self._published += BATCH
            waiting.append((self._published, due))
            await self._producer.publish(
                [
                    OutgoingRecord(
                        topic_name(PREFIX, VERDICTS),
                        json.dumps(value, separators=(",", ":")).encode(),
                        partition=0,
                    )
                    for value in values
                ]
            )
            due += EVERY
        async with asyncio.timeout(DRAIN_SECONDS):
            await look

    async def _look(self, waiting: list[tuple[int, float]], seen: Phase) -> None:
        """Look at the ledger until it has everything of this phase."""
        while len(seen.delays) < SECONDS / EVERY:
            async with self._database.reading() as connection:
                topic = topic_name(PREFIX, VERDICTS)
                recorded = (await load_next_offsets(connection, topic, [0]))[0]
            now = time.perf_counter()
            while waiting and waiting[0][0] <= recorded:
                seen.delays.append(now - waiting.pop(0)[1])
            await asyncio.sleep(0.02)

    async def _pages(self, seen: Phase) -> None:
        while True:
            start = time.perf_counter()
            reader, writer = await self._get("/findings", self._tokens[0])
            while await reader.read(65_536):
                pass
            writer.close()
            seen.pages.append(time.perf_counter() - start)
            await asyncio.sleep(0.5)

    async def _export(self, token: str, answers: Counter[str], received: list[int]) -> None:
        while True:
            reader, writer = await self._get("/violations.csv", token)
            try:
                status = (await reader.readline()).split()[1].decode()
                answers[status] += 1
                while part := await reader.read(1 << 20):
                    received[0] += len(part)
            finally:
                writer.close()
            await asyncio.sleep(1)

    async def _get(
        self, path: str, token: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: close\r\n"
            f"Cookie: {SESSION_COOKIE}={token}\r\n\r\n"
        )
        writer.write(head.encode())
        return reader, writer


async def _sessions(database: Database, count: int) -> list[str]:
    now = datetime.now(UTC)
    policy = SessionPolicy(timedelta(days=1), timedelta(days=1))
    async with database.writing() as connection:
        await add_user(connection, User("officer", Role.OFFICER), now)
        return [await open_session(connection, "officer", policy, now) for _ in range(count)]


async def run(exports: int, count: int) -> None:
    """A server, a broker, a reporter; the figures."""
    async with EmbeddedBroker() as embedded:
        broker = RunningBroker(embedded.bootstrap_servers, "embedded")
        settings = kafka_settings(broker, PREFIX)
        topics = (EVENTS, VERDICTS, DEAD_LETTERS)
        await TopicProvisioner(settings, topics, client_id="bench").start()
        producer = AcknowledgedProducer(settings, client_id="bench")
        await producer.start()
        with PostgreSQL(require_postgresql()) as server:
            await server.start()
            name = await server.create_database()
            database = Database(SecretStr(server.url(name)))
            await database.start()
            await fill(server.dsn(name), count)
            tokens = await _sessions(database, exports)
            events = [
                OutgoingRecord(topic_name(PREFIX, EVENTS), b"{}", partition=0)
                for _ in range(int(3 * SECONDS / EVERY * BATCH))
            ]
            for start in range(0, len(events), 5_000):
                await producer.publish(events[start : start + 5_000])
            environment = {
                **service_environment(broker, PREFIX),
                "PURPOSEWATCH_DATABASE_URL": server.url(name),
            }
            async with ServiceProcess("purposewatch_reporter", environment, fresh=True) as reporter:
                await reporter.wait_ready()
                watched = Watched(producer, database, reporter.port, tokens)
                seen, _, _ = await watched.phase(exports=False)
                print(seen.line("without exports"))
                seen, answers, received = await watched.phase(exports=True)
                print(seen.line(f"with {exports} exports"))
                print(f"answers to exports: {dict(answers)}; {received / SECONDS / 1e6:.2f} MB/s")
            await database.stop()
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(
        run(
            int(sys.argv[1]) if len(sys.argv) > 1 else EXPORTS,
            int(sys.argv[2]) if len(sys.argv) > 2 else VIOLATIONS,
        )
    )
