"""What a version of a policy declares, by activity."""

from collections.abc import Mapping
from typing import NamedTuple

from purposewatch_policy import CompiledPolicy, Dimension, Effect, Statement
from purposewatch_policy.vocabulary import Taxonomy
from purposewatch_reporter.processing_record.record import DeclaredTerm, FlowKey

TERMS = (
    Dimension.ROLE,
    Dimension.PURPOSE,
    Dimension.DATA_CATEGORY,
    Dimension.OPERATION,
    Dimension.RECIPIENT,
    Dimension.SOURCE,
    Dimension.LOCATION,
    Dimension.LEGAL_BASIS,
)
"""The dimensions of terms that a record lists."""

OPTIONAL = (Dimension.SOURCE, Dimension.LOCATION, Dimension.LEGAL_BASIS)
"""Those that an event may leave out."""

_BY_KEY = (
    Dimension.ROLE,
    Dimension.DATA_CATEGORY,
    Dimension.PURPOSE,
    Dimension.RECIPIENT,
    Dimension.OPERATION,
)


class ActivityKey(NamedTuple):
    """An activity by the role and the purpose that statements name."""

    role: str | None
    purpose: str


class Declarations:
    """The permits of one version of a policy, by activity; nothing where there is no policy."""

    def __init__(self, compiled: CompiledPolicy | None) -> None:
        self._compiled = compiled
        permits = (
            []
            if compiled is None
            else [each for each in compiled.statements if each.effect is Effect.PERMIT]
        )
        self.permits: tuple[Statement, ...] = tuple(permits)
        self.keys = tuple(dict.fromkeys(key for each in permits for key in _named(each)))
        """Every activity that is declared, in file order."""
        self._sets: list[Mapping[str | None, int]] = (
            [] if compiled is None else [compiled.sets(each) for each in _BY_KEY]
        )
        self._key_of: dict[tuple[str, str], ActivityKey] = {}
        self._covering: dict[FlowKey, int] = {}
        self._bit_of = (
            {}
            if compiled is None
            else {each.id: 1 << index for index, each in enumerate(compiled.statements)}
        )

    def activity(self, role: str, purpose: str) -> ActivityKey:
        """Return the activity of a flow: the most precise one declared, else one of its own."""
        found = self._key_of.get((role, purpose))
        if found is None:
            found = self._key_of[role, purpose] = self._find(role, purpose)
        return found

    def covering(self, flow: FlowKey) -> int:
        """Return the permits that cover a flow, as a set; none for a term that is not known."""
        found = self._covering.get(flow)
        if found is None:
            found = self._covering[flow] = self._find_covering(flow)
        return found

    def _find_covering(self, flow: FlowKey) -> int:
        if self._compiled is None:
            return 0
        members = self._compiled.permits
        for sets, term in zip(self._sets, flow, strict=True):
            members &= sets.get(term, 0)
            if not members:
                break
        return members

    def about(self, key: ActivityKey) -> tuple[Statement, ...]:
        """Return the permits that name the role and the purpose of an activity, or cover both."""
        return tuple(
            each for each in self.permits if key in _named(each) or self._is_about(each, key)
        )

    def includes(self, key: ActivityKey, other: ActivityKey) -> bool:
        """Whether statements that name a declared activity are about a more precise one too."""
        if self._compiled is None or key == other:
            return False
        vocabulary = self._compiled.vocabulary
        if not _is_below(vocabulary.purposes, key.purpose, other.purpose):
            return False
        return any(self._is_about(each, other) for each in self.permits if key in _named(each))

    def covers(self, statements: tuple[Statement, ...], dimension: Dimension, term: str) -> bool:
        """Whether one of the statements covers a term of a dimension."""
        return any(self._covers(each, dimension, term) for each in statements)

    def holds(self, members: int, statement: Statement) -> bool:
        """Whether a statement is in a set that `covering` returned, or in several united."""
        return bool(self._bit_of[statement.id] & members)

    def declared(
        self, statements: tuple[Statement, ...], dimension: Dimension, seen: Mapping[str, int]
    ) -> tuple[DeclaredTerm, ...]:
        """Return what statements name in a dimension, beside what was seen."""
        if self._compiled is None or not statements:
            return ()
        taxonomy = self._compiled.vocabulary.taxonomy(dimension)
        found = {
            (term, _without(taxonomy, term, each.excepted(dimension)))
            for each in statements
            for term in each.terms(dimension) or ()
        }
        order = list(taxonomy)
        return tuple(
            DeclaredTerm(term, without, any(_is_below(taxonomy, term, each) for each in seen))
            for term, without in sorted(found, key=lambda each: (order.index(each[0]), each[1]))
        )

    def _is_about(self, statement: Statement, key: ActivityKey) -> bool:
        return self._covers(statement, Dimension.PURPOSE, key.purpose) and (
            statement.roles is None or self._covers(statement, Dimension.ROLE, key.role)
        )

    def _covers(self, statement: Statement, dimension: Dimension, term: str | None) -> bool:
        if self._compiled is None:
            return False
        members = self._compiled.sets(dimension).get(term, 0)
        return bool(members & self._bit_of[statement.id])

    def _find(self, role: str, purpose: str) -> ActivityKey:
        own = ActivityKey(role, purpose)
        if self._compiled is None:
            return own
        vocabulary = self._compiled.vocabulary
        if role not in vocabulary.roles or purpose not in vocabulary.purposes:
            return own
        candidates = [
            key
            for each in self.about(own)
            for key in _named(each)
            if vocabulary.purposes.covers(key.purpose, purpose)
            and (key.role is None or vocabulary.roles.covers(key.role, role))
        ]
        return min(
            candidates,
            key=lambda key: (
                vocabulary.purposes.lineage(purpose).index(key.purpose),
                len(vocabulary.roles)
                if key.role is None
                else vocabulary.roles.lineage(role).index(key.role),
            ),
            default=own,
        )


def _named(statement: Statement) -> list[ActivityKey]:
    return [
        ActivityKey(role, purpose)
        for role in statement.roles or (None,)
        for purpose in statement.purposes or ()
    ]


def _without(taxonomy: Taxonomy, term: str, excepted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in excepted if taxonomy.covers(term, each))


def _is_below(taxonomy: Taxonomy, term: str, seen: str) -> bool:
    return seen in taxonomy and taxonomy.covers(term, seen)
