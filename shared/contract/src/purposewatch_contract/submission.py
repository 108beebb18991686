"""Reading submitted events and facts: what is accepted, and why something is refused.

Ingest, and every tool that checks events before they are sent, reads them with this module: JSON
text in, plain values, then a `SubmittedEvent`, a `SubmittedFact` or a readable refusal out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import jiter
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from purposewatch_contract.dead_letter import ErrorClass
from purposewatch_contract.event import EVENT_TYPE, SUBMITTED_SCHEMA, SubmittedEvent
from purposewatch_contract.fact import FACT_TYPE, SUBMITTED_FACT_SCHEMA, SubmittedFact
from purposewatch_contract.terms import MAX_COUNT
from purposewatch_policy import MAX_DATA_CATEGORIES, MAX_FACTS, TERM_PATTERN

__all__ = [
    "MAX_ERRORS",
    "TIME_PATTERN",
    "FieldError",
    "RefusedError",
    "parse_json",
    "read_event",
    "read_fact",
]

MAX_ERRORS = 16
"""Faults reported for one event; further ones show once these are corrected."""

TIME_PATTERN = r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})?"
"""RFC 3339 in ASCII; whether the calendar has it is another matter, and the zone may be missing."""

_MAX_FIELDS = 64
_MAX_NAME_LENGTH = 64
_TERM = re.compile(TERM_PATTERN.removesuffix("$"))
_RFC_3339 = re.compile(TIME_PATTERN, re.ASCII)

_TIME = "must be an RFC 3339 date-time with its zone, such as `2026-03-02T08:15:00Z`"
_TERM_RULE = (
    "must be a vocabulary term: lower-case letters, digits and `_`, joined by dots, at most 128"
)
_ENVELOPE_RULES = {
    "": "must be a JSON object with the CloudEvents 1.0 attributes and `data`",
    "/specversion": "must be `1.0`",
    "/id": "must be text of 1 to 128 letters, digits, `.`, `_`, `:` or `-`, the first a letter or "
    "digit, and nothing that could be a telephone number (7 to 15 digits without a letter)",
    "/source": "must be `/<publisher>`, optionally with up to four more segments of letters, "
    "digits, `.`, `_`, `:` or `-`, none of them `.` or `..`",
    "/time": _TIME,
    "/datacontenttype": "must be `application/json` or left out",
    "/traceparent": "must be a W3C Trace Context `traceparent`, its ids not all zero, or left out",
    "/data": "must be a JSON object",
    "/data/controller": "must be the controller's name: lower-case letters, digits and `-`, at "
    "most 63, such as `wework-labs`",
    "/data/subject_id": "must be text of 1 to 256 characters, none of them a control character",
}
_EVENT_RULES = {
    **_ENVELOPE_RULES,
    "/type": f"must be `{EVENT_TYPE}`",
    "/dataschema": f"must be `{SUBMITTED_SCHEMA}` or left out",
    "/data/data_categories": f"must be a list of 1 to {MAX_DATA_CATEGORIES} vocabulary terms",
    "/data/retention_days": "must be a whole number of days from 0 to 36525, or left out",
    "/data/count": f"must be a whole number of accesses from 1 to {MAX_COUNT}, or left out",
    "/data/facts": f"must be an object of at most {MAX_FACTS} names of facts, each true or false",
}
_FACT_RULES = {
    **_ENVELOPE_RULES,
    "/type": f"must be `{FACT_TYPE}`",
    "/dataschema": f"must be `{SUBMITTED_FACT_SCHEMA}` or left out",
    "/time": f"{_TIME}, from 1900 on",
    "/data/value": "must be true or false",
    "/data/effective_from": f"{_TIME}, from 1900 on; or left out",
    "/data/until": f"{_TIME}, from 1900 on; or left out",
    "/data/evidence": "must be a reference of 1 to 200 printable ASCII characters without spaces, "
    "and nothing that could be a telephone number; or left out",
}
_ADVICE: tuple[tuple[str, str], ...] = (
    ("duplicate key", "names a field twice in one object; name it once"),
    ("recursion limit", "is nested too deeply; an event has three levels"),
    ("unicode", "is not UTF-8; encode it as UTF-8"),
    ("number out of range", "has a number with too many digits"),
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of an event. Never quotes a value of it."""

    field: str
    """JSON pointer to the faulty field; empty for the event as a whole."""
    detail: str
    """What is wrong and what to do."""

    def __str__(self) -> str:
        """Render as one clause of a sentence."""
        return f"`{self.field}` {self.detail}" if self.field else self.detail


class RefusedError(Exception):
    """The event can't be admitted as it stands: reject it, do not retry."""

    def __init__(self, error_class: ErrorClass, *errors: FieldError) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.error_class = error_class
        self.errors = errors


