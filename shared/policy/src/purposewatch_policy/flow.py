"""One flow of personal data: what a policy is asked about.

A flow names categories of data, never their values: it has no field where a personal value
belongs, and unknown fields are refused.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from purposewatch_policy.terms import Controller, Term

MAX_DATA_CATEGORIES = 64
MAX_FACTS = 32


class Flow(BaseModel):
    """One flow of personal data, in vocabulary terms: what a policy is asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    controller: Controller
    role: Term = Field(description="Role of the data subject, from the controller's vocabulary.")
    operation: Term = Field(description="collect, use, store, share, erase, or what refines them.")
    purpose: Term = Field(description="Purpose of the processing.")
    recipient: Term = Field(description="Who receives the data; `first_party` is the controller.")
    data_categories: tuple[Term, ...] = Field(
        min_length=1,
        max_length=MAX_DATA_CATEGORIES,
        description="Categories of data involved, never their values.",
    )
    source: Term | None = Field(default=None, description="Where the data was obtained.")
    location: Term | None = Field(default=None, description="Where the data is stored.")
    retention_days: int | None = Field(
        default=None, ge=0, le=36_525, description="How long the data will be kept, in days."
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
