"""The filters of a list. All of them are in the page's URL."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from purposewatch_policy import Outcome
from purposewatch_reporter.findings.queries.cursor import read_cursor
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.findings.triage import Status
from purposewatch_reporter.parameters import FormTime, Id, StorableText

WORST_FIRST = tuple(sorted(Severity, key=lambda severity: severity.rank, reverse=True))


class Order(StrEnum):
    """In which order violations are listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SEVERITY = "severity"


def _check_cursor(text: str) -> str:
    read_cursor(text)
    return text


Text = Annotated[
    StorableText, StringConstraints(min_length=1, max_length=256, strip_whitespace=True)
]
ListCursor = Annotated[str, Field(max_length=300), AfterValidator(_check_cursor)]

FINDING_COLUMNS = {
    "controller": "controller",
    "role": "role",
    "category": "data_category",
    "purpose": "purpose",
    "recipient": "recipient",
    "publisher": "publisher",
    "kind": "kind",
    "outcome": "outcome",
    "severity": "severity",
    "finding": "fingerprint",
}
"""Filters that a whole finding matches or does not, and the columns that they are about."""

VIOLATION_COLUMNS = {
    "flow": "flow_id",
    "event_id": "event_id",
    "subject": "subject",
    "statement": "statement",
    "operation": "operation",
    "version": "policy_version",
}
"""Filters that each violation matches by itself, the most selective first."""


class Filters(BaseModel):
    """All given filters must match, those about categories one and the same category."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    since: FormTime | None = None
    until: FormTime | None = None
    controller: Text | None = None
    role: Text | None = None
    category: Text | None = None
    purpose: Text | None = None
    recipient: Text | None = None
    publisher: Text | None = None
    kind: Text | None = None
    outcome: Outcome | None = None
    severity: Severity | None = None
    status: Status | None = None
    assignee: Text | None = None
    finding: Text | None = None
    flow: Id | None = None
    event_id: Text | None = None
    subject: Text | None = None
    statement: Text | None = None
    operation: Text | None = None
    version: Text | None = None

    def given(self) -> dict[str, str]:
        """The filters that are set, as the address writes them."""
        return {
            name: _written(value) for name, value in self if name in FIELDS and value is not None
        }

    def address(self, path: str, **changes: str | None) -> str:
        """The address of a list with these filters, some of them changed or (None) left out."""
        wanted = {**self.given(), **changes}
        query = urlencode({name: value for name, value in wanted.items() if value})
        return f"{path}?{query}" if query else path


FIELDS = tuple(Filters.model_fields)


class ListQuery(Filters):
    """A page of the list of violations."""

    order: Order = Order.NEWEST
    after: ListCursor | None = None
    before: ListCursor | None = None


class FindingOrder(StrEnum):
    """In which order findings are listed."""

    LATEST = "latest"
    SEVERITY = "severity"
    COUNT = "count"
    FIRST = "first"


class FindingQuery(Filters):
    """A page of the list of findings."""

    order: FindingOrder = FindingOrder.LATEST
    page: int = Field(default=1, ge=1, le=10_000)


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    return str(value)