def parse_json(text: bytes) -> object:
    """Parse one JSON value. Raises `RefusedError` that says where, but never quotes the text.

    Beyond the grammar it refuses duplicate names, nesting of more than 200 levels, unpaired
    surrogates, bytes that are not UTF-8, and `NaN` and `Infinity`.
    """
    if not text.strip():
        raise RefusedError(
            ErrorClass.EMPTY, FieldError("", "there is no content; send a CloudEvents JSON object")
        )
    try:
        parsed: object = jiter.from_json(text, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        raise RefusedError(
            ErrorClass.NOT_JSON, FieldError("", _describe(str(error)))
        ) from None  # the parser's message may quote a name from the text
    return parsed


def _describe(message: str) -> str:
    fault = next((advice for part, advice in _ADVICE if part in message), "is not valid JSON")
    _, found, place = message.rpartition(" at line ")
    return f"the content {fault} (line {place})" if found else f"the content {fault}"


def read_event(document: object) -> SubmittedEvent:
    """Check a parsed JSON value against the contract. Changes the document; do not reuse it.

    Raises `RefusedError` with every fault, up to `MAX_ERRORS`. Types are checked as JSON has
    them: text is not a number, and a number is neither a time nor a boolean.
    """
    envelope, errors = _prepare(document, _EVENT_FORM)
    data = envelope.get("data")
    if isinstance(data, dict):
        if isinstance(data.get("facts"), dict) and len(data["facts"]) > MAX_FACTS:
            errors.append(FieldError("/data/facts", _EVENT_RULES["/data/facts"]))
        categories = data.get("data_categories")
        if isinstance(categories, list):
            # one more than allowed is enough to be refused
            data["data_categories"] = tuple(categories[: MAX_DATA_CATEGORIES + 1])
    if errors:
        raise RefusedError(ErrorClass.INVALID_EVENT, *errors)
    try:
        return SubmittedEvent.model_validate(envelope, strict=True)
    except ValidationError as error:
        raise _refused(error, _EVENT_FORM) from None


def read_fact(document: object) -> SubmittedFact:
    """Check the statement of a fact likewise."""
    envelope, errors = _prepare(document, _FACT_FORM)
    data = envelope.get("data")
    if isinstance(data, dict):
        errors += _convert_time(data, "effective_from", "/data") + _convert_time(
            data, "until", "/data"
        )
    if errors:
        raise RefusedError(ErrorClass.INVALID_EVENT, *errors)
    try:
        return SubmittedFact.model_validate(envelope, strict=True)
    except ValidationError as error:
        raise _refused(error, _FACT_FORM) from None


@dataclass(frozen=True, slots=True)
class _Form:
    """What refusals say of one kind of message."""

    noun: str
    names: str
    """What such a message names, instead of personal values."""
    rules: Mapping[str, str]
    """What must hold of a field, by its JSON pointer."""
    across_fields: FieldError
    """The model's only rule across fields; its own message is not used."""


_EVENT_FORM = _Form(
    "an event",
    "events name categories of data, never values",
    _EVENT_RULES,
    FieldError("/data/data_categories", "names a category twice; name each once"),
)
_FACT_FORM = _Form(
    "a fact",
    "a fact is true or false, and nothing else is said of a person",
    _FACT_RULES,
    FieldError("/data/until", "must be after `effective_from`, or after `time` without it"),
)


def _prepare(document: object, form: _Form) -> tuple[dict[str, object], list[FieldError]]:
    """Convert what JSON can't express to the Python types that strict validation requires.

    Values of the wrong shape are left for the validation to refuse.
    """
    if not isinstance(document, dict):
        detail = f"{form.noun} {form.rules['']}"
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail))
    errors = _convert_time(document, "time", "")
    data = document.get("data")
    if len(document) > _MAX_FIELDS:
        detail = f"{form.noun} has more than {_MAX_FIELDS} fields; remove some"
        errors.append(FieldError("", detail))
    if isinstance(data, dict) and len(data) > _MAX_FIELDS:
        errors.append(FieldError("/data", f"has more than {_MAX_FIELDS} fields; remove some"))
    return document, errors


def _convert_time(values: dict[str, object], name: str, parent: str) -> list[FieldError]:
    time = values.get(name)
    if isinstance(time, str) and _RFC_3339.fullmatch(time):
        try:
            values[name] = datetime.fromisoformat(time.upper())
        except ValueError:
            detail = "is not a date and time of the calendar; correct it"
            return [FieldError(f"{parent}/{name}", detail)]
    return []


def _refused(error: ValidationError, form: _Form) -> RefusedError:
    problems = error.errors(include_input=False, include_url=False)
    explained = dict.fromkeys(_explain(problem, form) for problem in problems)
    return RefusedError(ErrorClass.INVALID_EVENT, *list(explained)[:MAX_ERRORS])


def _explain(problem: ErrorDetails, form: _Form) -> FieldError:
    location = problem["loc"]
    kind = problem["type"]
    pointer = _pointer(location)
    if kind == "missing":
        return FieldError(pointer, "is missing; add it")
    if kind == "extra_forbidden":
        return _unknown_field(location, form)
    if kind == "timezone_aware":
        return FieldError(pointer, "has no zone; append `Z` or an offset such as `+08:00`")
    if kind == "value_error" and pointer in {"", "/data"}:
        return form.across_fields
    if location[:2] == ("data", "facts"):
        rule = "must be true or false" if kind == "bool_type" else form.rules["/data/facts"]
        return FieldError(pointer, rule)
    return FieldError(pointer, form.rules.get(pointer, _TERM_RULE))


def _unknown_field(location: Sequence[str | int], form: _Form) -> FieldError:
    """An unknown field's name is the sender's free text: shown only if it could be a term."""
    parent = _pointer(location[:-1])
    of = f"the data of {form.noun}" if parent else form.noun
    detail = f"is not a field of {of}; remove it: {form.names}"
    name = str(location[-1])
    if _is_plain(name):
        return FieldError(f"{parent}/{name}", detail)
    return FieldError(parent, f"has a field whose name is not shown here; it {detail}")


def _pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer of the parts that are safe to show; it ends before the first that is not."""
    pointer = ""
    for part in location:
        if isinstance(part, str) and not _is_plain(part):
            break
        pointer += f"/{part}"
    return pointer


def _is_plain(name: str) -> bool:
    return len(name) <= _MAX_NAME_LENGTH and _TERM.fullmatch(name) is not None
