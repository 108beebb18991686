"""Check that Kafka lets a service in, and that it has the rights that it needs."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

from purposewatch_contract import Topic, declared_topics, topic_name
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka.authorized_operations import group_operations, topic_operations
from purposewatch_runtime.kafka.connection import build_admin, try_connection
from purposewatch_runtime.kafka.oauth import TokenError, token_provider
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service.probes import Check
from purposewatch_runtime.service.supervisor import UnavailableError
from purposewatch_runtime.settings import KafkaSettings

_CHECK_SECONDS = 10.0
_VERBS = {
    "READ": "read from",
    "WRITE": "write to",
    "CREATE": "create the missing topic",
    "DESCRIBE": "describe",
    "DESCRIBE_CONFIGS": "describe the configuration of",
}

_CERTIFICATE = (
    "PURPOSEWATCH_KAFKA_SSL_CERTFILE, which may be missing, expired or of an authority that the "
    "broker does not trust"
)

_log = get_logger(__name__)


class KafkaAccessError(UnavailableError):
    """Kafka does not let the service in, or refuses what it needs; the text says what to do."""


class KafkaAccess:
    """Waits until the service has its rights, then checks them every ten seconds.

    It also loads certificates that have changed, for the connections that are opened from then on.

    `topics.yaml` says which: those of the topics that it names the service a producer or consumer
    of. Kafka is asked, so nothing is written to find out. Topics that do not exist are left out:
    `TopicProvisioner` reports them. On a plaintext connection nobody is authenticated, and nothing
    is checked.
    """

    name = "kafka access"

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        service: str,
        groups: Sequence[str],
        client_id: str,
        metric_set: m.MetricSet,
    ) -> None:
        self._settings = settings
        self._topics = {
            topic_name(settings.topic_prefix, name): wanted
            for name, topic in declared_topics().items()
            if (wanted := _wanted(topic, service))
        }
        self._groups = groups
        self._client_id = client_id
        self._certificates = settings.kafka_certificates()
        source = settings.token_source()
        self._tokens = None if source is None else token_provider(source)
        self._token_failing = metric_set.gauge(m.KAFKA_TOKEN_FAILING)
        self._expiry = metric_set.gauge(m.KAFKA_CERTIFICATE_EXPIRY)
        self._show_expiry()
        self._admin: AIOKafkaAdminClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._problem: str | None = None

    async def start(self) -> None:
        """Connect. Raises `KafkaAccessError` with everything that is missing."""
        if self._settings.kafka_security_protocol == "PLAINTEXT":
            return
        self._refresh_certificates()
        self._admin = build_admin(self._settings, client_id=self._client_id)
        try:
            await self._admin.start()
            await self._require(self._admin)
        except BaseException as error:
            await self.stop()
            # aiokafka takes a refused token for an accepted one, and then has no node to ask
            if isinstance(error, KafkaConnectionError | NodeNotReadyError):
                found = await refused_connection(self._settings, client_id=self._client_id)
                raise found or error from None
            raise
        self._task = asyncio.create_task(self._watch(self._admin))

    async def stop(self) -> None:
        """Disconnect."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()

    async def ready(self) -> Check:
        """Whether no right was missing at the last check."""
        if self._problem is not None:
            return Check(ok=False, detail=self._problem)
        return Check(ok=True, detail="no right is missing" if self._task else "not checked")

    async def _require(self, admin: AIOKafkaAdminClient) -> None:
        self._problem = await self._missing(admin)
        if self._problem is not None:
            raise KafkaAccessError(self._problem)

    async def _watch(self, admin: AIOKafkaAdminClient) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            self._refresh_certificates()
            await self._renew_token()
            try:
                problem = await self._missing(admin)
            except Exception as error:  # noqa: BLE001 - the other components notice that Kafka is away
                _log.debug("rights not checked", error=f"{type(error).__name__}: {error}")
                continue
            if problem != self._problem:
                if problem is None:
                    _log.info("rights restored")
                else:
                    _log.error("rights are missing", error=problem)
            self._problem = problem

    async def _renew_token(self) -> None:
        """Renew it in time, even if no connection is opened: a failure is noticed before."""
        if self._tokens is None:
            return
        with contextlib.suppress(TokenError):
            await self._tokens.token()
        self._token_failing.set(0 if self._tokens.problem is None else 1)

    def _refresh_certificates(self) -> None:
        if self._certificates is None:
            return
        try:
            if self._certificates.refresh():
                _log.info("certificates of Kafka reloaded")
                self._show_expiry()
        except (OSError, ValueError) as error:
            _log.error("certificates of Kafka not reloaded", error=str(error))

    def _show_expiry(self) -> None:
        if self._certificates is not None:
            for kind, seconds in self._certificates.expiry.items():
                self._expiry.labels(kind).set(seconds)

    async def _missing(self, admin: AIOKafkaAdminClient) -> str | None:
        """Say which rights are missing; `None` when none is, or the broker can't say."""
        try:
            topics = await topic_operations(admin, self._topics)
            groups = {group: await group_operations(admin, group) for group in self._groups}
        except NotImplementedError:
            return None
        return "; ".join([*self._of_topics(topics), *self._of_groups(groups)]) or None

    def _of_topics(self, granted: Mapping[str, Iterable[str]]) -> Iterator[str]:
        for topic, wanted in self._topics.items():
            for operation in wanted:
                if operation not in granted.get(topic, wanted):
                    yield _refusal(self._settings, operation, topic)

    def _of_groups(self, granted: Mapping[str, Iterable[str]]) -> Iterator[str]:
        for group, operations in granted.items():
            if "READ" not in operations:
                yield (
                    f"not authorised to join the consumer group `{group}`: grant READ to "
                    f"{principal(self._settings)}"
                )


