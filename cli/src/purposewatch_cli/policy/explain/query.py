"""Reads the flow to explain: an event, a bare flow, or what the options state."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from purposewatch_cli.policy.loading import subject_of
from purposewatch_contract import CanonicalEvent, SubmittedEvent
from purposewatch_policy import Flow
from purposewatch_policy.yaml_reader import parse_timestamp

_Model = TypeVar("_Model", bound=BaseModel)

MAX_BYTES = 1024 * 1024
"""The largest event that ingest accepts."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
_FLAGS = {"data_categories": "--data-category", "facts": "--fact"}
_SUBJECT = ("subject", "subject_id")
_NO_FLOW = frozenset({*_SUBJECT, "count"})

_ADVICE = {
    "extra_forbidden": "is not a field; remove it (an event names categories, never values)",
    "missing": "is missing; add it",
    "string_pattern_mismatch": "is not a name; write lower-case words such as `user.contact.email`",
    "timezone_aware": "has no time zone; add one, such as `Z` or `+08:00`",
}


class UnusableError(Exception):
    """The input names no flow to explain. Each complaint says what to do about it."""

    def __init__(self, *complaints: str) -> None:
        self.complaints = complaints
        super().__init__("\n".join(complaints))


@dataclass(frozen=True, slots=True)
class Query:
    """A flow, and the moment at which it happened or would happen."""

    flow: Flow
    at: datetime
    subject: str | None = None
    """The data subject as the event names it; `None` for a flow that is described."""


def read_query(
    content: bytes | None, flags: Mapping[str, object], at: str | None, now: datetime
) -> Query:
    """Return the flow to explain, and when it happens. Raises `UnusableError`.

    Flags are fields of a flow; they outweigh those of the event. Without `at`, the moment is the
    event's own time, or now for anything else.
    """
    stated: dict[str, object] = {}
    moment = now
    subject = None
    if content is not None:
        given = _parsed(content)
        if "data" in given or "specversion" in given:
            event = _event(given)
            moment = event.time
            subject = subject_of(event.data)
            stated = event.data.model_dump(mode="json", exclude=set(_NO_FLOW), exclude_unset=True)
        else:
            stated = {name: value for name, value in given.items() if name not in _NO_FLOW}
    elif not flags:
        message = (
            "name a file with an event (`-` is standard input), or describe the flow: "
            "`--controller`, `--role`, `--operation`, `--purpose`, `--recipient`, `--data-category`"
        )
        raise UnusableError(message)
    if at is not None:
        moment = _moment(at)
    return Query(_flow(stated | dict(flags), by_flags=content is None), moment, subject)


def parse_facts(stated: Iterable[str]) -> dict[str, bool]:
    """Return the facts of flags such as `consent.marketing` or `loan.overdue=false`."""
    facts: dict[str, bool] = {}
    for each in stated:
        name, _, value = each.partition("=")
        if value not in {"", "true", "false"}:
            message = f"`--fact {each}` says neither true nor false; write `--fact {name}=true`"
            raise UnusableError(message)
        facts[name] = value != "false"
    return facts


def _parsed(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_BYTES:
        message = f"the input is longer than {MAX_BYTES} bytes; give one event"
        raise UnusableError(message)
    text = content.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        message = "the input is empty; give one event or flow as a JSON object"
        raise UnusableError(message)
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            message = (
                "the input holds more than one JSON object; give one event "
                "(`purposewatch check` audits many)"
            )
            raise UnusableError(message) from None
        message = (
            f"the input is not JSON (line {error.lineno}, column {error.colno}); "
            "give one event or flow as a JSON object"
        )
        raise UnusableError(message) from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        message = "the input is not JSON; give one event or flow as an object"
        raise UnusableError(message) from None
    if not isinstance(given, dict):
        message = "the input is not a JSON object; give one event or flow as `{...}`"
        raise UnusableError(message)
    return given


def _event(given: dict[str, Any]) -> SubmittedEvent | CanonicalEvent:
    # only a canonical event has this attribute, and a submitted one may not
    if "contentdigest" in given:
        return _validated(CanonicalEvent, given, _field)
    return _validated(SubmittedEvent, given, _field)


def _flow(stated: dict[str, object], *, by_flags: bool) -> Flow:
    return _validated(Flow, stated, _flag if by_flags else _field)


def _validated(
    model: type[_Model], given: Mapping[str, object], name: Callable[[tuple[int | str, ...]], str]
) -> _Model:
    try:
        return model.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        raise UnusableError(*(_complaint(each, name(each["loc"])) for each in details)) from None


def _complaint(error: Mapping[str, Any], name: str) -> str:
    message = error["msg"].removeprefix("Value error, ")
    advice = _ADVICE.get(error["type"], message[:1].lower() + message[1:])
    return f"{name} {advice}"


def _field(location: tuple[int | str, ...]) -> str:
    """Name a field. Anything but a plain name is the sender's text and is left out."""
    parts = [
        str(part) if isinstance(part, int) or _SHOWN_NAME.fullmatch(part) else "<name>"
        for part in location
        if part != "[key]"
    ]
    return f"`{'.'.join(parts)}`" if parts else "the flow"


def _flag(location: tuple[int | str, ...]) -> str:
    if not location:
        return "the flow"
    name = str(location[0])
    return f"`{_FLAGS.get(name, '--' + name.replace('_', '-'))}`"


def _moment(text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        message = f"`--at`: {error}"
        raise UnusableError(message) from error
