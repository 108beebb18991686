"""Finds the terms of a flow that are outside a vocabulary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Protocol

from purposewatch_policy.decision import Dimension
from purposewatch_policy.vocabulary.model import Taxonomy, Vocabulary

_DATA_CATEGORY: Final = Dimension.DATA_CATEGORY
_FIELDS = {dimension: attrgetter(str(dimension)) for dimension in Dimension}
"""Reads what a flow states, in the dimensions in which it states one term."""


class FlowTerms(Protocol):
    """Anything that states one flow of personal data, such as `purposewatch_policy.flow.Flow`."""

    @property
    def controller(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def recipient(self) -> str: ...
    @property
    def data_categories(self) -> Sequence[str]: ...
    @property
    def source(self) -> str | None: ...
    @property
    def location(self) -> str | None: ...
    @property
    def retention_days(self) -> int | None: ...
    @property
    def legal_basis(self) -> str | None: ...
    @property
    def facts(self) -> Mapping[str, bool]: ...


@dataclass(frozen=True, slots=True)
class UnknownTerm:
    """A term of a flow that the vocabulary does not have."""

    field: str
    """The field of the flow, for example `data_categories`."""
    noun: str
    """What kind of term was expected, for example `data category`."""
    term: str


def stated_term(flow: FlowTerms, category: str, dimension: Dimension) -> str | None:
    """Return what a flow states of one data category, in a dimension of terms."""
    if dimension is _DATA_CATEGORY:
        return category
    term: str | None = _FIELDS[dimension](flow)
    return term


def find_unknown_terms(vocabulary: Vocabulary, flow: FlowTerms) -> tuple[UnknownTerm, ...]:
    """Return the terms that the vocabulary lacks, in the order of the flow's fields."""
    stated: tuple[tuple[str, Taxonomy, tuple[str | None, ...]], ...] = (
        ("role", vocabulary.roles, (flow.role,)),
        ("operation", vocabulary.operations, (flow.operation,)),
        ("purpose", vocabulary.purposes, (flow.purpose,)),
        ("recipient", vocabulary.recipients, (flow.recipient,)),
        ("data_categories", vocabulary.data_categories, tuple(flow.data_categories)),
        ("source", vocabulary.sources, (flow.source,)),
        ("location", vocabulary.locations, (flow.location,)),
        ("legal_basis", vocabulary.legal_bases, (flow.legal_basis,)),
        ("facts", vocabulary.facts, tuple(flow.facts)),
    )
    return tuple(
        UnknownTerm(name, taxonomy.noun, term)
        for name, taxonomy, terms in stated
        for term in terms
        if term is not None and term not in taxonomy
    )
