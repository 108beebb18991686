"""The file of exceptions: YAML that a person completes before it is granted."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from purposewatch_cli.policy.exceptions.needed import Matched, Need
from purposewatch_cli.terminal import counted
from purposewatch_policy import InvalidSourceError
from purposewatch_policy.yaml_reader import Fields, SourceError, as_mapping, read_mapping

_TERMS = ("owner", "reason", "author", "expires_time")
_FILE_FIELDS = ("controller", "policy_version", *_TERMS, "exceptions")
_FIELDS = (*Matched._fields, "owner", "reason", "expires_time")


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms exceptions are granted."""

    owner: str
    reason: str
    author: str
    expires_time: str


@dataclass(frozen=True, slots=True)
class FlowException:
    """One exception."""

    matched: Matched
    terms: Terms


@dataclass(frozen=True, slots=True)
class ExceptionsFile:
    """Exceptions to one version of one controller's policy."""

    controller: str
    policy_version: str
    exceptions: tuple[FlowException, ...]


def written(controller: str, version: str, terms: Terms, needs: Sequence[Need]) -> str:
    """Return the file: the terms once, and each exception with the reason why it is needed."""
    return "".join(_lines(controller, version, terms, needs))


def _lines(controller: str, version: str, terms: Terms, needs: Sequence[Need]) -> Iterator[str]:
    yield (
        "# What this version would newly flag. Each exception may state an `owner`, `reason` or\n"
        "# `expires_time` of its own. Grant them before the version goes live.\n"
    )
    yield _field("controller", controller)
    yield _field("policy_version", version)
    for name in _TERMS:
        yield _field(name, getattr(terms, name))
    yield "exceptions:\n" if needs else "exceptions: []\n"
    for need in needs:
        yield f"  # {counted(need.events, 'event')}, the last at {need.last_time[:19]}Z"
        yield f"; now by {need.now_by}" if need.now_by else ""
        yield f", then {need.then_by}" if need.then_by else ""
        yield "\n"
        marks = ["  - ", *["    "] * (len(Matched._fields) - 1)]
        for mark, name in zip(marks, Matched._fields, strict=True):
            yield mark + _field(name, getattr(need.matched, name))


def _field(name: str, value: str) -> str:
    return f"{name}: {json.dumps(value, ensure_ascii=False)}\n"  # YAML takes strings of JSON


def read_exceptions(path: Path) -> ExceptionsFile:
    """Read a file that was completed. Raises `InvalidSourceError` with every fault."""
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    file = None if root is None else _read(Fields(root, _FILE_FIELDS, "the file", errors), errors)
    if errors or file is None:
        raise InvalidSourceError(errors)
    return file


def _read(fields: Fields, errors: list[SourceError]) -> ExceptionsFile:
    exceptions = []
    for node in fields.items("exceptions", required=True):
        body = as_mapping(node, "an exception", errors)
        if body is None:
            continue
        each = Fields(body, _FIELDS, "an exception", errors)
        values = [each.text(name, required=True) for name in Matched._fields]
        exceptions.append(FlowException(Matched(*values), _terms(each, fields)))
    return ExceptionsFile(
        fields.text("controller", required=True),
        fields.text("policy_version", required=True),
        tuple(exceptions),
    )


def _terms(own: Fields, shared: Fields) -> Terms:
    """The terms of an exception, else those of the file."""

    def text(name: str) -> str:
        fields = own if own.states(name) else shared
        return fields.text(name, required=True)

    expires = own if own.states("expires_time") else shared
    time = expires.timestamp("expires_time", required=True)
    return Terms(
        text("owner"),
        text("reason"),
        shared.text("author", required=True),
        "" if time is None else time.isoformat(),
    )
