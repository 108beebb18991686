"""Alerts, from a violation in Kafka to the people who are told: nothing lost, nothing twice."""

import asyncio
import json
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from purposewatch_contract import DEAD_LETTERS, EVENTS, VERDICTS, TopicName, topic_name
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, TopicProvisioner
from tests.harness.alertmanager import Alertmanager, Team
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.harness.scrape import get, metric
from tests.harness.service import ServiceProcess
from tests.unit.reporter.records import verdict

SECRET_PATH = "a-token-within-the-address"
QUIET_SECONDS = 4.0

Taken = Callable[[int], bool]


class Receiver:
    """An HTTP server that takes JSON documents, when `taken(number of the call)` says so."""

    def __init__(self, taken: Taken) -> None:
        self.calls = 0
        self.documents: list[dict[str, Any]] = []
        self.answering = threading.Event()
        self.answering.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.calls += 1
                accepted = taken(receiver.calls)
                about_ledger = "] ledger: " in body["title"]  # the events here are no real ones
                if accepted and not about_ledger:
                    receiver.documents.append(
                        {**body, "idempotency_key": self.headers["Idempotency-Key"]}
                    )
                receiver.answering.wait(30)
                self.send_response(200 if accepted else 503)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def states(self) -> dict[str, Counter[str]]:
        """What was taken, by fingerprint: each document once, however often it came."""
        told: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for document in self.documents:
            told[document["fingerprint"]].add((document["state"], document["key"]))
        return {name: Counter(state for state, _ in keys) for name, keys in told.items()}

    def close(self) -> None:
        """Stop listening."""
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving(taken: Taken = lambda _: True) -> Iterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver(taken)
    try:
        yield receiver
    finally:
        receiver.close()


class Stage:
    """Topics, a database, and reporters that alert as a file says."""

    def __init__(
        self,
        broker: RunningBroker,
        prefix: str,
        url: str,
        producer: AcknowledgedProducer,
        home: Path,
    ) -> None:
        self._prefix = prefix
        self._producer = producer
        self._file = home / "alerting.yaml"
        self._offset = 0
        self._environment = {
            **service_environment(broker, prefix),
            "PURPOSEWATCH_DATABASE_URL": url,
            "PURPOSEWATCH_REPORTER_ALERTING_FILE": str(self._file),
            "PURPOSEWATCH_REPORTER_QUIET_MINUTES": str(QUIET_SECONDS / 60),
            "PURPOSEWATCH_REPORTER_CHANNEL_DEAD_MINUTES": str(2 / 60),
            "PURPOSEWATCH_REPORTER_PUBLIC_URL": "https://watch.example",
        }

    def reporter(self, alerting: str, **more: str) -> ServiceProcess:
        """A reporter that alerts as this file says, not yet started."""
        self._file.write_text(alerting, "utf-8")
        return ServiceProcess("purposewatch_reporter", {**self._environment, **more})

    async def violate(self, groups: Sequence[int], times: int) -> None:
        """Publish so many violations of each group, in turn."""
        values = []
        for _ in range(times):
            for group in groups:
                values.append(self._violation(group))
                self._offset += 1
        await self._publish(EVENTS, [b"{}"] * len(values))
        await self._publish(VERDICTS, [json.dumps(value).encode() for value in values])

    async def _publish(self, name: TopicName, values: Sequence[bytes]) -> None:
        topic = topic_name(self._prefix, name)
        for start in range(0, len(values), 1_000):
            some = values[start : start + 1_000]
            await self._producer.publish(
                [OutgoingRecord(topic, value, partition=0) for value in some]
            )

    def _violation(self, group: int) -> dict[str, Any]:
        return verdict(
            0,
            self._offset,
            outcome="violation",
            categories={f"user.custom{group % 10}": "violation", "user.name": "permitted"},
            role=f"role{group // 10}",
            prefix=self._prefix,
        )


