"""Composition of the pgaudit connector: settings in, application out."""

from starlette.applications import Starlette

from purposewatch_client import SettingsError
from purposewatch_connect.connector import Certificate, Connector, SpoolOf
from purposewatch_connect.pgaudit.audit import AuditReader
from purposewatch_connect.pgaudit.component import PgauditComponent
from purposewatch_connect.pgaudit.databases import Databases
from purposewatch_connect.pgaudit.entries import format_of
from purposewatch_connect.pgaudit.follow import LogFollower
from purposewatch_connect.pgaudit.settings import PgauditSettings
from purposewatch_connect.spool import ClientSpool
from purposewatch_runtime.service import Supervisor


def build_app(
    settings: PgauditSettings,
    tls: Certificate | None = None,
    *,
    spool_of: SpoolOf = ClientSpool.of,
) -> tuple[Starlette, Supervisor]:
    """Put the process together.

    Raises `InvalidSourceError` when a file is faulty, and `SettingsError` for a `log_line_prefix`
    that lacks something.
    """
    connector = Connector("pgaudit", settings, spool_of, window=settings.aggregation_window)
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
        connector.pipeline,
        connector.metric_set,
    )
    return connector.application(tls, follower, ready={"log": follower.check})
