"""Finds the smallest change of an event that a permit covers and no prohibition overlaps.

The search is exact. For one permit, each dimension either stays or takes another value; what
matters of a value is which prohibitions still overlap the event with it. So the search goes through
the dimensions and keeps, for each set of prohibitions that is left, the cheapest way to get there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from purposewatch_policy.change import EventChange
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.flow import MAX_RETENTION_DAYS
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, stated_term

_DIMENSIONS = tuple(Dimension)
_SUBJECT_MATTER = (Dimension.ROLE, Dimension.DATA_CATEGORY)
"""These can be named more precisely, but not replaced: that would be another event."""


class Cost(NamedTuple):
    """What a change costs; the lowest is the smallest change."""

    dimensions: int = 0
    significance: int = 0
    """Bit set of the changed dimensions, in which earlier ones weigh more."""
    strangeness: int = 0
    """How far the new values are from the stated ones, in steps of preference."""

    def plus(self, other: "Cost") -> "Cost":
        """Return both together."""
        return Cost(*(mine + its for mine, its in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Option:
    """One way to deal with one dimension."""

    prohibiting: int
    """The prohibitions that overlap the event in this dimension."""
    changes: tuple[EventChange, ...] = ()
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class Ways:
    """What can be done to be under one permit."""

    prohibiting: int
    """The prohibitions that can overlap the event at all then."""
    options: list[list[Option]]
    """For each dimension, of which one has to be taken."""

    def smallest(self, most: int) -> Option | None:
        """Return the cheapest change of at most so many dimensions that no prohibition overlaps."""
        fewest = [min(each.cost.dimensions for each in options) for options in self.options]
        inevitable = sum(fewest)
        left = {self.prohibiting: Option(self.prohibiting)}
        for options, number in zip(self.options, fewest, strict=True):
            inevitable -= number
            left = _combined(left, options, most - inevitable)
        return left.get(0)


class EventSearch:
    """Looks for the smallest change of one data category's flow, permit by permit."""

    def __init__(
        self,
        flow: FlowTerms,
        category: str,
        compiled: CompiledPolicy,
        covering: Sequence[int],
        prohibits: int,
    ) -> None:
        """Take the flow and the prohibitions that count.

        `covering` has for each dimension the statements that cover the flow in it.
        """
        self._flow = flow
        self._category = category
        self._compiled = compiled
        self._covering = dict(zip(_DIMENSIONS, covering, strict=True))
        overlapping = compiled.overlaps.by_dimension(flow, category)
        self._overlapping = dict(zip(_DIMENSIONS, overlapping, strict=True))
        self._prohibits = prohibits
        prohibiting = [each for bit, each in enumerate(compiled.statements) if prohibits >> bit & 1]
        self._excepted = {
            dimension: [term for each in prohibiting for term in each.excepted(dimension)]
            for dimension in _DIMENSIONS
        }

    def ways(self, index: int) -> Ways | None:
        """Return what can be done to be under a permit.

        `None` when some prohibition overlaps the event whatever is done.
        """
        permit = self._compiled.statements[index]
        ways: list[list[Option]] = []
        for dimension in _DIMENSIONS[:-1]:  # all but the facts
            ways.append(list(self._options(dimension, index)))
            if not ways[-1]:  # most permits name another role, which can't be replaced
                return None
        conceivable = self._prohibits
        for options in ways:
            conceivable &= _any_of(options)
        facts = self._fact_options(permit, conceivable)
        ways.append(list(facts))
        unavoidable = conceivable
        for options in ways:
            unavoidable &= _all_of(options)
        if unavoidable or not all(ways):
            return None
        return Ways(conceivable, [_distinct(options, conceivable) for options in ways])

    def _options(self, dimension: Dimension, index: int) -> Iterator[Option]:
        permit = self._compiled.statements[index]
        covered = self._covering[dimension] >> index & 1
        if covered:
            yield Option(self._overlapping[dimension] & self._prohibits)
        if dimension is Dimension.RETENTION:
            yield from self._retention_options(permit)
        else:
            yield from self._term_options(dimension, index)

    def _term_options(self, dimension: Dimension, index: int) -> Iterator[Option]:
        taxonomy = self._compiled.vocabulary.taxonomy(dimension)
        named = self._compiled.statements[index].terms(dimension)
        stated = stated_term(self._flow, self._category, dimension)
        covering = self._compiled.sets(dimension)
        overlapping = self._compiled.overlaps.terms(dimension)

        excepted = self._excepted[dimension]

        def is_divided(term: str) -> bool:
            """Whether the statements treat what lies below a term in different ways."""
            return (
                not covering[term] >> index & 1
                or bool(overlapping[term] & ~covering[term] & self._prohibits)
                or any(taxonomy.covers(term, each) for each in excepted)
            )

        terms = other_terms(taxonomy, named, stated, is_divided)
        terms = [term for term in terms if covering[term] >> index & 1]
        if dimension in _SUBJECT_MATTER and stated is not None:
            terms = [term for term in terms if taxonomy.covers(stated, term)]
        if stated is not None:
            terms.sort(key=lambda term: steps_between(taxonomy, stated, term))
        options: dict[int, Option] = {}
        for rank, term in enumerate(terms):
            sets = overlapping[term] & self._prohibits
            change = EventChange(dimension, term, stated)
            _keep_cheapest(options, Option(sets, (change,), _cost(dimension, rank)))
        yield from options.values()

    def _retention_options(self, permit: Statement) -> Iterator[Option]:
        """Yield the spans of other lengths that the permit covers, the nearest first.

        Prohibitions of other roles or data categories do not divide them.
        """
        stated = self._flow.retention_days
        spans = []
        for shortest, longest in self._spans(permit):
            if stated is None:
                nearest = shortest if longest == MAX_RETENTION_DAYS else longest
            else:
                nearest = min(max(stated, shortest), longest)
            if nearest != stated:
                end = None if longest == MAX_RETENTION_DAYS else longest
                spans.append((nearest, (shortest, end)))
        spans.sort(key=lambda each: -each[0] if stated is None else abs(each[0] - stated))
        for rank, (days, span) in enumerate(spans):
            sets = self._compiled.retention(days) & self._prohibits
            change = EventChange(Dimension.RETENTION, days, stated, span=span)
            yield Option(sets, (change,), _cost(Dimension.RETENTION, rank))

    def _spans(self, permit: Statement) -> list[tuple[int, int]]:
        """Return the lengths that a permit covers, divided where a prohibition begins or ends."""
        shortest = permit.retention_at_least or 0
        longest = MAX_RETENTION_DAYS if permit.retention_days is None else permit.retention_days
        overlapping = self._overlapping[Dimension.ROLE] & self._overlapping[Dimension.DATA_CATEGORY]
        ends = {
            end
            for index, each in enumerate(self._compiled.statements)
            if (self._prohibits & overlapping) >> index & 1
            for end in each.retention_ends()
            if shortest <= end < longest
        }
        starts = [shortest, *(end + 1 for end in sorted(ends))]
        return list(zip(starts, [*sorted(ends), longest], strict=True))

    def _fact_options(self, permit: Statement, prohibits: int) -> Iterator[Option]:
        """Return the combinations of facts that matter, given the prohibitions that can apply."""
        stated = self._flow.facts
        needed = dict(permit.unmet(self._flow.facts))
        pinned = {*permit.when, *permit.unless}
        tested = (
            fact
            for index, each in enumerate(self._compiled.statements)
            if prohibits >> index & 1
            for fact in (*each.when, *each.unless)
        )
        left = {prohibits: Option(prohibits)}
        for fact in dict.fromkeys((*needed, *tested)):
            holds = stated.get(fact, False)
            options = []
            if fact not in needed:
                options.append(Option(self._covering_fact(fact, holds=holds)))
            if fact in needed or fact not in pinned:
                change = EventChange(Dimension.FACTS, fact, stated.get(fact), not holds)
                sets = self._covering_fact(fact, holds=not holds)
                options.append(Option(sets, (change,), Cost(strangeness=1)))
            left = _combined(left, options, 0)
        for option in left.values():
            cost = option.cost
            if option.changes:
                cost = _cost(Dimension.FACTS, cost.strangeness)
            yield Option(option.prohibiting, option.changes, cost)

    def _covering_fact(self, fact: str, *, holds: bool) -> int:
        """Return the prohibitions that can still overlap the event with this value of a fact."""
        compiled = self._compiled
        failing = compiled.facts_excluded[fact] if holds else compiled.facts_required.get(fact, 0)
        return self._prohibits & ~failing


