"""Encoding facts: statements that something holds of a data subject, or does not."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from purposewatch_client import form
from purposewatch_client.errors import EventError
from purposewatch_client.event import checked_subject, format_time

__all__ = ["encode_fact"]

_TYPE = "purposewatch.fact.v1"
_FIELDS = frozenset(
    {
        *("subject", "controller", "effective_from", "until", "evidence"),
        *("id", "time", "actor", "traceparent"),
    }
)


def encode_fact(
    source: str, name: str, value: object, fields: Mapping[str, Any]
) -> tuple[str, bytes]:
    """The id of the statement, and the statement in JSON. Raises `EventError`."""
    get = fields.get
    if unknown := sorted(fields.keys() - _FIELDS):
        message = f"`{unknown[0]}` is not a field of a fact"
        raise EventError(message)
    form.check_term("name", name)
    if not isinstance(value, bool):
        message = "`value` must be True or False"
        raise EventError(message)
    form.check_controller(get("controller"))
    data: dict[str, object] = {"controller": get("controller"), "fact": name, "value": value}
    time = datetime.now(UTC) if get("time") is None else get("time")
    times = {"time": format_time("time", time)}
    times |= {
        field: format_time(field, fields[field])
        for field in ("effective_from", "until")
        if get(field) is not None
    }
    if "until" in times and fields["until"] <= (get("effective_from") or time):
        message = "`until` must be after `effective_from`, or after `time` without it"
        raise EventError(message)
    stated_time = times.pop("time")
    data |= times
    if (evidence := get("evidence")) is not None:
        form.check_evidence(evidence)
        data["evidence"] = evidence
    if (actor := get("actor")) is not None:
        source = f"{source}/{actor}"
        form.check_actor(source)
    identifier: str = f"f{secrets.token_hex(16)}" if get("id") is None else fields["id"]
    form.check_id(identifier)
    statement = {
        "specversion": "1.0",
        "type": _TYPE,
        "source": source,
        "id": identifier,
        "time": stated_time,
        "data": {**data, "subject_id": checked_subject(get("subject"))},
    }
    if (traceparent := get("traceparent")) is not None:
        form.check_traceparent(traceparent)
        statement["traceparent"] = traceparent
    text = json.dumps(statement, separators=(",", ":"), ensure_ascii=False)
    return identifier, text.encode()
