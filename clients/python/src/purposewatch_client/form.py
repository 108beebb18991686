"""The form of each field, as ingest requires it; whether a term exists, only ingest can say.

The messages name the field and the rule, and never quote a value.
"""

import re
from collections.abc import Mapping
from typing import Any

from purposewatch_client.errors import EventError

__all__ = [
    "check_actor",
    "check_controller",
    "check_count",
    "check_evidence",
    "check_id",
    "check_source",
    "check_subject",
    "check_term",
    "check_traceparent",
    "checked_data",
    "is_traceparent",
]

MAX_CATEGORIES = 64
MAX_FACTS = 32
MAX_RETENTION_DAYS = 36525
MAX_COUNT = 1_000_000
_MAX_TERM = 128

_TERM = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_CONTROLLER = re.compile(r"[a-z][a-z0-9-]{0,62}")
_SOURCE = re.compile(r"/[a-z][a-z0-9-]{0,62}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._:-]{1,64}){0,4}")
_ID = re.compile(r"(?!(?:[._:-]*[0-9]){7,15}[._:-]*\Z)[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_EVIDENCE = re.compile(
    r"(?!(?:[._:-]*[0-9]){7,15}[._:-]*\Z)[A-Za-z0-9][A-Za-z0-9._:/?#=&%+~-]{0,199}"
)
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,256}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)

_SEGMENTS = "of letters, digits, `.`, `_`, `:` or `-`, none of them `.` or `..`"
_TERM_RULE = "must be a vocabulary term: lower-case letters, digits and `_`, joined by dots"
_TERMS = {"role": True, "operation": True, "purpose": True, "recipient": True} | dict.fromkeys(
    ("data_source", "location", "legal_basis"), False
)
"""The fields that hold one term each, and whether they are required."""
_NAMES = {"data_source": "source"}
"""The names in the event of those that have another one there."""


def check_source(source: Any) -> None:
    """Check a CloudEvents `source`."""
    rule = f"must be `/<publisher>`, optionally with up to four more segments {_SEGMENTS}"
    _match("source", source, _SOURCE, rule)


def check_actor(source: str) -> None:
    """Check a `source` that ends with the actor."""
    rule = f"must be one or more segments {_SEGMENTS}; `source` and it have at most five"
    _match("actor", source, _SOURCE, rule)


def check_controller(controller: Any) -> None:
    """Check a controller's name."""
    _match("controller", controller, _CONTROLLER, "must be the controller's name")


def check_count(count: Any) -> None:
    """Check how many accesses an event stands for."""
    _require(
        isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= MAX_COUNT,
        f"`count` must be a whole number of accesses from 1 to {MAX_COUNT}",
    )


def check_id(identifier: Any) -> None:
    """Check an event id."""
    rule = (
        "must be 1 to 128 letters, digits, `.`, `_`, `:` or `-`, the first a letter or digit, and "
        "nothing that could be a telephone number (7 to 15 digits without a letter)"
    )
    _match("id", identifier, _ID, rule)


def check_evidence(evidence: Any) -> None:
    """Check the reference to what proves a fact."""
    rule = (
        "must be 1 to 200 letters, digits or `._:/?#=&%+~-`, the first a letter or digit, and "
        "nothing that could be a telephone number (7 to 15 digits without a letter)"
    )
    _match("evidence", evidence, _EVIDENCE, rule)


def check_subject(subject: Any) -> None:
    """Check the identifier of a data subject."""
    rule = "must be text of 1 to 256 characters, none of them a control character, or a number"
    _match("subject", subject, _SUBJECT, rule)


def check_traceparent(traceparent: Any) -> None:
    """Check a W3C Trace Context `traceparent`."""
    rule = "must be a W3C Trace Context `traceparent`, its ids not all zero"
    _match("traceparent", traceparent, _TRACEPARENT, rule)


def is_traceparent(text: str) -> bool:
    """Whether a text is a W3C Trace Context `traceparent`."""
    return _TRACEPARENT.fullmatch(text) is not None


def checked_data(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The event's `data` without the subject. Raises `EventError`."""
    get = fields.get
    data: dict[str, Any] = {}
    check_controller(get("controller"))
    data["controller"] = get("controller")
    for name, required in _TERMS.items():
        value = get(name)
        if value is None and name == "recipient":
            value = _usual_recipient(get("operation"))
        if value is not None or required:
            check_term(name, value)
            data[_NAMES.get(name, name)] = value
    data["data_categories"] = _categories(get("categories"))
    if (days := get("retention_days")) is not None:
        _require(
            isinstance(days, int)
            and not isinstance(days, bool)
            and 0 <= days <= MAX_RETENTION_DAYS,
            f"`retention_days` must be a whole number of days from 0 to {MAX_RETENTION_DAYS}",
        )
        data["retention_days"] = days
    if facts := get("facts"):
        data["facts"] = _facts(facts)
    return data


def _usual_recipient(operation: Any) -> str | None:
    """Sharing has no usual recipient: a call that forgot it must not look like first-party use."""
    if isinstance(operation, str) and operation.partition(".")[0] == "share":
        return None
    return "first_party"


def _categories(categories: Any) -> list[str]:
    rule = f"`categories` must be a list of 1 to {MAX_CATEGORIES} vocabulary terms"
    try:
        listed = [categories] if isinstance(categories, str) else list(categories or ())
    except TypeError:
        raise EventError(rule) from None
    for category in listed:
        check_term("categories", category)
    listed = list(dict.fromkeys(listed))
    _require(1 <= len(listed) <= MAX_CATEGORIES, rule)
    return listed


def _facts(facts: Any) -> dict[str, bool]:
    rule = f"`facts` must be a mapping of at most {MAX_FACTS} names, each to True or False"
    _require(isinstance(facts, Mapping) and len(facts) <= MAX_FACTS, rule)
    for name, holds in facts.items():
        check_term("facts", name)
        _require(isinstance(holds, bool), rule)
    return dict(facts)


def check_term(name: str, value: Any) -> None:
    """Check the form of a vocabulary term."""
    _match(name, value, _TERM, _TERM_RULE, most=_MAX_TERM)


def _match(
    name: str, value: Any, pattern: re.Pattern[str], rule: str, most: int | None = None
) -> None:
    if value is None:
        message = f"`{name}` is missing"
        raise EventError(message)
    if (
        not isinstance(value, str)
        or (most is not None and len(value) > most)
        or pattern.fullmatch(value) is None
    ):
        message = f"`{name}` {rule}"
        raise EventError(message)


def _require(holds: bool, message: str) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise EventError(message)