@pytest.fixture(params=["sqlite", "postgresql"])
async def stage(
    request: pytest.FixtureRequest, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Stage]:
    """A stage on the embedded broker: what is delivered doesn't depend on Kafka."""
    if request.param == "sqlite":
        async with _stage(
            topic_prefix, f"sqlite+aiosqlite:///{tmp_path}/ledger.db", tmp_path
        ) as up:
            yield up
        return
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        url = server.url(await server.create_database())
        async with _stage(topic_prefix, url, tmp_path) as up:
            yield up


@asynccontextmanager
async def _stage(prefix: str, url: str, home: Path) -> AsyncIterator[Stage]:
    async with EmbeddedBroker() as embedded:
        broker = RunningBroker(embedded.bootstrap_servers, "embedded")
        settings = kafka_settings(broker, prefix)
        await TopicProvisioner(settings, (EVENTS, VERDICTS, DEAD_LETTERS), client_id="test").start()
        producer = AcknowledgedProducer(settings, client_id="test")
        await producer.start()
        yield Stage(broker, prefix, url, producer, home)
        await producer.stop()


async def until(what: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.1)


async def recorded(reporter: ServiceProcess, count: int) -> None:
    """Wait until so many violations are in the findings."""
    async with asyncio.timeout(90):
        while True:
            answer = (await get(reporter, "/api/v1/findings?limit=500")).json()
            if sum(item["count"] for item in answer["items"]) >= count:
                return
            await asyncio.sleep(0.2)


@pytest.mark.timeout(420)
async def test_a_storm_is_one_alert_for_each_group(stage: Stage, tmp_path: Path) -> None:
    """10,000 violations of 50 groups; Alertmanager is away for the first half of them.

    25 groups begin and go quiet before it comes: even of these somebody is notified.
    """
    team = Team()
    async with Alertmanager(team.configuration(tmp_path)) as alertmanager:
        alerting = f"""\
channels:
  cluster:
    type: alertmanager
    urls: ["{alertmanager.base_url}"]
    resend_seconds: 1
    hold_seconds: 3
    timeout_seconds: 2
default: [cluster]
"""
        async with stage.reporter(alerting) as reporter:
            await reporter.wait_ready()
            await stage.violate(range(25), 200)
            await recorded(reporter, 5_000)
            async with asyncio.timeout(60):
                while await metric(reporter, "purposewatch_findings", {"state": "quiet"}) < 25:
                    await asyncio.sleep(0.5)
            assert await metric(reporter, "purposewatch_outbox_depth") >= 25
            assert await metric(reporter, "purposewatch_alert_channel_failing_seconds") > 0
            await alertmanager.start_ready()
            await stage.violate(range(25, 50), 200)
            await until(lambda: len(team.firing) == 50, seconds=90)
            await until(lambda: len(team.resolved) == 50, seconds=90)
            findings = (await get(reporter, "/api/v1/findings?limit=500")).json()["items"]
            assert {item["fingerprint"]: 200 for item in findings} == {
                item["fingerprint"]: item["count"] for item in findings
            }
            assert set(team.firing.values()) == {1}
            assert set(team.resolved.values()) == {1}
            left = [alert["labels"]["alertname"] for alert in await alertmanager.alerts()]
            assert "PurposewatchViolation" not in left
            label = team.alerts[findings[0]["fingerprint"]][-1]["labels"]
            for name in ("controller", "role", "kind", "data_category", "purpose", "recipient"):
                assert label[name] == findings[0][name]
            annotations = team.alerts[findings[0]["fingerprint"]][-1]["annotations"]
            assert annotations["link"] == (
                f"https://watch.example/findings/{findings[0]['fingerprint']}"
            )
            assert annotations["clause"] == "members.1"
    team.close()


