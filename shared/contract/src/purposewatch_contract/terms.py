"""The alphabets of the identifiers in messages, and the range of an event's count.

Every name in an event is a vocabulary term (`purposewatch_policy.terms`) or an identifier. Both
are restricted to printable ASCII without spaces, so that no name can carry a line break, a terminal
escape or free text about a person into a log, a label or a page.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

PUBLISHER_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
IDENTIFIER_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
SOURCE_PATTERN = r"^/[a-z][a-z0-9-]{0,62}(/[A-Za-z0-9._:-]{1,64}){0,4}$"
PSEUDONYM_PATTERN = r"^psn:[a-z0-9]{1,16}:[0-9a-f]{32}$"
DIGEST_PATTERN = r"^[0-9a-f]{32}$"
ORIGIN_PATTERN = r"^(http|[A-Za-z0-9._-]+/[0-9]+/[0-9]+)$"
TRACEPARENT_PATTERN = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
EVIDENCE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/?#=&%+~-]{0,199}$"
SUBJECT_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"
MAX_SUBJECT = 256

TELEPHONE_PATTERN = r"^([._:-]*[0-9]){7,15}[._:-]*$"
"""Texts that could be a telephone number: of digits, as many as E.164 allows, and punctuation."""

DOT_SEGMENT_PATTERN = r"/\.{1,2}(/|$)"
"""A path segment `.` or `..`: whoever resolves it as RFC 3986 does reads another path."""

INVALID_TRACEPARENT_PATTERN = r"^ff|-0{32}-|-0{16}-"
"""What W3C Trace Context forbids: version `ff`, and a trace id or a parent id that is all zero."""

Publisher = Annotated[str, StringConstraints(pattern=PUBLISHER_PATTERN)]
"""The registered name of the platform service that published the event."""

Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
"""An event id: opaque, unique within its source."""

Source = Annotated[str, StringConstraints(pattern=SOURCE_PATTERN)]
"""CloudEvents `source`: `/<publisher>`, optionally followed by up to four path segments."""

Pseudonym = Annotated[str, StringConstraints(pattern=PSEUDONYM_PATTERN)]
"""A keyed pseudonym of a data subject: `psn:<key id>:<128 bits in hex>`."""

SubjectId = Annotated[str, StringConstraints(pattern=SUBJECT_PATTERN, max_length=MAX_SUBJECT)]
"""A publisher's identifier of a data subject: any text without control characters."""

Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
"""128 bits in hex that identify an event's content."""

Evidence = Annotated[str, StringConstraints(pattern=EVIDENCE_PATTERN)]
"""A reference, an id or a URL, to what proves a fact in the system that states it."""

TraceParent = Annotated[str, StringConstraints(pattern=TRACEPARENT_PATTERN)]
"""W3C Trace Context `traceparent`."""

MAX_COUNT = 1_000_000


def _is_one(count: int) -> bool:
    return count == 1


Count = Annotated[int, Field(ge=1, le=MAX_COUNT, exclude_if=_is_one)]
"""How many accesses an event stands for. Messages leave out 1, which is the default."""


@dataclass(frozen=True, slots=True)
class _Without:
    """Refuses a text in which the pattern is found. JSON Schema expresses it as `not`."""

    pattern: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        find = re.compile(self.pattern).search

        def check(text: str) -> str:
            if find(text):
                message = "has a form that is not accepted"
                raise ValueError(message)
            return text

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "not": {"pattern": self.pattern}}


# What publishers may no longer send stays valid in the messages of the services: topics and ledgers
# hold events that were accepted before.
SubmittedIdentifier = Annotated[Identifier, _Without(TELEPHONE_PATTERN)]
SubmittedSource = Annotated[Source, _Without(DOT_SEGMENT_PATTERN)]
SubmittedEvidence = Annotated[Evidence, _Without(TELEPHONE_PATTERN)]
SubmittedTraceParent = Annotated[TraceParent, _Without(INVALID_TRACEPARENT_PATTERN)]

_TRACEPARENT = re.compile(TRACEPARENT_PATTERN.removesuffix("$"))
_NO_TRACE_ID, _NO_PARENT_ID = f"-{'0' * 32}-", f"-{'0' * 16}-"


def is_traceparent(text: str) -> bool:
    """Whether W3C Trace Context accepts the text as a `traceparent` of four fields."""
    return (
        _TRACEPARENT.fullmatch(text) is not None
        and not text.startswith("ff")  # from here on as INVALID_TRACEPARENT_PATTERN, but faster
        and _NO_TRACE_ID not in text
        and _NO_PARENT_ID not in text
    )


Instant = Annotated[
    AwareDatetime,
    Field(
        ge=datetime.min.replace(tzinfo=UTC),
        le=datetime.max.replace(tzinfo=UTC),
    ),
]
"""A time that UTC can express: every service goes on with that. An offset can lead out of it."""
