"""Composition of the pgaudit connector: settings in, application out."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette

from purposewatch_client import SettingsError
from purposewatch_connect.mapping_files import MappingFiles
from purposewatch_connect.pgaudit.audit import AuditReader
from purposewatch_connect.pgaudit.component import PgauditComponent
from purposewatch_connect.pgaudit.databases import Databases
from purposewatch_connect.pgaudit.entries import format_of
from purposewatch_connect.pgaudit.follow import LogFollower
from purposewatch_connect.pgaudit.settings import PgauditSettings
from purposewatch_connect.pipeline import Pipeline, SpoolComponent
from purposewatch_connect.spool import ClientSpool
from purposewatch_runtime import metrics as m
from purposewatch_runtime.service import EventLoopWatch, Supervisor, health_routes


def build_app(
    settings: PgauditSettings, spool_of: Callable[[str], SpoolComponent] = ClientSpool.of
) -> tuple[Starlette, Supervisor]:
    """Put the process together.

    Raises `InvalidSourceError` when a file is faulty, and `SettingsError` for a `log_line_prefix`
    that lacks something.
    """
    metric_set = m.MetricSet("connect", version=version("purposewatch-connectors"))
    files = MappingFiles(settings, metric_set)
    spool = spool_of(files.publisher)
    try:
        log_format = format_of(
            settings.connect_pgaudit_format, settings.connect_pgaudit_line_prefix
        )
    except ValueError as error:
        raise SettingsError(str(error)) from None
    dsn = settings.connect_pgaudit_dsn
    server = settings.connect_pgaudit_server
    follower = PgauditComponent(
        LogFollower(
            settings.connect_pgaudit_log,
            settings.connect_state_dir / f"pgaudit-{server}.json",
            log_format,
        ),
        AuditReader(server),
        Databases(
            dsn.get_secret_value() if dsn else None, settings.connect_pgaudit_refresh_seconds
        ),
        Pipeline("pgaudit", files.mapper, spool, metric_set, time.monotonic),
        metric_set,
    )
    supervisor = Supervisor([EventLoopWatch(metric_set), *files.components, spool, follower])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with supervisor:
            yield

    routes = health_routes(
        live={},
        ready={"started": supervisor.check, "log": follower.check},
        registry=metric_set.registry,
    )
    return Starlette(routes=list(routes), lifespan=lifespan), supervisor
