"""An Apache Kafka that authenticates its clients and grants each what its principal may do."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import (
    CreateAclsRequest_v1,
    DeleteAclsRequest,
    DescribeAclsRequest,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from deploy.kafka.source.acls import Right
from purposewatch_runtime.kafka.aiokafka_internals import send
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.certificates import Authority
from tests.harness.compose_kafka import security_settings
from tests.harness.ports import take_port
from tests.harness.token_server import ISSUER, TokenServer

_RESOURCES: Final = {"topic": 2, "group": 3}
_OPERATIONS: Final = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}
_LITERAL = 3
_ALLOW = 3
_SCRAM_SHA_512 = 2
_SECURITY = "org.apache.kafka.common.security"
_ITERATIONS = 4096


@dataclass(frozen=True)
class SecuredKafka:
    """One node with listeners for passwords, client certificates and tokens, all with TLS.

    Whoever comes in by the listener without TLS is a super user, as the node itself.
    """

    kafka: ApacheKafka
    cafile: Path
    """What the broker's certificate is verified with."""
    authority: Authority
    """Whose client certificates the broker takes."""
    password_server: str
    certificate_server: str
    token_server: str
    tokens: TokenServer
    admin: AIOKafkaAdminClient

    async def add_user(self, name: str, password: str) -> None:
        """Create a user, or replace the password."""
        salt = os.urandom(16)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
        answer = await send(self.admin, _AlterPasswords(name, salt, salted))
        [(user, error, message, _)] = answer.results
        assert (user, error) == (name, 0), message

    async def grant(self, rights: Iterable[Right]) -> None:
        """Add rights, and return once they are in force."""
        added = list(rights)
        answer = await send(self.admin, _CreateAcls(added))
        assert {error for error, _ in answer.creation_responses} == {0}
        async with asyncio.timeout(10):  # the last is in force last
            while not (await send(self.admin, DescribeAclsRequest(*_entry(added[-1])))).resources:
                await asyncio.sleep(0.02)

    async def revoke(self, right: Right) -> None:
        """Remove one right."""
        answer = await send(self.admin, DeleteAclsRequest(*_entry(right)))
        [(error, message, matching)] = answer.filter_responses
        assert (error, len(matching)) == (0, 1), message


@asynccontextmanager
async def secured_kafka(directory: Path) -> AsyncIterator[SecuredKafka]:
    """A node of its own, secured as that of docker-compose.yml; secrets are below `directory`."""
    authority, keys = Authority(directory), directory / "jwks.json"
    # CLIENTS is the name that Compose gives the listener for passwords
    doors = {name: f"127.0.0.1:{take_port()}" for name in ("CLIENTS", "CERTIFICATES", "TOKENS")}
    listeners = ",".join(f"{name}://{server}" for name, server in doors.items())
    security = {
        **security_settings(directory / "deploy"),
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,CERTIFICATES:SSL,TOKENS:SASL_SSL",
        "listener.name.certificates.ssl.client.auth": "required",
        "listener.name.certificates.ssl.truststore.type": "PEM",
        "listener.name.certificates.ssl.truststore.location": authority.cafile,
        **_tokens(keys),
    }
    with TokenServer() as tokens:
        tokens.write_keys(keys)
        kafka = ApacheKafka(
            security=security,
            jvm=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys.as_uri()}"],
        )
        async with kafka:
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
            await admin.start()
            try:
                yield SecuredKafka(
                    kafka,
                    directory / "deploy/trust/ca.pem",
                    authority,
                    doors["CLIENTS"],
                    doors["CERTIFICATES"],
                    doors["TOKENS"],
                    tokens,
                    admin,
                )
            finally:
                await admin.close()


def _tokens(keys: Path) -> dict[str, object]:
    """The settings of the listener TOKENS, on which no connection outlives its token."""
    listener, package = "listener.name.tokens.oauthbearer", f"{_SECURITY}.oauthbearer"
    return {
        "listener.name.tokens.sasl.enabled.mechanisms": "OAUTHBEARER",
        f"{listener}.sasl.jaas.config": f"{package}.OAuthBearerLoginModule required;",
        f"{listener}.sasl.server.callback.handler.class": (
            f"{package}.OAuthBearerValidatorCallbackHandler"
        ),
        f"{listener}.connections.max.reauth.ms": 3_600_000,
        "listener.name.tokens.sasl.oauthbearer.jwks.endpoint.url": keys.as_uri(),
        "listener.name.tokens.sasl.oauthbearer.expected.audience": "kafka",
        "listener.name.tokens.sasl.oauthbearer.expected.issuer": ISSUER,
    }


def _entry(right: Right) -> tuple[int, str, int, str, str, int, int]:
    return (
        _RESOURCES[right.resource],
        right.name,
        _LITERAL,
        f"User:{right.principal}",
        "*",
        _OPERATIONS[right.operation],
        _ALLOW,
    )


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]
    API_KEY = 30

    def __init__(self, rights: Iterable[Right]) -> None:
        self._entries = [_entry(right) for right in rights]

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self._entries)


class _AlterPasswordsResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterPasswordsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterPasswordsResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(
                ("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)
            ),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterPasswords(Request[_AlterPasswordsStruct]):  # type: ignore[misc]
    API_KEY = 51

    def __init__(self, name: str, salt: bytes, salted: bytes) -> None:
        self._upsertion: tuple[Any, ...] = (name, _SCRAM_SHA_512, _ITERATIONS, salt, salted, {})

    def build(self, request_struct_class: type[_AlterPasswordsStruct]) -> _AlterPasswordsStruct:
        empty: dict[int, bytes] = {}
        deletions: list[Any] = []
        return request_struct_class(deletions, [self._upsertion], empty)
