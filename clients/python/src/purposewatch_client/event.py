"""Encoding events: CloudEvents 1.0 in JSON, as ingest accepts them.

A service does the same few things to ever new subjects. So everything but the subject, the id and
the time is checked and encoded once, and cached.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from purposewatch_client import form
from purposewatch_client.errors import EventError
from purposewatch_client.ids import IdGenerator

__all__ = ["EventEncoder"]

_TYPE = "purposewatch.data_access.v1"
_MAX_CACHED_FLOWS = 4096

_FLOW_FIELDS = (
    *("actor", "controller", "role", "operation", "purpose", "recipient"),
    *("data_source", "location", "retention_days", "legal_basis"),
)
_KNOWN = frozenset({*_FLOW_FIELDS, "subject", "categories", "facts", "time", "id", "traceparent"})


class EventEncoder:
    """Turns fields into an encoded event. May be used by several threads at once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._new_id = IdGenerator()
        self._flows: dict[object, tuple[str, str]] = {}
        self._second = (0, "")

    def encode(self, fields: Mapping[str, Any]) -> tuple[str, bytes]:
        """The event's id, and the event in JSON. Raises `EventError`."""
        head, flow = self._flow(fields)
        now = time.time_ns()
        identifier = fields.get("id")
        if identifier is None:
            identifier = self._new_id(now)
        else:
            form.check_id(identifier)
        moment = fields.get("time")
        at = self._format(now) if moment is None else _format_time(moment)
        traceparent = fields.get("traceparent")
        trace = "" if traceparent is None else _trace(traceparent)
        subject = _subject(fields.get("subject"))
        event = f'{head}{identifier}","time":"{at}"{trace}{flow}{subject}}}}}'
        return identifier, event.encode()

    def _flow(self, fields: Mapping[str, Any]) -> tuple[str, str]:
        """The texts before the id and between the time and the subject."""
        get = fields.get
        categories, facts = get("categories"), get("facts")
        try:
            key = (
                # a text is one category; a list may change
                categories if isinstance(categories, str) else tuple(categories or ()),
                tuple(facts.items()) if facts else None,
                *map(get, _FLOW_FIELDS),
            )
            found = self._flows.get(key)
        except (TypeError, AttributeError):  # not iterable, no mapping, or not hashable
            key, found = None, None
        if found is not None and fields.keys() <= _KNOWN:
            return found
        flow = self._encode_flow(fields)
        if key is not None:
            if len(self._flows) >= _MAX_CACHED_FLOWS:
                self._flows.clear()
            self._flows[key] = flow
        return flow

    def _encode_flow(self, fields: Mapping[str, Any]) -> tuple[str, str]:
        if unknown := sorted(fields.keys() - _KNOWN):
            message = f"`{unknown[0]}` is not a field of an event"
            raise EventError(message)
        data = form.checked_data(fields)
        source = self._source
        if (actor := fields.get("actor")) is not None:
            source = f"{source}/{actor}"
            form.check_actor(source)
        head = f'{{"specversion":"1.0","type":"{_TYPE}","source":"{source}","id":"'
        body = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        return head, f',"data":{body[:-1]},"subject_id":'

    def _format(self, now: int) -> str:
        """RFC 3339; the calendar is asked once a second."""
        second, rest = divmod(now, 1_000_000_000)
        known, text = self._second
        if known != second:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, text)
        return f"{text}.{rest // 1000:06d}Z"


def _format_time(moment: Any) -> str:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        message = "`time` must be a datetime with its zone"
        raise EventError(message)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _trace(traceparent: Any) -> str:
    form.check_traceparent(traceparent)
    return f',"traceparent":"{traceparent}"'


def _subject(subject: Any) -> str:
    """The subject as a JSON string."""
    if isinstance(subject, (int, UUID)) and not isinstance(subject, bool):
        subject = str(subject)
    form.check_subject(subject)
    if '"' in subject or "\\" in subject:
        return json.dumps(subject, ensure_ascii=False)
    return f'"{subject}"'