def other_terms(
    taxonomy: Taxonomy,
    named: Sequence[str] | None,
    stated: str | None,
    is_divided: Callable[[str], bool],
) -> list[str]:
    """Return terms that a statement names, or that lie below, not vaguer than the stated one.

    `named` is what the statement names, `None` for everything. A term is replaced by the terms
    below it if it is an ancestor of the stated one, and followed by them if statements divide it.
    INVARIANT: a term that is left out is overlapped by every prohibition that overlaps the lowest
    returned or stated term above it.
    """
    above = taxonomy.lineage(stated) if stated is not None else ()
    terms: list[str] = []
    waiting = [*(_children(taxonomy, None) if named is None else named)]
    for term in waiting:  # grows
        if term not in above:
            terms.append(term)
            descends = is_divided(term)
        else:
            descends = term != stated or is_divided(term)
        if descends:
            waiting.extend(_children(taxonomy, term))
    return list(dict.fromkeys(terms))


def steps_between(taxonomy: Taxonomy, one: str, other: str) -> int:
    """Return the steps from one term to another, through a root above all roots."""
    theirs = taxonomy.lineage(other)
    for up, term in enumerate(taxonomy.lineage(one)):
        if term in theirs:
            return up + theirs.index(term)
    return len(taxonomy.lineage(one)) + len(theirs)


