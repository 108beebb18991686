"""Asks the reporter for publishers. Ingest itself keeps nothing about events and facts."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Protocol

import httpx
from pydantic import SecretStr

MAX_STATEMENTS = 200
"""Of one fact that the reporter is asked for, which is the most that it gives."""
_MAX_CONNECTIONS = 8


class ReporterUnavailableError(Exception):
    """The reporter did not answer in time, or not as it should: ask again later."""


class StatusSource(Protocol):
    """Knows what became of events."""

    async def status_of(self, source: str, event_id: str) -> bytes | None:
        """Return the status in JSON, or `None` if nothing is recorded about the event.

        Raises `ReporterUnavailableError`.
        """


class FactSource(Protocol):
    """Knows what was stated about subjects."""

    async def facts_of(
        self, controller: str, subject: str, *, as_of: datetime, fact: str | None = None
    ) -> bytes:
        """Return the `SubjectFacts` of a subject, a pseudonym, in JSON, as of a time with zone.

        Raises `ReporterUnavailableError`.
        """


class ReporterClient:
    """Asks the reporter's API, with a token that is good for nothing else."""

    name = "reporter client"

    def __init__(self, url: str, token: SecretStr | None, *, timeout_seconds: float) -> None:
        secret = None if token is None else token.get_secret_value()
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={} if secret is None else {"Authorization": f"Bearer {secret}"},
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS),
            trust_env=False,
        )

    async def start(self) -> None:
        """Do nothing: it connects when it is asked."""

    async def stop(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def status_of(self, source: str, event_id: str) -> bytes | None:
        """See `StatusSource`."""
        parameters = {"source": source, "event_id": event_id}
        return await self._get("/api/v1/event-status", parameters)

    async def facts_of(
        self, controller: str, subject: str, *, as_of: datetime, fact: str | None = None
    ) -> bytes:
        """See `FactSource`."""
        parameters = {
            "controller": controller,
            "subject": subject,
            "as_of": as_of.isoformat(),
            "limit": str(MAX_STATEMENTS),
        }
        answer = await self._get("/api/v1/facts", parameters | ({"fact": fact} if fact else {}))
        if answer is None:
            message = f"status {HTTPStatus.NOT_FOUND}"
            raise ReporterUnavailableError(message)
        return answer

    async def _get(self, path: str, parameters: Mapping[str, str]) -> bytes | None:
        try:
            answer = await self._client.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise ReporterUnavailableError(type(error).__name__) from None
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.status_code != HTTPStatus.OK:
            message = f"status {answer.status_code}"
            raise ReporterUnavailableError(message)
        return answer.content
