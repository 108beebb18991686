"""On a Kafka with authorisation, each principal can do exactly what `acls.yaml` declares."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest

from deploy.kafka.source.acls import Acls, load, rights
from purposewatch_cli.dead_letters.actions import DeadLetterActions
from purposewatch_cli.dead_letters.reader import DeadLetterReader
from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    EXAMPLE_DIR,
    GAPS,
    VERDICTS,
    DeadLetterAction,
    declared_topics,
    topic_name,
)
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    KafkaAccess,
    KafkaAccessError,
    OutgoingRecord,
    TopicProvisioner,
    access,
    build_admin,
    build_producer,
)
from purposewatch_runtime.kafka.aiokafka_internals import send
from purposewatch_runtime.kafka.authorized_operations import group_operations
from purposewatch_runtime.service import Check
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.apache_kafka import require_apache_kafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, variables
from tests.harness.scrape import until_json
from tests.harness.secured_kafka import SecuredKafka, secured_kafka
from tests.harness.service import ServiceProcess
from tests.harness.signing_keys import SigningKeys
from tests.integration.platform import Platform
from tests.unit.reporter.records import dead_letter, verdict

pytestmark = [pytest.mark.apache_kafka, pytest.mark.asyncio(loop_scope="module")]

ACLS = load()
PUBLISHER = "publisher-crm"
PRINCIPALS = [*ACLS.services, PUBLISHER]
PASSWORD = "the first password"
KEY = "pwk_of-the-publisher-in-this-test-0123456789"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredKafka]:
    """One for all tests here; each has a prefix of its own."""
    require_apache_kafka()
    async with secured_kafka(tmp_path_factory.mktemp("kafka")) as running:
        for name in PRINCIPALS:
            await running.add_user(ACLS.principal(name), PASSWORD)
        yield running


async def prepare(kafka: SecuredKafka, prefix: str, acls: Acls = ACLS) -> None:
    """Create the topics and grant the rights, as the generated script does."""
    plain = kafka_settings(RunningBroker(kafka.kafka.bootstrap_servers, "apache_kafka"), prefix)
    await TopicProvisioner(plain, list(declared_topics()), client_id="test").start()
    await kafka.grant(rights(acls, prefix))


def credentials(kafka: SecuredKafka, name: str) -> dict[str, Any]:
    """The settings of a principal that has a password."""
    return {
        "kafka_bootstrap_servers": kafka.password_server,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_ssl_cafile": kafka.cafile,
        "kafka_sasl_username": ACLS.principal(name),
        "kafka_sasl_password": PASSWORD,
    }


def settings_of(kafka: SecuredKafka, name: str, prefix: str, **changed: Any) -> KafkaSettings:
    """Settings for clients inside this process."""
    plain = kafka_settings(RunningBroker(kafka.password_server, "apache_kafka"), prefix)
    return KafkaSettings.model_validate(
        plain.model_dump() | credentials(kafka, name) | changed,
    )


class SecuredPlatform(Platform):
    """The services, each with its own user, and its own key to sign with."""

    def __init__(self, kafka: SecuredKafka, prefix: str, directory: Path) -> None:
        self.kafka = kafka
        self.keys = SigningKeys(directory)
        self.signing = {name: self.keys.make(name) for name in ("ingest", "auditor")}
        super().__init__(RunningBroker(kafka.password_server, "apache_kafka"), prefix, directory)
        self.settings = settings_of(kafka, PUBLISHER, prefix)
        (directory / "publishers.yaml").write_text(
            f"publishers: {{crm: {{key_sha256: [{sha256(KEY.encode()).hexdigest()}], "
            "controllers: [wework-labs]}}\n"
        )

    def service(self, name: str, **changed: object) -> ServiceProcess:
        """A service with the credentials of its principal, and other settings."""
        signing = self.keys.settings(self.signing.get(name))
        own = variables(**credentials(self.kafka, name) | signing | changed)
        return ServiceProcess(f"purposewatch_{name}", self.environment | own)

    async def publish_over_http(self) -> None:
        """Publish one event."""
        self.number += 1
        async with httpx.AsyncClient(base_url=self.ingest.base_url, trust_env=False) as client:
            answer = await client.post(
                "/v1/events",
                content=self._event(self.number),
                headers={
                    "authorization": f"Bearer {KEY}",
                    "content-type": "application/cloudevents+json",
                },
            )
        assert answer.status_code == 202, answer.text

    async def forge(self) -> None:
        """Write an event, a verdict about it and a dead letter, with the right to but no key."""
        events = topic_name(self.settings.topic_prefix, EVENTS)
        other = kafka_settings(
            RunningBroker(self.kafka.kafka.bootstrap_servers, "apache_kafka"),
            self.settings.topic_prefix,
        )
        async with build_producer(other, client_id="intruder") as producer:
            event = (EXAMPLE_DIR / "canonical-event.json").read_bytes()
            written = await producer.send_and_wait(events, event, partition=0)
            for topic, made in (
                (VERDICTS, verdict(0, written.offset, prefix=self.settings.topic_prefix)),
                (DEAD_LETTERS, dead_letter(0, written.offset, prefix=self.settings.topic_prefix)),
            ):
                await producer.send_and_wait(
                    topic_name(self.settings.topic_prefix, topic),
                    json.dumps(made).encode(),
                    partition=0,
                )

    async def reach(self, *, verdicts: int, dead_letters: int) -> dict[str, Any]:
        """The ledger, once it holds so much and is reconciled with Kafka."""

        def reached(found: dict[str, Any]) -> bool:
            letters = found["raw"]["totals"]["dead_letters"]
            return bool(found["reconciled"]) and (
                (found["totals"]["verdicts"], letters) == (verdicts, dead_letters)
            )

        return await self.wait_ledger(reached, seconds=40)


async def test_services_need_no_other_right_and_credentials_rotate_under_load(
    kafka: SecuredKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Events are followed, a letter replayed, forgeries refused, a password and a key replaced."""
    await prepare(kafka, topic_prefix)
    platform = SecuredPlatform(kafka, topic_prefix, tmp_path)
    async with platform.ingest, platform.auditor, platform.reporter:
        for service in (platform.ingest, platform.auditor, platform.reporter):
            await service.wait_ready()
        await platform.publish(20)
        await platform.publish_over_http()
        await platform.reach(verdicts=19, dead_letters=2)
        await replay_first(kafka, topic_prefix)
        await platform.reach(verdicts=19, dead_letters=3)
        await refuse_what_is_forged(platform)

        await kafka.add_user(ACLS.principal("auditor"), "the second password")
        await platform.publish(20)  # its connections stay open
        await platform.reach(verdicts=37, dead_letters=5)
        load = asyncio.create_task(platform.publish(60))
        await platform.auditor.terminate()
        async with platform.service("auditor") as outdated:
            await until_json(
                outdated,
                "/readyz",
                lambda found: "does not authenticate User:" in found["checks"]["started"]["detail"],
                status=503,
            )
        async with platform.service(
            "auditor",
            kafka_sasl_password="the second password",
            kafka_signing_key_file=platform.keys.make("auditor"),
        ):
            await load
            ledger = await platform.reach(verdicts=91, dead_letters=11)
    totals = ledger["totals"]
    assert (totals["unaccounted"], totals["lost"], totals["duplicates"]) == (0, 0, 0)
    assert totals["dead_letters"] == 1  # the forged event
    await kafka.add_user(ACLS.principal("auditor"), PASSWORD)


