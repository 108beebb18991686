"""The alphabet of vocabulary terms and controllers.

Names are restricted to printable ASCII without spaces, so that no name can carry a line break, a
terminal escape or free text about a person into a log, a label or a page.
"""

from typing import Annotated

from pydantic import StringConstraints

TERM_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$"
CONTROLLER_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"

Term = Annotated[str, StringConstraints(pattern=TERM_PATTERN, max_length=128)]
"""A dotted vocabulary term, for example `user.contact.email`."""

Controller = Annotated[str, StringConstraints(pattern=CONTROLLER_PATTERN)]
"""The organisation whose declared policy applies, for example `wework-labs`."""
