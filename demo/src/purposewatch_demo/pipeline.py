"""The whole pipeline on this machine: a broker, unless one is named, and the three services."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from purposewatch_demo.account import SignIn, read_sign_in
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_demo.fleet import running, wait_until_ready
from purposewatch_demo.processes import Service
from purposewatch_demo.stage import KAFKA_VARIABLE, NOTHING, Stage, prepare
from purposewatch_demo.topics import delete_topics, find_cluster

__all__ = ["Pipeline", "SignIn", "local_pipeline"]

_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A running pipeline."""

    stage: Stage
    services: dict[str, Service]
    client: httpx.AsyncClient
    """Takes no proxy from the environment."""
    embedded: bool
    """Whether the broker is the embedded one."""

    @property
    def ingest_url(self) -> str:
        """Where events are published."""
        return self.services["ingest"].spec.url

    @property
    def reporter_url(self) -> str:
        """Where the compliance page and the API are."""
        return self.services["reporter"].spec.url

    @property
    def keys(self) -> Mapping[str, str]:
        """The API keys, by publisher."""
        return self.stage.keys

    @property
    def sign_in(self) -> SignIn | None:
        """The account of the compliance page; `None` if the reporter's log does not say."""
        return read_sign_in(self.reporter_url, self.services["reporter"].spec.log)


@asynccontextmanager
async def local_pipeline(  # noqa: PLR0913 - what a run is made of, and whom to tell
    directory: Path,
    policies: Path,
    controllers: Mapping[str, frozenset[str]],
    *,
    facts: Mapping[str, frozenset[str]] = NOTHING,
    report: Callable[[str], None] = lambda _: None,
    complain: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Pipeline]:
    """Start everything in an empty directory, and stop it in the end, whatever happens.

    `controllers` are each publisher's, `facts` what some may state. The broker is in memory unless
    the environment names a cluster, where the topics are the run's own and are deleted in the end.
    `report` is told what is being waited for, `complain` what could not be cleared up. Raises
    `EmbeddedBrokerError`, `ClusterAwayError`, `PortTakenError` or `StartError`.
    """
    async with AsyncExitStack() as stack:
        embedded = None
        if not os.environ.get(KAFKA_VARIABLE):
            report("starting the broker")
            broker = await stack.enter_async_context(EmbeddedBroker())
            embedded = broker.bootstrap_servers
        stage = prepare(directory, policies, controllers, embedded=embedded, facts=facts)
        if embedded is None:
            report("looking for the cluster")
            await find_cluster(stage.kafka)
            stack.push_async_callback(_delete_topics, stage, complain)
        services = await stack.enter_async_context(running(stage))
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                timeout=httpx.Timeout(20.0),
                limits=httpx.Limits(max_connections=_CONNECTIONS),
                trust_env=False,
            )
        )
        report("starting the services")
        await wait_until_ready(client, services, report)
        yield Pipeline(stage, services, client, embedded is not None)


async def _delete_topics(stage: Stage, complain: Callable[[str], None]) -> None:
    left = await delete_topics(stage.kafka)
    if left is not None:
        complain(left)