async def refuse_what_is_forged(platform: SecuredPlatform) -> None:
    """The auditor refuses the event, the reporter the rest; everything is accounted for."""
    await platform.forge()
    await platform.wait_ledger(lambda found: found["totals"]["dead_letters"] == 1)
    found = await until_json(
        platform.reporter,
        "/api/v1/dead-letters?error_class=suspect",
        lambda found: len(found["items"]) == 3,
    )
    refused = sorted(
        (each["origin"]["topic"].rpartition(".")[2], each["consumer"], each["reason"])
        for each in found["items"]
    )
    assert refused == [
        ("dead-letters", "reporter", "the record is not signed"),
        ("events", "auditor", "the record is not signed"),
        ("verdicts", "reporter", "the record is not signed"),
    ]
    await platform.reach(verdicts=19, dead_letters=3)


async def replay_first(kafka: SecuredKafka, prefix: str) -> None:
    """Replay one dead letter as the command does, with the rights of its principal alone."""
    settings = settings_of(kafka, "dead-letters", prefix)
    letters = [letter async for letter in DeadLetterReader(settings).letters()]
    actions = DeadLetterActions(settings, author="test", clock=lambda: datetime.now(UTC))
    async with actions.open():
        [done] = [each async for each in actions.replay(letters[:1], reinsert=False)]
    assert (done.act, done.problem) == (DeadLetterAction.REPLAYED, None)


