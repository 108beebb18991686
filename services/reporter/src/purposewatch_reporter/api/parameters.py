"""Parameters that several resources have in common."""

import re
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from purposewatch_contract import PUBLISHER_PATTERN
from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def read_time(value: Any) -> Any:
    """An RFC 3339 time with zone; ValueError says what is missing."""
    if not isinstance(value, str):
        return value
    text = value.upper()
    if re.search(r"\d \d\d:\d\d$", text):
        message = f"`{value}` has a space before its zone; send `+` as `%2B` in a URL"
        raise ValueError(message)
    if not _RFC_3339.fullmatch(text):
        message = f"`{value}` is not an RFC 3339 time with zone, such as 2026-03-02T08:15:00Z"
        raise ValueError(message)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        message = f"`{value}` is not a time that exists; check the day and the hour"
        raise ValueError(message) from None


Time = Annotated[datetime, BeforeValidator(read_time)]
"""A time in a query."""

Name = Annotated[str, Field(min_length=1, max_length=256)]
"""A name that is looked up exactly as given."""

ControllerName = Annotated[str, Field(pattern=CONTROLLER_PATTERN)]
"""The name of a controller."""

PublisherName = Annotated[str, Field(pattern=PUBLISHER_PATTERN)]
"""The name of a publisher."""

ID_PATTERN = "^[0-9a-f]{32}$"
"""The ids of rows, in paths."""

TermName = Annotated[str, Field(pattern=TERM_PATTERN, max_length=128)]
"""A vocabulary term."""


class TimeRange(BaseModel):
    """Parameters of a resource that can be limited to a time range."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = Field(default=None, description="From this time on; RFC 3339 with zone.")
    until: Time | None = Field(default=None, description="Before this time; RFC 3339 with zone.")

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            message = "`since` must be before `until`"
            raise ValueError(message)
        return self
