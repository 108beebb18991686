"""The client: events in, into a sink that delivers them."""

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from purposewatch_client.access import Access
from purposewatch_client.context import current_defaults
from purposewatch_client.errors import EventError, NotRecordedError
from purposewatch_client.event import EventEncoder
from purposewatch_client.fields import AccessFields, EventFields
from purposewatch_client.settings import ClientSettings
from purposewatch_client.sink import Sink

__all__ = ["Client"]

_log = logging.getLogger("purposewatch_client")


class Client:
    """Records events. May be used by several threads, and by forked processes, at once."""

    def __init__(self, settings: ClientSettings, sink: Sink) -> None:
        self.settings = settings
        self.sink = sink
        self._encoder = EventEncoder(settings.source)
        self._defaults = settings.defaults

    def record(self, **fields: Unpack[EventFields]) -> str | None:
        """Record one event and return its id. It survives a crash of the process from here on.

        Returns None if the event is not recorded: a field is wrong, or the spool is full. Both are
        counted and logged. With `on_error="raise"` the former raises `EventError`, and with
        `when_full="raise"` the latter `NotRecordedError`.
        """
        return self.record_fields(fields)

    def record_fields(self, fields: Mapping[str, Any]) -> str | None:
        """As `record`, with the fields in a mapping."""
        try:
            event_id, event = self._encoder.encode(
                {**self._defaults, **current_defaults(), **fields}
            )
        except EventError as error:
            if self.settings.on_error == "raise":
                raise
            _log.warning("event not recorded: %s", error)
            return None
        try:
            self.sink.append(event)
        except NotRecordedError:
            if self.settings.when_full == "raise":
                raise
            return None
        return event_id

    def access(self, **fields: Unpack[AccessFields]) -> Access:
        """An access with this client; see `Access`."""
        return Access(self.record_fields, fields)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything that this process recorded is delivered; whether it is."""
        return self.sink.flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Flush, and stop the sender. What is not delivered stays in the spool."""
        return self.sink.close(self.settings.exit_timeout_seconds if timeout is None else timeout)

    def __enter__(self) -> Self:
        """Use the client within a block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it at the end."""
        self.close()
