"""Composition of the OTLP receivers: settings in, application out."""

import secrets
from datetime import UTC, datetime

from starlette.applications import Starlette

from purposewatch_connect.connector import Certificate, Connector, SpoolOf
from purposewatch_connect.otlp.grpc_server import OtlpGrpc
from purposewatch_connect.otlp.http import OtlpHttp
from purposewatch_connect.otlp.receiver import Receiver
from purposewatch_connect.otlp.records import OtlpReader
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.spool import ClientSpool
from purposewatch_runtime.service import Supervisor


def build_app(
    settings: OtlpSettings,
    tls: Certificate | None = None,
    *,
    spool_of: SpoolOf = ClientSpool.of,
) -> tuple[Starlette, Supervisor]:
    """Put the process together. Raises `InvalidSourceError` when a file is faulty."""
    connector = Connector("otlp", settings, spool_of, window=settings.aggregation_window)
    reader = OtlpReader(_secret(settings))
    receiver = Receiver(reader, connector.pipeline, lambda: datetime.now(UTC))
    routes = OtlpHttp(receiver, settings).routes()
    return connector.receiver(settings, routes, tls, OtlpGrpc(receiver, settings, tls))


def _secret(settings: OtlpSettings) -> bytes:
    stated = settings.connect_otlp_secret
    return stated.get_secret_value().encode() if stated else secrets.token_bytes()
