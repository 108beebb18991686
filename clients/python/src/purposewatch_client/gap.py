"""Encoding gaps: what a service saw and could not state as an event."""

import json
import re
import secrets
from datetime import UTC, datetime

from purposewatch_client.errors import EventError
from purposewatch_client.form import check_controller, check_id

__all__ = ["DROPPED", "encode_gap"]

DROPPED = "dropped"
"""The kind of the gap that stands for events which were not recorded."""

_KIND = re.compile(r"[a-z][a-z_]{0,63}")
_NAME = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9._:/()$#-]{0,199}")
_MAX_COUNT = 1_000_000_000


def encode_gap(  # noqa: PLR0913 - what a gap consists of
    kind: str,
    name: str,
    *,
    count: int = 1,
    id: str | None = None,  # noqa: A002 - as `record` calls it
    time: datetime | None = None,
    controller: str | None = None,
) -> tuple[str, bytes]:
    """The gap's id, and the gap in JSON. Raises `EventError`, which quotes no value."""
    _require(_matches(_KIND, kind), "`kind` must be a kind of gap")
    _require(_matches(_NAME, name), "`name` must be 1 to 200 letters, digits or `._:/()$#-`")
    _require(_is_count(count), f"`count` must be a whole number from 1 to {_MAX_COUNT}")
    _require(time is None or _has_zone(time), "`time` must be a datetime with its zone")
    identifier = f"g{secrets.token_hex(16)}" if id is None else id
    check_id(identifier)
    gap: dict[str, object] = {
        "id": identifier,
        "kind": kind,
        "name": name,
        "count": count,
        "time": (datetime.now(UTC) if time is None else time).isoformat(),
    }
    if controller is not None:
        check_controller(controller)
        gap["controller"] = controller
    return identifier, json.dumps(gap, separators=(",", ":")).encode()


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_COUNT


def _has_zone(time: object) -> bool:
    return isinstance(time, datetime) and time.tzinfo is not None


def _require(holds: bool, message: str) -> None:  # noqa: FBT001 - it is what is required
    if not holds:
        raise EventError(message)
