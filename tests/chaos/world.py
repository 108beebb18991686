"""Everything that a chaos run is done to: brokers, database, services, and the ways between."""

from __future__ import annotations

import re
import secrets
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import yaml

from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.stage import write_register
from purposewatch_runtime.settings import KafkaSettings
from tests.chaos.plan import (
    AUDITORS,
    BROKERS,
    EXTRA_AUDITOR,
    INGEST,
    REPORTERS,
    SESSION_SECONDS,
)
from tests.chaos.proxy import Proxy
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import service_environment
from tests.harness.ports import take_port
from tests.harness.postgresql import PostgreSQL, binaries
from tests.harness.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

POLICIES = "policies"
REPLACED = "wework-labs/policy.2018-05-25.yaml"
NEW_VERSION = "chaos"
PARTITIONS = 4
FACTS_PUBLISHER = "marketing"
"""States facts beside its events."""
PSEUDONYM_KEY = secrets.token_bytes(32)

_READY_SECONDS = 120.0
"""Everything starts at once, on a machine that may have other things to do."""

_DROPPED = "members.contact.notify"
"""A statement that the new version lacks, so that a frequent flow becomes a violation."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a world consists of."""

    directory: Path
    """Of the run's files; empty at the start."""
    policies: Path
    """The declared policies, which are copied."""
    brokers: int = len(BROKERS)
    auditors: tuple[str, ...] = AUDITORS
    extra_auditor: bool = True
    reporters: tuple[str, ...] = REPORTERS
    sqlite: Path | None = None
    """A database file in place of PostgreSQL."""
    modules: dict[str, str] = field(default_factory=dict)
    """Stand-ins by service (`auditor`): modules that plant a fault in it and then run it."""


