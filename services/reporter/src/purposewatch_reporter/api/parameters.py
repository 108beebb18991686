"""Parameters that several resources have in common."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from purposewatch_contract import PUBLISHER_PATTERN
from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN
from purposewatch_reporter.parameters import StorableText, Time

Name = Annotated[StorableText, Field(min_length=1, max_length=256)]
"""A name that is looked up exactly as given."""

ControllerName = Annotated[str, Field(pattern=CONTROLLER_PATTERN)]
"""The name of a controller."""

PublisherName = Annotated[str, Field(pattern=PUBLISHER_PATTERN)]
"""The name of a publisher."""

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


class HourRange(TimeRange):
    """Parameters of a resource that counts by the hour."""

    @field_validator("since", "until")
    @classmethod
    def _is_a_whole_hour(cls, time: datetime | None) -> datetime | None:
        if time is not None:
            utc = time.astimezone(UTC)
            if utc != utc.replace(minute=0, second=0, microsecond=0):
                message = "counts are kept by the hour; give a whole hour in UTC"
                raise ValueError(message)
        return time
