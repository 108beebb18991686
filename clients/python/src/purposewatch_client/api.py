"""The module's functions: one client for the process, configured once or by the environment."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Unpack

from purposewatch_client.access import Access
from purposewatch_client.client import Client
from purposewatch_client.errors import NotRecordedError, SettingsError
from purposewatch_client.fields import AccessFields, EventFields, FactDetails, GapDetails
from purposewatch_client.settings import PREFIX, SettingsFields, from_environment
from purposewatch_client.sink import Sink
from purposewatch_client.spool_sink import SpoolSink
from purposewatch_client.stats import Stats

__all__ = [
    "access",
    "capturing",
    "close",
    "configure",
    "fact",
    "flush",
    "get_client",
    "record",
    "record_gap",
    "using",
]

_log = logging.getLogger("purposewatch_client")
_captures: list[Sink] = []
"""The last one takes the events of all clients."""
_clients: list[Client] = []
"""The last one is in use. A list changes in one step: no lock can be held across a fork."""


def configure(*, sink: Sink | None = None, **settings: Unpack[SettingsFields]) -> Client:
    """Make the process's client and return it. A client that was there before is closed.

    What is not given is read from the environment, `PURPOSEWATCH_CLIENT_…`. Nothing is opened,
    started or connected before the first event, so call this before or after a fork. With a `sink`
    of your own nothing is spooled or sent.
    """
    client = _build(settings, sink)
    previous, _clients[:] = _clients[-1:], [client]
    for each in previous:
        each.close()
    return client


def get_client() -> Client:
    """The process's client.

    If `configure` was not called, the environment configures it. If it does not either, events are
    checked and then discarded, with one warning in the log.
    """
    if not _clients:
        if os.environ.get(f"{PREFIX}INGEST_URL"):
            _clients.append(_build({}, None))
        else:
            _log.warning("purposewatch is not configured: events are discarded")
            _clients.append(_build({"source": "/unconfigured"}, _Discard()))
    return _clients[-1]


@contextmanager
def using(client: Client) -> Iterator[Client]:
    """Use another client in the whole process for the duration of a block: for tests."""
    _clients.append(client)
    try:
        yield client
    finally:
        _clients.remove(client)


@contextmanager
def capturing(sink: Sink) -> Iterator[None]:
    """Let this sink take every event of the process for the duration of a block: for tests.

    That includes the events of clients that are configured within the block, which otherwise would
    spool and send; when it ends, they discard. A wrong field raises `EventError` meanwhile.
    """
    before = _clients[:]
    within = [Client(replace(each.settings, on_error="raise"), sink) for each in before]
    _captures.append(sink)
    _clients[:] = within
    try:
        yield
    finally:
        _captures.remove(sink)
        unchanged = _clients == within
        _clients[:] = before if unchanged else [Client(_clients[-1].settings, _Discard())]


def record(**fields: Unpack[EventFields]) -> str | None:
    """Record one event; see `Client.record`."""
    return (_clients[-1] if _clients else get_client()).record_fields(fields)


def fact(name: str, *, value: bool, **details: Unpack[FactDetails]) -> str | None:
    """State that a fact holds of a subject, or does not; see `Client.fact`."""
    return get_client().fact(name, value=value, **details)


def record_gap(kind: str, name: str, **details: Unpack[GapDetails]) -> str | None:
    """Report what could not be stated as an event; see `Client.record_gap`."""
    return get_client().record_gap(kind, name, **details)


def access(**fields: Unpack[AccessFields]) -> Access:
    """What a block or a function does with the data of one subject; see `Access`.

    ```
    with purposewatch.access(subject=customer.id, operation="use", purpose="…") as access:
        access.add("user.contact.email")
    ```
    """
    return Access(_record_fields, fields)


def _record_fields(fields: Mapping[str, Any]) -> str | None:
    return get_client().record_fields(fields)


def flush(timeout: float = 10.0) -> bool:
    """Wait until everything that this process recorded is delivered; whether it is."""
    return get_client().flush(timeout)


def close(timeout: float | None = None) -> bool:
    """Flush, and stop the sender; see `Client.close`."""
    return get_client().close(timeout)


def _build(settings: SettingsFields, sink: Sink | None) -> Client:
    values = from_environment(settings)
    if _captures:
        return Client(replace(values, on_error="raise"), _captures[-1])
    if sink is None:
        if not values.ingest_url:
            message = f"name the `ingest_url`, or set {PREFIX}INGEST_URL"
            raise SettingsError(message)
        sink = SpoolSink(values)
    return Client(values, sink)


class _Discard:
    """The sink of a process that is not configured."""

    def append(self, _: bytes, /) -> None:
        reason = "unconfigured"
        raise NotRecordedError(reason, "purposewatch is not configured")

    def start(self) -> None:
        pass

    append_fact = append_gap = append

    def flush(self, _: float, /) -> bool:
        return True

    def close(self, _: float, /) -> bool:
        return True

    def stats(self) -> Stats:
        return Stats()
