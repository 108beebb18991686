"""Statements as bit sets, so that finding those about a flow takes a handful of operations.

Statement number *i* is bit *i* of every set. For each dimension, a term maps to the set of
statements that cover it, including the statements about its ancestors. Within a set, the lowest
bit is the first statement in file order.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter

from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension
from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, Vocabulary

_Names = Callable[[Statement], tuple[str, ...] | None]


class StatementSets:
    """Which of some statements cover what. Immutable by convention.

    Mappings from terms to sets have exactly the terms of the vocabulary: a missing key is an
    unknown term. Where a flow may leave a dimension out, the key `None` holds the statements
    that cover such a flow.
    """

    __slots__ = (
        "_retention_ends",
        "_retention_sets",
        "category",
        "everything",
        "facts_excluded",
        "facts_required",
        "legal_basis",
        "location",
        "no_facts",
        "operation",
        "permits",
        "prohibits",
        "purpose",
        "purpose_paths",
        "recipient",
        "recipient_paths",
        "source",
        "statements",
    )

    def __init__(self, statements: tuple[Statement, ...], vocabulary: Vocabulary) -> None:
        """Compile. Raises `KeyError` for a statement with a term outside the vocabulary."""
        self.statements = statements
        self.everything = (1 << len(statements)) - 1
        self.permits = _set(each.effect is Effect.PERMIT for each in statements)
        self.prohibits = _set(each.effect is Effect.PROHIBIT for each in statements)
        self.category = covering(statements, vocabulary, Dimension.DATA_CATEGORY)
        self.purpose = covering(statements, vocabulary, Dimension.PURPOSE)
        self.recipient = covering(statements, vocabulary, Dimension.RECIPIENT)
        self.purpose_paths = _paths(statements, vocabulary, Dimension.PURPOSE)
        self.recipient_paths = _paths(statements, vocabulary, Dimension.RECIPIENT)
        self.operation = covering(statements, vocabulary, Dimension.OPERATION)

        # What a flow leaves out cannot be shown to comply with a restriction ...
        self.source = _covering_optional(statements, vocabulary, Dimension.SOURCE)
        self.location = _covering_optional(statements, vocabulary, Dimension.LOCATION)
        # ... except for the legal basis: the controller declares it, and an event that repeats it
        # has to agree.
        self.legal_basis = _covering_optional(statements, vocabulary, Dimension.LEGAL_BASIS)
        self.legal_basis[None] = self.everything
        self._retention_ends, self._retention_sets = _retention(statements)
        self.facts_required = {
            fact: required
            for fact in vocabulary.facts
            if (required := _set(fact in each.when for each in statements))
        }
        self.facts_excluded = {
            fact: _set(fact in each.unless for each in statements) for fact in vocabulary.facts
        }
        self.no_facts = _set(not each.when for each in statements)

    def sets(self, dimension: Dimension) -> Mapping[str | None, int]:
        """Return for each value of a dimension of terms the statements that cover it.

        Where a flow may leave the dimension out, the key `None` holds those that cover such a flow.
        """
        name = "category" if dimension is Dimension.DATA_CATEGORY else dimension
        sets: Mapping[str | None, int] = getattr(self, name)
        return sets

    def paths(self, flow: FlowTerms) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return what names something at or below each ancestor, of the recipient and the purpose.

        The first set that a statement is in shows how long a path its terms have in common with
        the flow's.
        """
        return self.recipient_paths[flow.recipient], self.purpose_paths[flow.purpose]

    def retention(self, days: int | None) -> int:
        """Return the statements that cover keeping data for this many days."""
        if days is None:
            return self._retention_sets[-1]
        return self._retention_sets[bisect_left(self._retention_ends, days)]

    def facts(self, facts: Mapping[str, bool]) -> int:
        """Return the statements whose conditions hold. Raises `KeyError` for an unknown fact.

        A fact that is not stated does not hold.
        """
        if not facts:
            return self.no_facts
        failed = 0
        for fact, required in self.facts_required.items():
            if not facts.get(fact):
                failed |= required
        for fact, holds in facts.items():
            excluded = self.facts_excluded[fact]
            if holds:
                failed |= excluded
        return self.everything ^ failed


