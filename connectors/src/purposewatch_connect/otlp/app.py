"""Composition of the OTLP receivers: settings in, application out."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.middleware import Middleware

from purposewatch_connect.mapping_files import MappingFiles
from purposewatch_connect.otlp.grpc_server import OtlpGrpc
from purposewatch_connect.otlp.http import OtlpHttp
from purposewatch_connect.otlp.receiver import Receiver
from purposewatch_connect.otlp.records import OtlpReader
from purposewatch_connect.otlp.settings import OtlpSettings
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
    settings: OtlpSettings, spool_of: Callable[[str], SpoolComponent] = ClientSpool.of
) -> tuple[Starlette, Supervisor]:
    """Put the process together. Raises `InvalidSourceError` when a file is faulty."""
    metric_set = m.MetricSet("connect", version=version("purposewatch-connectors"))
    files = MappingFiles(settings, metric_set)
    spool = spool_of(files.publisher)
    pipeline = Pipeline("otlp", files.mapper, spool, metric_set, time.monotonic)
    receiver = Receiver(OtlpReader(_secret(settings)), pipeline, lambda: datetime.now(UTC))
    grpc_server = OtlpGrpc(receiver, settings)
    supervisor = Supervisor([EventLoopWatch(metric_set), *files.components, spool, grpc_server])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with supervisor:
            yield

    app = Starlette(
        routes=[
            *OtlpHttp(receiver, settings).routes(),
            *health_routes(
                live={}, ready={"started": supervisor.check}, registry=metric_set.registry
            ),
        ],
        middleware=[
            Middleware(RequestTiming, metric_set=metric_set),
            Middleware(
                BoundedBody,
                max_bytes=settings.connect_otlp_max_request_bytes,
                timeout_seconds=settings.connect_otlp_body_timeout_seconds,
            ),
        ],
        lifespan=lifespan,
    )
    return app, supervisor


def _secret(settings: OtlpSettings) -> bytes:
    stated = settings.connect_otlp_secret
    return stated.get_secret_value().encode() if stated else secrets.token_bytes()
