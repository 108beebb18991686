"""Admission of gaps: a submitted gap in JSON in, a gap of the topic or a refusal out. No I/O."""

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pydantic import ValidationError

from purposewatch_contract import MAX_GAP_COUNT, ErrorClass, Gap, GapKind, SubmittedGap
from purposewatch_contract.submission import (
    MAX_ERRORS,
    TIME_PATTERN,
    FieldError,
    RefusedError,
    parse_json,
)
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.rights import check_time

_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_RFC_3339 = re.compile(TIME_PATTERN, re.ASCII)
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_FIELDS = 64
_RULES = {
    "": "must be a JSON object",
    "id": "must be text of 1 to 128 letters, digits, `.`, `_`, `:` or `-`, the first a letter or "
    "digit, and nothing that could be a telephone number (7 to 15 digits without a letter)",
    "kind": f"must be one of {', '.join(f'`{kind}`' for kind in GapKind)}",
    "name": "must be a name of 1 to 200 letters, digits or `._:/()$#-`, the first a letter, a "
    "digit, `_` or `(`",
    "count": f"must be a whole number from 1 to {MAX_GAP_COUNT}, or left out",
    "time": "must be an RFC 3339 date-time with its zone, such as `2026-03-02T08:15:00Z`",
    "controller": "must be the controller's name: lower-case letters, digits and `-`, at most 63, "
    "such as `wework-labs`; or left out",
}


def gaps_in(body: bytes) -> list[bytes]:
    """The gaps of a request's body, one JSON text each. `RefusedError` if it is not an array."""
    try:
        return [bytes(gap) for gap in _decode_batch(body)]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        gaps = parse_json(body)
    if not isinstance(gaps, list):
        detail = "the content must be a JSON array of gaps"
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail))
    return [msgspec.json.encode(gap) for gap in gaps]


def admit_gap(text: bytes, publisher: Publisher, *, now: datetime, max_future: timedelta) -> Gap:
    """The gap in this JSON text, as it is passed on; `RefusedError` with every fault of it."""
    gap = _read(parse_json(text))
    if gap.controller is not None and gap.controller not in publisher.controllers:
        detail = "is not among the publisher's controllers; leave it out, or have it registered"
        raise RefusedError(ErrorClass.FORBIDDEN, FieldError("/controller", detail))
    check_time(gap.time, now, max_future)
    return Gap(
        **{**gap.model_dump(), "time": gap.time.astimezone(UTC)},
        publisher=publisher.name,
        accepted_time=now,
    )


def _read(document: object) -> SubmittedGap:
    if not isinstance(document, dict) or len(document) > _MAX_FIELDS:
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", _RULES[""]))
    _convert(document)
    try:
        return SubmittedGap.model_validate(document, strict=True)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        errors = list(dict.fromkeys(map(_explain, problems)))[:MAX_ERRORS]
        raise RefusedError(ErrorClass.INVALID_EVENT, *errors) from None


def _convert(document: dict[str, object]) -> None:
    """Convert what JSON can't express to the types that strict validation requires.

    Values of the wrong shape are left for the validation to refuse.
    """
    time, kind = document.get("time"), document.get("kind")
    if isinstance(time, str) and _RFC_3339.fullmatch(time):
        with contextlib.suppress(ValueError):  # the calendar does not have it
            document["time"] = datetime.fromisoformat(time.upper())
    if isinstance(kind, str) and kind in set(GapKind):
        document["kind"] = GapKind(kind)


def _explain(problem: Mapping[str, Any]) -> FieldError:
    field = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "missing":
        return FieldError(f"/{field}", "is missing; add it")
    if problem["type"] == "timezone_aware":
        return FieldError(f"/{field}", "has no zone; append `Z` or an offset such as `+08:00`")
    if problem["type"] == "extra_forbidden":
        detail = "is not a field of a gap; remove it: gaps name things, never values"
        if _FIELD_NAME.fullmatch(field):
            return FieldError(f"/{field}", detail)
        # the sender's free text
        return FieldError("", f"has a field whose name is not shown here; it {detail}")
    return FieldError(f"/{field}", _RULES[field])