@pytest.mark.timeout(420)
async def test_every_member_of_a_cluster_gets_every_alert(stage: Stage, tmp_path: Path) -> None:
    """One is away at first; that it is, the others are told, and of its return as well."""
    teams = Team(), Team()
    one, two = (Alertmanager(team.configuration(tmp_path)) for team in teams)
    async with one as first, two as second:
        alerting = f"""\
channels:
  cluster:
    type: alertmanager
    urls: ["{first.base_url}", "{second.base_url}"]
    resend_seconds: 1
    hold_seconds: 3
    timeout_seconds: 2
default: [cluster]
"""
        await first.start_ready()
        async with stage.reporter(alerting, PURPOSEWATCH_REPORTER_QUIET_MINUTES="10") as reporter:
            await reporter.wait_ready()
            await stage.violate(range(5), 2)

            dead = ("channel", "cluster/2")
            await until(lambda: teams[0].notices[*dead, "firing"] == 1)
            await until(lambda: teams[0].firing.total() == 5)
            await second.start_ready()
            await until(lambda: teams[1].firing.total() == 5)
            await until(lambda: teams[0].notices[*dead, "resolved"] == 1)
            assert teams[1].firing == teams[0].firing
            assert teams[1].notices[*dead, "firing"] == 0
            outbox = (await get(reporter, "/api/v1/outbox")).json()["channels"]
            assert [item["failing_since"] for item in outbox] == [None, None]
    for team in teams:
        team.close()


@pytest.mark.timeout(420)
async def test_a_receiver_that_fails_half_of_its_calls_gets_all(
    stage: Stage, tmp_path: Path
) -> None:
    """Beginnings and ends of all episodes, over a webhook and over Apprise."""
    with receiving(lambda call: call % 2 == 0) as hook, receiving() as apprise:
        (tmp_path / "hook").write_text(f"http://{hook.address}/{SECRET_PATH}\n", "utf-8")
        (tmp_path / "chat").write_text(f"json://{apprise.address}/{SECRET_PATH}\n", "utf-8")
        alerting = """\
channels:
  hook: {type: webhook, url_file: hook}
  chat: {type: apprise, url_file: chat}
routes:
  - {severities: [low, medium, high, critical], channels: [hook, chat]}
default: [hook]
"""
        async with stage.reporter(alerting) as reporter:
            await reporter.wait_ready()
            await stage.violate(range(10), 20)
            expected = {"firing": 1, "resolved": 1}
            await until(
                lambda: (
                    [*hook.states().values()] == [expected] * 10 and len(apprise.documents) >= 20
                ),
                seconds=90,
            )
            for document in hook.documents:
                assert document["idempotency_key"] == document["key"]
            ended = [item for item in hook.documents if item["state"] == "resolved"]
            assert {item["count"] for item in ended} == {20}
            messages = Counter(item["type"] for item in apprise.documents)
            assert messages == {"warning": 10, "success": 10}
            assert SECRET_PATH not in reporter.logs
            outbox = (await get(reporter, "/api/v1/outbox")).text
            assert SECRET_PATH not in outbox


@pytest.mark.timeout(420)
async def test_a_crash_in_the_middle_of_a_delivery_repeats_it(stage: Stage) -> None:
    """The receiver has it, the reporter doesn't know: it comes again with the same key."""
    with receiving() as hook:
        alerting = f"""\
channels:
  hook: {{type: webhook, url: "http://{hook.address}/", timeout_seconds: 3}}
default: [hook]
"""
        async with stage.reporter(alerting, PURPOSEWATCH_REPORTER_QUIET_MINUTES="10") as reporter:
            await reporter.wait_ready()
            hook.answering.clear()
            await stage.violate([1], 3)
            await until(lambda: len(hook.documents) > 0)
            reporter.kill()
            before = len(hook.documents)
            hook.answering.set()
            reporter.start()
            # the lease of the dead process has to run out first: three timeouts
            await until(lambda: len(hook.documents) > before, seconds=80)
            first, *_, last = hook.documents
            assert first["key"] == last["key"]
            assert (first["episode"], first["state"]) == (1, "firing")


@pytest.mark.timeout(300)
async def test_a_faulty_file_is_named_with_its_line(stage: Stage) -> None:
    """The reporter doesn't start, and says where to look."""
    async with stage.reporter("channels:\n  hook: {type: webhok}\ndefault: [hook]\n") as reporter:
        assert await reporter.wait_ended() == 1
        assert "alerting.yaml:2: " in reporter.logs
        assert "did you mean `webhook`?" in reporter.logs