class World:
    """An asynchronous context manager: inside it everything has been started."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.keys = {
            name: f"pwk_{secrets.token_urlsafe(24)}" for name in planned_traffic().publishers
        }
        self.prefix = f"chaos-{secrets.token_hex(4)}"
        self.turn = datetime.now(UTC).replace(microsecond=0)
        """When the replaced policy version ends and the new one begins."""
        self.services: dict[str, ServiceProcess] = {}
        self.proxies: dict[tuple[str, str], list[Proxy]] = {}
        """By the service's name and what it leads to: `kafka` or `postgresql`."""
        self.kafka = ApacheKafka(
            setting.brokers,
            doors=[_door(name) for name in self._names()],
            heap_mb=256,
        )
        self.postgresql: PostgreSQL | None = None
        self.database_url = f"sqlite+aiosqlite:///{setting.sqlite}"
        self._stack = AsyncExitStack()

    def _names(self) -> list[str]:
        extra = [EXTRA_AUDITOR] if self.setting.extra_auditor else []
        return [INGEST, *self.setting.auditors, *extra, *self.setting.reporters]

    @property
    def policies(self) -> Path:
        """The directory of policies that the services watch."""
        return self.setting.directory / POLICIES

    @property
    def _register(self) -> Path:
        return self.setting.directory / "publishers.yaml"

    @property
    def kafka_settings(self) -> KafkaSettings:
        """For the run's own clients: straight to the brokers, past the proxies."""
        return KafkaSettings(
            kafka_bootstrap_servers=self.kafka.bootstrap_servers,
            topic_prefix=self.prefix,
            topic_partitions=PARTITIONS,
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        self._write_policies()
        write_register(self._register, self.keys, planned_traffic().controllers_by_publisher)
        register = yaml.safe_load(self._register.read_text(encoding="utf-8"))
        register["publishers"][FACTS_PUBLISHER]["states_facts"] = ["consent.*"]
        self._register.write_text(yaml.safe_dump(register), encoding="utf-8")
        await stack.enter_async_context(self.kafka)
        if self.setting.sqlite is None:
            await self._start_postgresql(stack)
        for name in self._names():
            ways = [Proxy(door.advertised, door.port) for door in self.kafka.doors(_door(name))]
            self.proxies[name, "kafka"] = ways
            for proxy in ways:
                await stack.enter_async_context(proxy)
        for name in self._names():
            self.services[name] = self._service(name)
            stack.push_async_exit(self.services[name])
            stack.push_async_callback(self._end, self.services[name])
            if name != EXTRA_AUDITOR:
                self.services[name].start()
        for name, service in self.services.items():
            if name != EXTRA_AUDITOR:
                await service.wait_ready(patience=_READY_SECONDS)

    async def _start_postgresql(self, stack: AsyncExitStack) -> None:
        programs = binaries()
        assert programs is not None, "PostgreSQL's programs are needed; install it"
        self.postgresql = stack.enter_context(PostgreSQL(programs))
        await self.postgresql.start()
        name = await self.postgresql.create_database()
        self.database_url = self.postgresql.url(name)
        for reporter in self.setting.reporters:
            proxy = Proxy(take_port(), self.postgresql.port)
            self.proxies[reporter, "postgresql"] = [proxy]
            await stack.enter_async_context(proxy)

    def _service(self, name: str) -> ServiceProcess:
        service = name.partition("-")[0]
        module = self.setting.modules.get(service, f"purposewatch_{service}")
        log = self.setting.directory / f"{name}.log"
        return ServiceProcess(module, self._environment(name), service=service, log=log)

    def _environment(self, name: str) -> dict[str, str]:
        servers = ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.proxies[name, "kafka"])
        return service_environment(
            RunningBroker(servers, "apache_kafka"),
            self.prefix,
            kafka_session_timeout_ms=int(SESSION_SECONDS * 1000),
            kafka_fetch_max_wait_ms=100,  # as in production
            topic_partitions=PARTITIONS,
            topic_replication_factor=self.setting.brokers,
            policies_dir=self.policies,
            policies_reload_seconds=1,
            publishers_file=self._register,
            pseudonym_key=PSEUDONYM_KEY.hex(),
            database_url=self._database_url(name),
        )

    def _database_url(self, name: str) -> str:
        proxies = self.proxies.get((name, "postgresql"))
        if self.postgresql is None or not proxies:
            return self.database_url
        return self.database_url.replace(f":{self.postgresql.port}/", f":{proxies[0].port}/")

    async def stop_services(self) -> None:
        """Stop every service in order, upstream first; afterwards nothing moves any more."""
        for service in self.services.values():
            await self._end(service)

    async def _end(self, service: ServiceProcess) -> None:
        if service.runs:
            service.resume()
            await service.terminate()

    def _write_policies(self) -> None:
        """Copy the policies; one version is to end at the turn."""
        shutil.copytree(self.setting.policies, self.policies)
        path = self.policies / REPLACED
        text = path.read_text(encoding="utf-8")
        ended = f"in_force_until: {self.turn.isoformat()}"
        text, changed = re.subn(r"^in_force_until: null$", ended, text, flags=re.MULTILINE)
        assert changed == 1, f"{REPLACED} is expected to be in force without end"
        path.write_text(text, encoding="utf-8")

    def put_new_version_in_force(self) -> None:
        """Add the version that follows, whole at once: the services are looking."""
        path = self.policies / REPLACED
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in (
            (r"^version: .*$", f"version: {NEW_VERSION}"),
            (r"^in_force_from: .*$", f"in_force_from: {self.turn.isoformat()}"),
            (r"^in_force_until: .*$", "in_force_until: null"),
            (rf"^  - id: {re.escape(_DROPPED)}\n(?:    .*\n)+", ""),
        ):
            text, changed = re.subn(pattern, replacement, text, flags=re.MULTILINE)
            assert changed == 1, f"{REPLACED} holds no single `{pattern}`"
        fresh = path.with_name("new-version")
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(path.with_name(f"policy.{NEW_VERSION}.yaml"))

    def running(self, names: Sequence[str]) -> list[ServiceProcess]:
        """Those of these services that run now."""
        return [self.services[name] for name in names if self.services[name].runs]


def _door(name: str) -> str:
    """The name of a service as that of a listener: letters and digits."""
    return name.replace("-", "").upper()
