"""One flow of personal data, which a policy permits or not.

A flow names categories of data, never their values: it has no field for a personal value, and
unknown fields are rejected.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

TERM_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$"
CONTROLLER_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
# INVARIANT: both patterns admit printable ASCII without spaces alone, so that no name can carry a
# line break, a terminal escape or free text about a person into a log, a label or a page.

MAX_TERM_LENGTH = 128
MAX_DATA_CATEGORIES = 64
MAX_FACTS = 32
MAX_RETENTION_DAYS = 36_525

Term = Annotated[str, StringConstraints(pattern=TERM_PATTERN, max_length=MAX_TERM_LENGTH)]
"""A dotted vocabulary term, for example `user.contact.email`."""

Controller = Annotated[str, StringConstraints(pattern=CONTROLLER_PATTERN)]
"""The organisation whose declared policy applies, for example `wework-labs`."""


class Flow(BaseModel):
    """One flow of personal data, in vocabulary terms."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    controller: Controller
    role: Term = Field(description="Role of the data subject, from the controller's vocabulary.")
    operation: Term = Field(description="collect, use, store, share, erase, or what refines them.")
    purpose: Term = Field(description="Purpose of the processing.")
    recipient: Term = Field(description="Who receives the data; `first_party` is the controller.")
    data_categories: tuple[Term, ...] = Field(
        min_length=1,
        max_length=MAX_DATA_CATEGORIES,
        json_schema_extra={"uniqueItems": True},
        description="Categories of data involved, never their values.",
    )
    source: Term | None = Field(default=None, description="Where the data was obtained.")
    location: Term | None = Field(default=None, description="Where the data is stored.")
    retention_days: int | None = Field(
        default=None,
        ge=0,
        le=MAX_RETENTION_DAYS,
        description="How long the data will be kept, in days.",
    )
    legal_basis: Term | None = Field(default=None, description="Legal basis that is relied on.")
    facts: dict[Term, bool] = Field(
        default_factory=dict,
        max_length=MAX_FACTS,
        description="Named facts that hold or do not; a fact left out does not hold.",
    )

    @model_validator(mode="after")
    def _categories_are_distinct(self) -> Self:
        if len(set(self.data_categories)) != len(self.data_categories):
            message = "names the same data category twice; name each once in `data_categories`"
            raise ValueError(message)
        return self
