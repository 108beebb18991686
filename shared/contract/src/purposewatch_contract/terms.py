"""The alphabets of the identifiers in messages.

Every name in an event is a vocabulary term (`purposewatch_policy.terms`) or an identifier. Both
are restricted to printable ASCII without spaces, so that no name can carry a line break, a terminal
escape or free text about a person into a log, a label or a page.
"""

from typing import Annotated

from pydantic import StringConstraints

PUBLISHER_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
IDENTIFIER_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
SOURCE_PATTERN = r"^/[a-z][a-z0-9-]{0,62}(/[A-Za-z0-9._:-]{1,64}){0,4}$"
PSEUDONYM_PATTERN = r"^psn:[a-z0-9]{1,16}:[0-9a-f]{32}$"
DIGEST_PATTERN = r"^[0-9a-f]{32}$"
ORIGIN_PATTERN = r"^(http|[A-Za-z0-9._-]+/[0-9]+/[0-9]+)$"
TRACEPARENT_PATTERN = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"

Publisher = Annotated[str, StringConstraints(pattern=PUBLISHER_PATTERN)]
"""The registered name of the platform service that published the event."""

Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
"""An event id: opaque, unique within its source."""

Source = Annotated[str, StringConstraints(pattern=SOURCE_PATTERN)]
"""CloudEvents `source`: `/<publisher>`, optionally followed by up to four path segments."""

Pseudonym = Annotated[str, StringConstraints(pattern=PSEUDONYM_PATTERN)]
"""A keyed pseudonym of a data subject: `psn:<key id>:<128 bits in hex>`."""

Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
"""128 bits in hex that identify an event's content."""

TraceParent = Annotated[str, StringConstraints(pattern=TRACEPARENT_PATTERN)]
"""W3C Trace Context `traceparent`."""
