"""Composition of the OpenLineage receiver: settings in, application out."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.middleware import Middleware

from purposewatch_connect.mapping_files import MappingFiles
from purposewatch_connect.openlineage.events import EventReader
from purposewatch_connect.openlineage.http import OpenLineageHttp
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.pipeline import Pipeline, SpoolComponent
from purposewatch_connect.spool import ClientSpool
from purposewatch_runtime import metrics as m
from purposewatch_runtime.http import BoundedBody
from purposewatch_runtime.service import (
    EventLoopWatch,
    RequestTiming,
    Supervisor,
    health_routes,
)


def build_app(
    settings: OpenLineageSettings, spool_of: Callable[[str], SpoolComponent] = ClientSpool.of
) -> tuple[Starlette, Supervisor]:
    """Put the process together. Raises `InvalidSourceError` when a file is faulty."""
    metric_set = m.MetricSet("connect", version=version("purposewatch-connectors"))
    files = MappingFiles(settings, metric_set)
    spool = spool_of(files.publisher)
    pipeline = Pipeline("openlineage", files.mapper, spool, metric_set, time.monotonic)
    reader = EventReader(lambda: datetime.now(UTC))
    supervisor = Supervisor([EventLoopWatch(metric_set), *files.components, spool])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with supervisor:
            yield

    app = Starlette(
        routes=[
            *OpenLineageHttp(reader, pipeline, settings).routes(),
            *health_routes(
                live={}, ready={"started": supervisor.check}, registry=metric_set.registry
            ),
        ],
        middleware=[
            Middleware(RequestTiming, metric_set=metric_set),
            Middleware(
                BoundedBody,
                max_bytes=settings.connect_openlineage_max_request_bytes,
                timeout_seconds=settings.connect_openlineage_body_timeout_seconds,
            ),
        ],
        lifespan=lifespan,
    )
    return app, supervisor