def _children(taxonomy: Taxonomy, parent: str | None) -> list[str]:
    return [term for term in taxonomy if taxonomy[term].parent == parent]


def _cost(dimension: Dimension, strangeness: int) -> Cost:
    weight = 1 << (len(_DIMENSIONS) - _DIMENSIONS.index(dimension))
    return Cost(1, weight, strangeness)


def _combined(left: dict[int, Option], options: Iterable[Option], most: int) -> dict[int, Option]:
    """Return the combinations within a number of dimensions, by the prohibitions that are left."""
    reached: dict[int, Option] = {}
    for option in options:
        for before in left.values():
            if before.cost.dimensions + option.cost.dimensions <= most:
                both = Option(
                    before.prohibiting & option.prohibiting,
                    before.changes + option.changes,
                    before.cost.plus(option.cost),
                )
                _keep_cheapest(reached, both)
    return _undominated(reached)


def _any_of(options: Iterable[Option]) -> int:
    """Return the prohibitions that overlap the event under at least one option."""
    overlapping = 0
    for option in options:
        overlapping |= option.prohibiting
    return overlapping


def _all_of(options: Iterable[Option]) -> int:
    """Return the prohibitions that overlap the event under every option."""
    overlapping = -1
    for option in options:
        overlapping &= option.prohibiting
    return overlapping


def _distinct(options: Iterable[Option], prohibits: int) -> list[Option]:
    """Return the options that are worth trying, considering only some prohibitions."""
    kept: dict[int, Option] = {}
    for option in options:
        _keep_cheapest(kept, replace(option, prohibiting=option.prohibiting & prohibits))
    return list(_undominated(kept).values())


def _keep_cheapest(options: dict[int, Option], option: Option) -> None:
    known = options.get(option.prohibiting)
    if known is None or option.cost < known.cost:
        options[option.prohibiting] = option


def _undominated(options: dict[int, Option]) -> dict[int, Option]:
    """Drop the options that another one beats in cost and in the prohibitions that remain."""
    kept: dict[int, Option] = {}
    for option in sorted(options.values(), key=lambda each: each.cost):
        if all(each & ~option.prohibiting for each in kept):
            kept[option.prohibiting] = option
    return kept
