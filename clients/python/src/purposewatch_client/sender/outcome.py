"""What follows from an answer of ingest. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

__all__ = [
    "Accepted",
    "Answer",
    "Fault",
    "Halve",
    "Outcome",
    "Refused",
    "Retry",
    "Uncompressed",
    "interpret",
]

_LABEL = re.compile(r"[a-z][a-z_-]{0,39}")
_TYPE_PREFIX = "urn:purposewatch:problem:"
_MAX_ADVICE = 16
_MAX_ERRORS = 100
"""Ingest lists no more; then those that are not named may be refused as well."""
_ABOUT_EVENTS = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one event is refused."""

    reason: str
    """Ingest's class of the error, such as `unknown_term`, or else the problem's name."""
    advice: tuple[str, ...]
    """Ingest's own: each a field and what to do."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The events are acknowledged, except those that have faults."""

    faults: Mapping[int, Fault] = field(default_factory=dict)
    """By the event's index."""
    hints: tuple[str, ...] = ()
    """What ingest advises about events that it accepted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Some events, by their index, are refused; send the others again without them."""

    faults: Mapping[int, Fault]


@dataclass(frozen=True, slots=True)
class Halve:
    """The request can't be taken as a whole: send its halves. A single event is refused."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Uncompressed:
    """Send the same request again without compression."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Keep the events and send them again later."""

    reason: str
    """`unavailable`, `throttled`, `unauthorized`, `forbidden` or `misconfigured`."""
    detail: str
    after_seconds: float | None = None
    """What ingest asks to wait."""


Outcome = Accepted | Refused | Halve | Uncompressed | Retry


def interpret(answer: Answer, *, events: int, compressed: bool) -> Outcome:
    """The outcome of a request with so many events."""
    status = answer.status
    problem = _object(answer.body)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Accepted(_faults(problem, "refused", events), _hints(problem))
    detail = _detail(problem, status)
    fault = Fault(_label(problem, status), (detail,))
    faults = _faults(problem, fault.reason, events)
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE and compressed:
        return Uncompressed()
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Halve(fault)
    if status in _ABOUT_EVENTS and fault.reason != "incomplete":
        return Refused(faults) if faults else Halve(fault)
    # The register may not know the publisher's rights yet. Where other events of the same request
    # are not concerned, it is about the events.
    if status == HTTPStatus.FORBIDDEN and 0 < len(faults) < min(events, _MAX_ERRORS):
        return Refused(faults)
    return Retry(_retry_reason(status), detail, _retry_after(answer))


_INTERRUPTED = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT}


def _retry_reason(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return "unauthorized"
    if status == HTTPStatus.FORBIDDEN:
        return "forbidden"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "throttled"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _INTERRUPTED:
        return "unavailable"
    return "misconfigured"


def _retry_after(answer: Answer) -> float | None:
    """Seconds; a date is left to the back-off."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None  # noqa: PLR2004


def _object(body: bytes) -> dict[str, object]:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _label(problem: dict[str, object], status: int) -> str:
    label = str(problem.get("type", "")).removeprefix(_TYPE_PREFIX)
    return label if _LABEL.fullmatch(label) else f"http-{status}"


def _detail(problem: dict[str, object], status: int) -> str:
    return str(problem.get("detail") or f"HTTP status {status}")[:500]


def _faults(answer: dict[str, object], reason: str, events: int) -> dict[int, Fault]:
    """What `errors` says about each event that it names."""
    found: dict[int, Fault] = {}
    for error in _dicts(answer.get("errors")):
        index = error.get("index")
        if isinstance(index, int) and 0 <= index < events:
            known = found.get(index) or Fault(_class(error, reason), ())
            found[index] = Fault(known.reason, (*known.advice, _advice(error))[:_MAX_ADVICE])
    return found


def _class(error: dict[str, object], reason: str) -> str:
    name = error.get("error_class")
    return name if isinstance(name, str) and _LABEL.fullmatch(name) else reason


def _hints(answer: dict[str, object]) -> tuple[str, ...]:
    """Each once: events of one flow have the same."""
    return tuple(dict.fromkeys(_advice(hint) for hint in _dicts(answer.get("hints"))))


def _advice(about: dict[str, object]) -> str:
    return f"{about.get('field', '')} {about.get('detail', '')}".strip()[:500]


def _dicts(listed: object) -> list[dict[str, object]]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