@pytest.mark.parametrize("name", PRINCIPALS)
async def test_exactly_what_is_declared_works(
    kafka: SecuredKafka, topic_prefix: str, name: str
) -> None:
    """Every operation is tried on every topic, and every group that anybody uses."""
    await prepare(kafka, topic_prefix)
    # without idempotence, which takes the right to write some topic
    settings = settings_of(kafka, name, topic_prefix, kafka_enable_idempotence=False)
    own = [right for right in rights(ACLS, topic_prefix) if right.principal == ACLS.principal(name)]
    declared = {(r.name, r.operation.lower()) for r in own if r.operation in ("Read", "Write")}
    groups = {r.name for r in rights(ACLS, topic_prefix) if r.resource == "group"}
    admin = build_admin(settings, client_id="test")
    await admin.start()
    try:
        async with build_producer(settings, client_id="test") as producer:
            allowed = set()
            for topic in (topic_name(topic_prefix, each) for each in declared_topics()):
                for operation, attempt in attempts(admin, producer, topic).items():
                    if await attempt():
                        allowed.add((topic, operation))
        joined = {group for group in groups if "READ" in await group_operations(admin, group)}
    finally:
        await admin.close()
    assert allowed | {(group, "read") for group in joined} == declared


def attempts(
    admin: AIOKafkaAdminClient, producer: AIOKafkaProducer, topic: str
) -> dict[str, Callable[[], Awaitable[bool]]]:
    """Each operation on a topic; whether it is allowed."""

    async def read() -> bool:
        answer = await send(admin, FetchRequest(1, 1, 1024, 0, [(topic, [(0, 0, 1024)])]))
        return allowed(answer.topics[0][1][0][1])

    async def write() -> bool:
        try:
            await producer.send_and_wait(topic, b"x", key=b"k", partition=0)
        except TopicAuthorizationFailedError:
            return False
        return True

    async def create() -> bool:
        answer = await admin.create_topics([NewTopic(f"{topic}-2", 1, 1)])
        return allowed(answer.topic_errors[0][1])

    async def delete() -> bool:
        answer = await admin.delete_topics([topic])
        return allowed(answer.topic_error_codes[0][1])

    async def alter() -> bool:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "1"})
        configured = (await admin.alter_configs([resource]))[0].resources[0][0]
        try:
            await admin.create_partitions({topic: NewPartitions(9)})
        except TopicAuthorizationFailedError:
            return allowed(configured)
        return True

    return {
        "read": read,
        "write": write,
        "create": create,
        "delete": delete,
        "alter": alter,
    }


def allowed(error_code: int) -> bool:
    """Whether Kafka did not refuse; any error but a refusal fails the test."""
    assert error_code in (0, TopicAuthorizationFailedError.errno)
    return error_code == 0


