"""Asking ingest for the verdict that an event would get, without publishing it."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from purposewatch_client.errors import DecisionError
from purposewatch_client.sender.transport import NoAnswerError, Tls, Transport
from purposewatch_client.settings import ClientSettings

__all__ = ["decide"]

_PATH = "/v1/decisions"
_BATCHED = "application/cloudevents-batch+json"


def decide(
    settings: ClientSettings,
    events: Sequence[Mapping[str, Any]],
    *,
    language: str,
    timeout: float,
) -> list[dict[str, Any]]:
    """One decision for each event, as ingest returns it. Raises `DecisionError`."""
    if not settings.ingest_url:
        message = "no `ingest_url` is configured"
        raise DecisionError(message)
    tls = Tls(settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file)
    transport = Transport(settings.ingest_url, settings.key, timeout=timeout, tls=tls)
    headers = {"Content-Type": _BATCHED, "Accept-Language": language}
    try:
        answer = transport.post(_PATH, json.dumps(list(events)).encode(), headers)
        decoded = json.loads(answer.body or b"{}")
    except (NoAnswerError, ValueError) as error:
        raise DecisionError(str(error)) from error
    finally:
        transport.close()
    if answer.status != HTTPStatus.OK:
        detail = decoded.get("detail") if isinstance(decoded, dict) else None
        raise DecisionError(str(detail or f"HTTP status {answer.status}"), answer.status)
    decisions: list[dict[str, Any]] = decoded["decisions"]
    return decisions
