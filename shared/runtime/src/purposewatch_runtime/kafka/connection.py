"""Brokers, producers and admin clients, built from settings with safe defaults."""

import ssl
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed
from aiokafka.protocol.metadata import MetadataRequest
from faststream.security import (
    BaseSecurity,
    SASLOAuthBearer,
    SASLPlaintext,
    SASLScram256,
    SASLScram512,
)

from purposewatch_runtime.kafka.faststream_subscriber import RecordBroker
from purposewatch_runtime.kafka.oauth import TokenProvider, token_provider
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.settings import KafkaSettings

_SASL = {
    "PLAIN": SASLPlaintext,
    "SCRAM-SHA-256": SASLScram256,
    "SCRAM-SHA-512": SASLScram512,
}

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""As large as the largest `max.message.bytes` of a declared topic; compared before compression."""

MAX_BATCH_BYTES = 960 * 1024
"""Below the smallest `max.message.bytes` of a declared topic, which Kafka holds batches to.

Compared before compression, so that it bounds what a batch takes when it is read, too.
"""

METADATA_MAX_AGE_MS = 10_000
"""How long a client may use what it knows about partition leaders.

aiokafka does not refresh its metadata after every "not the leader" response: with its default,
looking up a partition's first or last offset could fail for five minutes.
"""

_OBSERVER_WAIT_MS = 100
"""An observer learns a log's end from the answer to a fetch, so it lets the broker wait less."""

_log = get_logger(__name__)


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    certificates = settings.kafka_certificates()
    return None if certificates is None else certificates.context


def security(settings: KafkaSettings) -> BaseSecurity | None:
    """FastStream's description of the connection's security; `None` for plaintext."""
    context = _ssl_context(settings)
    if not settings.kafka_security_protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=True) if context else None
    if context is None:
        _log.warning("SASL without TLS: password or token, and all data, are unencrypted")
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        return SASLOAuthBearer(ssl_context=context, use_ssl=context is not None)
    password = settings.kafka_sasl_password
    return _SASL[settings.kafka_sasl_mechanism](
        username=settings.kafka_sasl_username or "",
        password=password.get_secret_value() if password else "",
        ssl_context=context,
        use_ssl=context is not None,
    )


def build_broker(settings: KafkaSettings, *, client_id: str) -> RecordBroker:
    """The FastStream broker of a service's subscribers.

    It only consumes: a service publishes through `AcknowledgedProducer`, which waits for the
    acknowledgement of each record. It never creates topics; `TopicProvisioner` does.
    """
    return RecordBroker(
        settings.kafka_bootstrap_servers.split(","),
        client_id=client_id,
        security=security(settings),
        sasl_oauth_token_provider=_token_provider(settings),
        request_timeout_ms=settings.kafka_request_timeout_ms,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        allow_auto_create_topics=False,
        consumer_only=True,
        logger=None,
        apply_types=False,
        acks="all",
        graceful_timeout=30.0,
    )


def _token_provider(settings: KafkaSettings) -> TokenProvider | None:
    source = settings.token_source()
    return None if source is None else token_provider(source)


def _client_options(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        **_connection_options(settings),
    }


def _connection_options(settings: KafkaSettings) -> dict[str, Any]:
    password = settings.kafka_sasl_password
    options: dict[str, Any] = {
        "request_timeout_ms": settings.kafka_request_timeout_ms,
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _ssl_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_oauth_token_provider": _token_provider(settings),
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return options


async def try_connection(settings: KafkaSettings, *, client_id: str) -> None:
    """Connect to the first server of the settings and disconnect.

    Raises what keeps it from connecting, which the clients only log: `OSError`, of which
    `ssl.SSLError` is one, `TimeoutError` or `KafkaError`.
    """
    host, _, port = settings.kafka_bootstrap_servers.split(",")[0].strip().rpartition(":")
    options = _connection_options(settings)
    connection = await create_conn(host.strip("[]"), int(port), client_id=client_id, **options)
    try:
        # with TLS 1.3, a server refuses the client's certificate in its answer to what follows
        answer = await connection.send(MetadataRequest([]))
        # Kafka answers so after a token that it refused, which aiokafka does not notice
        if not answer.brokers:
            message = "the token is not accepted"
            raise SaslAuthenticationFailed(message)
    finally:
        connection.close()


def build_producer(settings: KafkaSettings, *, client_id: str) -> AIOKafkaProducer:
    """A producer that acknowledges a record once all in-sync replicas have it. Not started."""
    compression = settings.kafka_compression
    return AIOKafkaProducer(
        **_client_options(settings),
        client_id=client_id,
        acks="all",
        enable_idempotence=settings.kafka_enable_idempotence,
        compression_type=None if compression == "none" else compression,
        max_request_size=MAX_REQUEST_BYTES,
        max_batch_size=MAX_BATCH_BYTES,
        linger_ms=2,
    )


def build_admin(settings: KafkaSettings, *, client_id: str) -> AIOKafkaAdminClient:
    """An admin client. Not started."""
    return AIOKafkaAdminClient(**_client_options(settings), client_id=client_id)


def build_observer(settings: KafkaSettings, *, client_id: str) -> AIOKafkaConsumer:
    """A consumer without a group that looks up offsets of partitions. Not started."""
    return AIOKafkaConsumer(
        **_client_options(settings),
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="latest",
        fetch_max_wait_ms=min(settings.kafka_fetch_max_wait_ms, _OBSERVER_WAIT_MS),
        max_partition_fetch_bytes=1,
    )


def build_reader(settings: KafkaSettings, *, client_id: str) -> AIOKafkaConsumer:
    """A consumer without a group that reads partitions from their beginning. Not started."""
    return AIOKafkaConsumer(
        **_client_options(settings),
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
    )


def build_follower(settings: KafkaSettings, *, client_id: str) -> AIOKafkaConsumer:
    """A consumer without a group whose positions its owner sets. Not started.

    An offset that the log does not hold is an error, and never another offset.
    """
    return AIOKafkaConsumer(
        **_client_options(settings),
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
    )