async def test_every_missing_right_is_named(
    kafka: SecuredKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, and while the service runs; it goes on once the right is granted."""
    await prepare(kafka, topic_prefix)
    monkeypatch.setattr(access, "_CHECK_SECONDS", 0.02)
    user = ACLS.principal("auditor")
    running = auditor_access(settings_of(kafka, "auditor", topic_prefix))
    await running.start()
    own = [right for right in rights(ACLS, topic_prefix) if right.principal == user]
    for right in own:
        if right.operation == "Describe":  # to read or to write includes it
            continue
        operation = {"DescribeConfigs": "DESCRIBE_CONFIGS"}.get(
            right.operation, right.operation.upper()
        )
        await kafka.revoke(right)
        problem = await until(running, ok=False)
        assert f"`{right.name}`: grant {operation} to User:{user}" in problem
        starting = auditor_access(settings_of(kafka, "auditor", topic_prefix))
        with pytest.raises(KafkaAccessError, match=re.escape(problem)):
            await starting.start()
        await kafka.grant([right])
        await until(running, ok=True)
    await running.stop()


def auditor_access(settings: KafkaSettings) -> KafkaAccess:
    """As the auditor makes it."""
    group = f"{settings.topic_prefix}.auditor"
    metric_set = m.MetricSet("auditor", version="0")
    return KafkaAccess(
        settings, service="auditor", groups=[group], client_id="test", metric_set=metric_set
    )


async def until(running: KafkaAccess, *, ok: bool) -> str:
    """Wait for readiness, or for a problem, and return what it says."""
    async with asyncio.timeout(10):
        while (check := await running.ready()).ok is not ok:
            await asyncio.sleep(0.02)
    return check.detail


async def test_a_refused_write_names_topic_and_right(
    kafka: SecuredKafka, topic_prefix: str
) -> None:
    """The auditor has no right to write gaps, and without the right to create, none is created."""
    await prepare(kafka, topic_prefix)
    settings = settings_of(kafka, "auditor", topic_prefix)
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    topic = topic_name(topic_prefix, GAPS)
    with pytest.raises(
        KafkaAccessError,
        match=f"^not authorised to write to `{topic}`: grant WRITE to User:purposewatch-auditor$",
    ):
        await producer.publish([OutgoingRecord(topic, b"x", partition=0)])
    await producer.stop()
    with pytest.raises(KafkaAccessError, match=f"^not authorised to describe `{topic}`: grant"):
        await TopicProvisioner(settings, (GAPS,), client_id="test").start()


async def test_a_missing_topic_is_named(kafka: SecuredKafka, topic_prefix: str) -> None:
    """The service may not create it."""
    await kafka.grant(rights(ACLS, topic_prefix))
    settings = settings_of(kafka, "auditor", topic_prefix)
    topic = topic_name(topic_prefix, VERDICTS)
    provisioner = TopicProvisioner(settings, (VERDICTS,), client_id="test")
    with pytest.raises(KafkaAccessError, match=f"create the missing topic `{topic}`: grant CREATE"):
        await provisioner.start()


async def test_tokens_are_renewed_before_they_expire(
    kafka: SecuredKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka ends connections whose token has expired; nothing that is published is lost."""
    await prepare(kafka, topic_prefix)
    monkeypatch.setattr(access, "_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(kafka.tokens, "seconds", 1.0)
    settings = token_settings(kafka, "auditor", topic_prefix)
    watched = auditor_access(settings)
    await watched.start()
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    topic = topic_name(topic_prefix, VERDICTS)
    begun = asyncio.get_running_loop().time()
    count = 0
    while asyncio.get_running_loop().time() < begun + 3.2:
        await publish_again(producer, OutgoingRecord(topic, b"%d" % count, partition=0))
        count += 1
    assert len(set(kafka.tokens.issued)) >= 3
    assert await watched.ready() == Check(ok=True, detail="no right is missing")
    await producer.stop()
    await watched.stop()
    assert await values(kafka, topic) == [b"%d" % each for each in range(count)]


async def publish_again(producer: AcknowledgedProducer, record: OutgoingRecord) -> None:
    """Publish as the services do: what fails because a connection ended is tried again."""
    async with asyncio.timeout(10):
        while True:
            try:
                await producer.publish([record])
            except KafkaError:
                await asyncio.sleep(0.02)
            else:
                return


async def values(kafka: SecuredKafka, topic: str) -> list[bytes]:
    """What is in partition 0, repeats left out."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        found: list[bytes] = []
        async with asyncio.timeout(10):
            while await consumer.position(place) < end:
                some = await consumer.getmany(place, timeout_ms=200)
                found += [each.value or b"" for each in some.get(place, ())]
    finally:
        await consumer.stop()
    return list(dict.fromkeys(found))


def token_settings(kafka: SecuredKafka, name: str, prefix: str, **changed: Any) -> KafkaSettings:
    """The settings of a principal that has tokens."""
    return settings_of(
        kafka,
        name,
        prefix,
        kafka_bootstrap_servers=kafka.token_server,
        kafka_sasl_username=None,
        kafka_sasl_password=None,
        **kafka.tokens.settings(ACLS.principal(name)) | changed,
    )


async def test_a_token_that_is_not_accepted_is_named(
    kafka: SecuredKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to correct: at Kafka, or at the token endpoint."""
    refused = {"kafka_oauth_client_secret": "wrong"}
    with pytest.raises(KafkaAccessError, match="status 401: correct PURPOSEWATCH_KAFKA_OAUTH_CLIE"):
        await auditor_access(token_settings(kafka, "auditor", topic_prefix, **refused)).start()
    monkeypatch.setattr(kafka.tokens, "audience", "another")
    other = {"kafka_oauth_scope": "another"}  # a source of its own, without a token yet
    with pytest.raises(KafkaAccessError, match=r"the user of the token.*issuer and audience"):
        await auditor_access(token_settings(kafka, "auditor", topic_prefix, **other)).start()


async def test_a_client_certificate_is_replaced_under_load(
    kafka: SecuredKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Each record has a connection of its own; the first certificate has expired by the end."""
    by_certificate = ACLS.model_copy(update={"principal_prefix": "CN=purposewatch-"})
    await prepare(kafka, topic_prefix, by_certificate)
    used = tmp_path / "client.pem"
    used.write_bytes(
        kafka.authority.issue("purposewatch-auditor", valid=timedelta(seconds=3)).read_bytes()
    )
    settings = certificate_settings(kafka, topic_prefix, kafka_ssl_certfile=used)
    certificates = settings.kafka_certificates()
    assert certificates is not None
    topic = topic_name(topic_prefix, VERDICTS)
    expires, count = certificates.expiry["client"], 0
    while time.time() < expires + 0.3:
        if count == 2:
            used.write_bytes(kafka.authority.issue("purposewatch-auditor").read_bytes())
            assert certificates.refresh()  # as `KafkaAccess` does every ten seconds
        async with build_producer(settings, client_id="test") as producer:
            await producer.send_and_wait(topic, b"%d" % count, partition=0)
        count += 1
        await asyncio.sleep(0.1)
    assert await values(kafka, topic) == [b"%d" % each for each in range(count)]


def certificate_settings(kafka: SecuredKafka, prefix: str, **changed: Any) -> KafkaSettings:
    """The settings of a principal that has a client certificate."""
    plain = kafka_settings(RunningBroker(kafka.certificate_server, "apache_kafka"), prefix)
    secured = {"kafka_security_protocol": "SSL", "kafka_ssl_cafile": kafka.cafile}
    return KafkaSettings.model_validate(plain.model_dump() | secured | changed)


async def test_a_client_certificate_is_a_principal(kafka: SecuredKafka, topic_prefix: str) -> None:
    """It has the rights of its name; without one, or with an expired one, the error says so."""
    by_certificate = ACLS.model_copy(update={"principal_prefix": "CN=purposewatch-"})
    await prepare(kafka, topic_prefix, by_certificate)

    settings = partial(certificate_settings, kafka, topic_prefix)
    certificate = kafka.authority.issue("purposewatch-auditor")
    good = auditor_access(settings(kafka_ssl_certfile=certificate))
    await good.start()
    assert await good.ready() == Check(ok=True, detail="no right is missing")
    await good.stop()
    expired = kafka.authority.issue("expired", valid=timedelta(seconds=-1))
    for faulty in ({}, {"kafka_ssl_certfile": expired}):
        with pytest.raises(KafkaAccessError, match="PURPOSEWATCH_KAFKA_SSL_CERTFILE"):
            await auditor_access(settings(**faulty)).start()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"kafka_sasl_password": "wrong"}, "PURPOSEWATCH_KAFKA_SASL_PASSWORD"),
        ({"kafka_ssl_cafile": None}, "PURPOSEWATCH_KAFKA_SSL_CAFILE"),
    ],
)
async def test_wrong_credentials_are_named(
    kafka: SecuredKafka, topic_prefix: str, changed: dict[str, Any], says: str
) -> None:
    """The variable to correct is in the error."""
    with pytest.raises(KafkaAccessError, match=says):
        await auditor_access(settings_of(kafka, "auditor", topic_prefix, **changed)).start()