async def refused_connection(settings: KafkaSettings, *, client_id: str) -> KafkaAccessError | None:
    """What a person can mend about a connection that fails; `None` when nothing answers."""
    try:
        await try_connection(settings, client_id=client_id)
    except (OSError, KafkaError) as error:
        problem = _connection_problem(settings, error)
        return None if problem is None else KafkaAccessError(problem)
    return None


def principal(settings: KafkaSettings) -> str:
    """What Kafka calls this client, as far as the settings say."""
    if settings.token_source() is not None:
        return "the user of the token"
    if settings.kafka_security_protocol.startswith("SASL"):
        return f"User:{settings.kafka_sasl_username}"
    return "the user of the client certificate"


def _connection_problem(settings: KafkaSettings, error: BaseException) -> str | None:
    server = settings.kafka_bootstrap_servers.split(",")[0]
    if isinstance(error, TokenError):
        return str(error.args[0])
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {server} is not accepted ({error.verify_message}): correct "
            "PURPOSEWATCH_KAFKA_SSL_CAFILE, or the broker's certificate"
        )
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {server} ({error.reason or error}): correct {_CERTIFICATE}"
    if isinstance(error, KafkaConnectionError) and settings.kafka_security_protocol == "SSL":
        return f"{server} closed the connection after TLS was set up: correct {_CERTIFICATE}"
    by_token = settings.token_source() is not None
    if isinstance(error, KafkaError) and (by_token or not isinstance(error, KafkaConnectionError)):
        wrong = (
            "what Kafka expects of issuer and audience, or PURPOSEWATCH_KAFKA_OAUTH_SCOPE"
            if by_token
            else "PURPOSEWATCH_KAFKA_SASL_USERNAME and PURPOSEWATCH_KAFKA_SASL_PASSWORD"
        )
        return f"{server} does not authenticate {principal(settings)} ({error}): correct {wrong}"
    return None


def _wanted(topic: Topic, service: str) -> Sequence[str]:
    wanted = []
    if service in topic.consumers:
        wanted.append("READ")
    if service in topic.producers:
        wanted.append("WRITE")
    return [*wanted, "DESCRIBE_CONFIGS"] if wanted else []


def refused(settings: KafkaSettings, operation: str, topic: str) -> KafkaAccessError:
    """The error to raise when Kafka refuses an operation on a topic."""
    return KafkaAccessError(_refusal(settings, operation, topic))


def _refusal(settings: KafkaSettings, operation: str, topic: str) -> str:
    return (
        f"not authorised to {_VERBS[operation]} `{topic}`: grant {operation} to "
        f"{principal(settings)}"
    )
