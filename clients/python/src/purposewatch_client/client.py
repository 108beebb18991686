"""The client: events, facts and gaps in, into a sink that delivers them."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, Unpack

from purposewatch_client.access import Access
from purposewatch_client.context import current_defaults
from purposewatch_client.decisions import decide
from purposewatch_client.errors import EventError, NotRecordedError
from purposewatch_client.event import EventEncoder
from purposewatch_client.fact import encode_fact
from purposewatch_client.fields import AccessFields, EventFields, FactDetails, GapDetails
from purposewatch_client.gap import encode_gap
from purposewatch_client.log_limiter import LogLimiter
from purposewatch_client.settings import ClientSettings
from purposewatch_client.sink import Sink
from purposewatch_client.stats import Health, Stats, assess

__all__ = ["Client"]

_log = logging.getLogger("purposewatch_client")


class Client:
    """Records events. May be used by several threads, and by forked processes, at once."""

    def __init__(self, settings: ClientSettings, sink: Sink) -> None:
        self.settings = settings
        self.sink = sink
        self._encoder = EventEncoder(settings.source)
        self._merged_defaults: tuple[Mapping[str, Any], dict[str, Any]] = ({}, {})
        self._invalid = 0
        self._limiter = LogLimiter()

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
            event_id, event = self._encoder.encode(self._merged(fields))
        except EventError as error:
            self._invalid += 1
            if self.settings.on_error == "raise":
                raise
            self._log_invalid(error)
            return None
        try:
            self.sink.append(event)
        except NotRecordedError:
            if self.settings.when_full == "raise":
                raise
            return None
        return event_id

    def record_gap(self, kind: str, name: str, **details: Unpack[GapDetails]) -> str | None:
        """Report something that could not be stated as an event, as durably as an event.

        `kind` says why, such as `unmapped_dataset` or `unknown_purpose`: see the page on publishing
        events. `name` names the dataset, the service or the term, and never holds a value. Returns
        the id; None, or an error, as `record`.
        """
        return self._record(lambda: encode_gap(kind, name, **details), self.sink.append_gap)

    def fact(self, name: str, *, value: bool, **details: Unpack[FactDetails]) -> str | None:
        """State that a fact holds of a subject, or does not, as durably as an event.

        For the system that knows the fact, and that the register lets state it: see the page on
        facts. Of everything that was acknowledged before an event was, the audit of the event takes
        the statement in force at its time. Within a batch, facts are sent before events. Returns
        the id; None, or an error, as `record`.
        """
        context = current_defaults()
        defaults = {
            field: context.get(field, getattr(self.settings, field))
            for field in ("controller", "actor")
        }
        given = {field: value for field, value in details.items() if value is not None}
        return self._record(
            lambda: encode_fact(self.settings.source, name, value, {**defaults, **given}),
            self.sink.append_fact,
        )

    def _record(
        self, encode: Callable[[], tuple[str, bytes]], append: Callable[[bytes], None]
    ) -> str | None:
        try:
            identifier, encoded = encode()
        except EventError as error:
            self._invalid += 1
            if self.settings.on_error == "raise":
                raise
            self._log_invalid(error)
            return None
        try:
            append(encoded)
        except NotRecordedError:
            if self.settings.when_full == "raise":
                raise
            return None
        return identifier

    def access(self, **fields: Unpack[AccessFields]) -> Access:
        """An access with this client; see `Access`."""
        return Access(self.record_fields, fields)

    def event(self, **fields: Unpack[EventFields]) -> dict[str, Any]:
        """The event that `record` would record, as a CloudEvent. Raises `EventError`."""
        event: dict[str, Any] = json.loads(self._encoder.encode(self._merged(fields))[1])
        return event

    def decide(
        self, *events: Mapping[str, Any], language: str = "en", timeout: float = 10.0
    ) -> list[dict[str, Any]]:
        """Ask ingest what verdicts these events would get; nothing is published or recorded.

        Events are made with `event`; one without a `subject_id` is taken as well. There is one
        decision for each, with `outcome`, `kind`, and the reasons for each category: see the page
        on publishing events. Raises `DecisionError`, also if ingest does not answer in time: this
        call waits for the network, so it does not belong in front of every access.
        """
        return decide(self.settings, events, language=language, timeout=timeout)

    def start(self) -> None:
        """Start sending now rather than with the first event: also what ended processes left.

        For a process that may record nothing for long. Don't call it before a fork.
        """
        self.sink.start()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything that this process recorded is delivered; whether it is."""
        return self.sink.flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Flush, and stop the sender. What is not delivered stays in the spool."""
        return self.sink.close(self.settings.exit_timeout_seconds if timeout is None else timeout)

    def stats(self) -> Stats:
        """The counts of this process, and what the spool holds."""
        return replace(self.sink.stats(), invalid=self._invalid)

    def health(self, max_age_seconds: float = 300.0) -> Health:
        """Whether events reach ingest: none waits for longer, and the spool is not almost full."""
        return assess(
            self.stats(), max_age_seconds=max_age_seconds, max_bytes=self.settings.spool_max_bytes
        )

    def _merged(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """These fields and the defaults that are in force; the last defaults are cached."""
        context = current_defaults()
        known, defaults = self._merged_defaults
        if known is not context:
            defaults = {**self.settings.defaults, **context}
            self._merged_defaults = (context, defaults)
        return {**defaults, **fields}

    def _log_invalid(self, error: EventError) -> None:
        """One line a minute for each fault, since a wrong call is made again and again."""
        suppressed = self._limiter.admit(str(error), time.monotonic())
        if suppressed is not None:
            _log.warning("event not recorded: %s", error)

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