def covering(
    statements: tuple[Statement, ...], vocabulary: Vocabulary, dimension: Dimension
) -> dict[str, int]:
    """Return for each term the statements that cover it by what they name in its dimension."""
    taxonomy = vocabulary.taxonomy(dimension)
    names = attrgetter(DIMENSION_FIELDS[dimension])
    named = _naming(statements, taxonomy, names)
    unrestricted = _set(names(each) is None for each in statements)
    excepting = _excepting(statements, taxonomy, dimension)
    covered = {}
    for term in taxonomy:
        covered[term] = unrestricted
        for above in taxonomy.lineage(term):
            covered[term] |= named[above]
        covered[term] &= ~excepting.get(term, 0)
    return covered


def positions(members: int) -> Iterator[int]:
    """Yield the members of a bit set in order."""
    while members:
        lowest = members & -members
        yield lowest.bit_length() - 1
        members ^= lowest


def _set(members: Iterable[bool]) -> int:
    bits = "".join("1" if member else "0" for member in members)
    return int(bits[::-1], 2) if bits else 0


def naming_below(
    statements: tuple[Statement, ...], vocabulary: Vocabulary, dimension: Dimension
) -> dict[str, int]:
    """Return for each term the statements that name it or something below it."""
    taxonomy = vocabulary.taxonomy(dimension)
    below = dict.fromkeys(taxonomy, 0)
    named = _naming(statements, taxonomy, attrgetter(DIMENSION_FIELDS[dimension]))
    for term, members in named.items():
        if members:
            for above in taxonomy.lineage(term):
                below[above] |= members
    return below


def _paths(
    statements: tuple[Statement, ...], vocabulary: Vocabulary, dimension: Dimension
) -> dict[str, tuple[int, ...]]:
    taxonomy = vocabulary.taxonomy(dimension)
    below = naming_below(statements, vocabulary, dimension)
    return {term: tuple(below[each] for each in taxonomy.lineage(term)) for term in taxonomy}


def _naming(statements: tuple[Statement, ...], taxonomy: Taxonomy, names: _Names) -> dict[str, int]:
    """Return the statements that name each term, ignoring ancestors."""
    members: dict[str, bytearray] = {
        term: bytearray((len(statements) + 7) // 8) for term in taxonomy
    }
    for index, statement in enumerate(statements):
        for term in names(statement) or ():
            members[term][index >> 3] |= 1 << (index & 7)
    return {term: int.from_bytes(bits, "little") for term, bits in members.items()}


def _excepting(
    statements: tuple[Statement, ...], taxonomy: Taxonomy, dimension: Dimension
) -> dict[str, int]:
    """Return for each term the statements that do not cover it because of their exceptions.

    A prohibition leaves out what it excepts; a permit also what lies above that, since a more
    general term includes it.
    """
    if not any(each.exceptions for each in statements):
        return {}
    excepting = dict.fromkeys(taxonomy, 0)
    permits = _set(each.effect is Effect.PERMIT for each in statements)
    named = _naming(statements, taxonomy, lambda each: each.excepted(dimension))
    for term in taxonomy:
        for above in taxonomy.lineage(term):
            excepting[term] |= named[above]
            excepting[above] |= named[term] & permits
    return excepting


def _covering_optional(
    statements: tuple[Statement, ...], vocabulary: Vocabulary, dimension: Dimension
) -> dict[str | None, int]:
    names = attrgetter(DIMENSION_FIELDS[dimension])
    unstated = _set(
        names(each) is None and not (each.effect is Effect.PERMIT and each.excepted(dimension))
        for each in statements
    )
    sets: dict[str | None, int] = {None: unstated}
    sets.update(covering(statements, vocabulary, dimension))
    return sets


def _retention(statements: tuple[Statement, ...]) -> tuple[list[int], list[int]]:
    """Return the ends of the spans of days that the same statements cover, and these statements.

    There are two more sets than ends: that of the span without an end, and last the statements that
    cover a flow which does not state its retention.
    """
    changing: dict[int, int] = {}
    for index, each in enumerate(statements):
        for end in each.retention_ends():
            changing[end] = changing.get(end, 0) ^ 1 << index
    ends = sorted(changing)
    covering = _set(each.retention_at_least is None for each in statements)
    sets = [covering]
    for end in ends:
        covering ^= changing[end]
        sets.append(covering)
    return ends, [*sets, _set(not each.limits_retention for each in statements)]
