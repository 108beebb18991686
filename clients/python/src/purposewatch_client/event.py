"""Encoding events: CloudEvents 1.0 in JSON, as ingest accepts them.

A service does the same few things to ever new subjects. So everything but the subject, the id, the
time and the count is checked and encoded once, and cached. What runs for every event is written for
speed.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from purposewatch_client import form
from purposewatch_client.errors import EventError
from purposewatch_client.ids import IdGenerator

__all__ = ["EventEncoder", "checked_subject", "format_time"]

_TYPE = "purposewatch.data_access.v1"
_MAX_CACHED_FLOWS = 4096
_BILLION = 1_000_000_000

_FLOW_FIELDS = frozenset(
    {
        *("actor", "controller", "role", "operation", "purpose", "recipient", "categories"),
        *("data_source", "location", "retention_days", "legal_basis", "facts"),
    }
)


class EventEncoder:
    """Turns fields into an encoded event. May be used by several threads at once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._new_id = IdGenerator()
        self._flows: dict[object, tuple[str, str]] = {}
        self._second = (0, "")

    def encode(self, fields: dict[str, Any]) -> tuple[str, bytes]:
        """The event's id, and the event in JSON. Takes the fields over. Raises `EventError`."""
        pop = fields.pop
        subject = pop("subject", None)
        identifier = pop("id", None)
        moment = pop("time", None)
        traceparent = pop("traceparent", None)
        count = pop("count", None)

        if type(fields.get("categories")) is list:
            fields["categories"] = tuple(fields["categories"])
        try:
            flow = self._flows.get((*fields, *fields.values()))
        except TypeError:  # something is not hashable
            flow = None
        head, tail = flow or self._new_flow(fields)

        if identifier is None:
            identifier = self._new_id()
        else:
            form.check_id(identifier)
        at = self._now() if moment is None else format_time("time", moment)
        trace = "" if traceparent is None else _trace(traceparent)
        if (
            type(subject) is not str
            or not (subject.isascii() and subject.isprintable() and 0 < len(subject) <= 256)  # noqa: PLR2004
            or '"' in subject
            or "\\" in subject
        ):
            subject = _escape_subject(subject)
        counted = "" if count is None else _counted(count)
        return (
            identifier,
            f'{head}{identifier}","time":"{at}"{trace}{tail}{subject}"{counted}}}}}'.encode(),
        )

    def _new_flow(self, fields: dict[str, Any]) -> tuple[str, str]:
        """The texts before the id, and between the time and the subject."""
        categories, facts = fields.get("categories"), fields.get("facts")
        if not isinstance(categories, str) and isinstance(categories, Iterable):
            fields["categories"] = tuple(categories)
        if isinstance(facts, Mapping):
            fields["facts"] = _Facts(facts)
        key = (*fields, *fields.values())
        try:
            known = self._flows.get(key)
        except TypeError:
            return self._encode_flow(fields)  # which says what is wrong
        flow = known or self._encode_flow(fields)
        if len(self._flows) >= _MAX_CACHED_FLOWS:
            self._flows.clear()
        self._flows[key] = flow
        return flow

    def _encode_flow(self, fields: Mapping[str, Any]) -> tuple[str, str]:
        if unknown := sorted(fields.keys() - _FLOW_FIELDS):
            message = f"`{unknown[0]}` is not a field of an event"
            raise EventError(message)
        data = form.checked_data(fields)
        source = self._source
        if (actor := fields.get("actor")) is not None:
            source = f"{source}/{actor}"
            form.check_actor(source)
        head = f'{{"specversion":"1.0","type":"{_TYPE}","source":"{source}","id":"'
        body = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        return head, f',"data":{body[:-1]},"subject_id":"'

    def _now(self) -> str:
        """The time in RFC 3339; the calendar is asked once a second."""
        now = time.time_ns()
        second = now // _BILLION
        known, text = self._second
        if known != second:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, text)
        return f"{text}.{now % _BILLION // 1000:06d}Z"


class _Facts(dict[str, Any]):
    """Facts as a part of a key; nobody changes them."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


def format_time(name: str, moment: Any) -> str:
    """A time in RFC 3339. Raises `EventError` that names the field."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        message = f"`{name}` must be a datetime with its zone"
        raise EventError(message)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _trace(traceparent: Any) -> str:
    form.check_traceparent(traceparent)
    return f',"traceparent":"{traceparent}"'


def _counted(count: Any) -> str:
    form.check_count(count)
    return "" if count == 1 else f',"count":{count}'


def checked_subject(subject: Any) -> str:
    """The subject as text. Raises `EventError`."""
    text = str(subject) if _is_number(subject) else subject
    form.check_subject(text)
    checked: str = text
    return checked


def _is_number(subject: Any) -> bool:
    return isinstance(subject, (int, UUID)) and not isinstance(subject, bool)


def _escape_subject(subject: Any) -> str:
    """The subject as it stands within a JSON string."""
    return json.dumps(checked_subject(subject), ensure_ascii=False)[1:-1]
