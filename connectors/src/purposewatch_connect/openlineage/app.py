"""Composition of the OpenLineage receiver: settings in, application out."""

from datetime import UTC, datetime

from starlette.applications import Starlette

from purposewatch_connect.connector import Certificate, Connector, SpoolOf
from purposewatch_connect.openlineage.events import EventReader
from purposewatch_connect.openlineage.http import OpenLineageHttp
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.spool import ClientSpool
from purposewatch_runtime.service import Supervisor


def build_app(
    settings: OpenLineageSettings,
    tls: Certificate | None = None,
    *,
    spool_of: SpoolOf = ClientSpool.of,
) -> tuple[Starlette, Supervisor]:
    """Put the process together. Raises `InvalidSourceError` when a file is faulty."""
    connector = Connector("openlineage", settings, spool_of)
    reader = EventReader(lambda: datetime.now(UTC))
    routes = OpenLineageHttp(reader, connector.pipeline, settings).routes()
    return connector.receiver(settings, routes, tls)
