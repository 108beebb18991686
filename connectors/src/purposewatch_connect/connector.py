"""What every connector is composed of: settings in, a pipeline or a whole process out."""

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from purposewatch_connect.mapping_files import MappingFiles
from purposewatch_connect.pipeline import Pipeline, SpoolComponent
from purposewatch_connect.settings import ConnectSettings, ReceiverSettings
from purposewatch_connect.spool import ClientSpool
from purposewatch_runtime import metrics as m
from purposewatch_runtime.http import BoundedBody
from purposewatch_runtime.service import (
    Check,
    Component,
    EventLoopWatch,
    FileReloader,
    RequestTiming,
    Supervisor,
    health_routes,
)

SpoolOf = Callable[[str], SpoolComponent]
"""Makes the spool for the publisher that the mapping names."""
Certificate = FileReloader[ssl.SSLContext]
"""What TLS is served with."""


class Connector:
    """A pipeline to publish through, and what surrounds it. Nothing connects before start."""

    def __init__(
        self,
        name: str,
        settings: ConnectSettings,
        spool_of: SpoolOf = ClientSpool.of,
        *,
        window: timedelta | None = None,
    ) -> None:
        """Load the mapping and the vocabularies. Raises `InvalidSourceError` if one is faulty.

        For the `window`, see `Pipeline`.
        """
        self.metric_set = m.MetricSet("connect", version=version("purposewatch-connectors"))
        self._files = MappingFiles(settings, self.metric_set)
        self.spool = spool_of(self._files.publisher)
        self.pipeline = Pipeline(
            name,
            self._files.mapper,
            self.spool,
            self.metric_set,
            time.monotonic,
            window=window,
        )

    def application(
        self,
        *components: Component | None,
        routes: Sequence[BaseRoute] = (),
        middleware: Sequence[Middleware] = (),
        ready: Mapping[str, Callable[[], Awaitable[Check]]] | None = None,
    ) -> tuple[Starlette, Supervisor]:
        """A process with these components and routes, beside probes and metrics."""
        supervisor = Supervisor(
            [
                EventLoopWatch(self.metric_set),
                *self._files.components,
                self.spool,
                *filter(None, components),
            ]
        )

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with supervisor:
                yield

        health = health_routes(
            live={},
            ready={"started": supervisor.check, **(ready or {})},
            registry=self.metric_set.registry,
        )
        app = Starlette(routes=[*routes, *health], middleware=list(middleware), lifespan=lifespan)
        return app, supervisor

    def receiver(
        self, settings: ReceiverSettings, routes: Sequence[BaseRoute], *components: Component | None
    ) -> tuple[Starlette, Supervisor]:
        """A process that receives requests, whose bodies are bounded in size and time."""
        middleware = [
            Middleware(RequestTiming, metric_set=self.metric_set),
            Middleware(
                BoundedBody,
                max_bytes=settings.connect_max_request_bytes,
                timeout_seconds=settings.connect_body_timeout_seconds,
            ),
        ]
        return self.application(*components, routes=routes, middleware=middleware)
