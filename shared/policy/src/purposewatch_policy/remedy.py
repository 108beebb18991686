"""The smallest change of an event or of a policy that would make a violation permitted.

INVARIANT: once a change is made to the event or to the policy, `decide` permits the data category.
A change of the event honours every prohibition.

A change of the **event** gives some dimensions another value. It never hides anything: no stated
value is removed or made vaguer, and neither role nor data category is replaced, since that would be
another event; they may be named more precisely. Minimal means that no such change touches fewer
dimensions. All facts together count as one dimension.

A change of the **policy** widens one permit and narrows every prohibition that overlaps the event.
Minimal means that no widening of one permit touches fewer dimensions; each prohibition is narrowed
in one dimension, or withdrawn where nothing would be left of it.
INVARIANT: no permit is widened that has fewer conditions than another one for the role (or, without
one, for any role) that covers the event's recipient and purpose; nor is a recipient or purpose
added to one that has fewer conditions than another one about that or a part of it. Otherwise
advertising for which one statement asks consent would be added to another one, which asks for none.

Of several minimal changes, the one under the nearest miss is taken, then the one that keeps the
earlier dimensions, then the closest in recipient and purpose (of the policy alone), then the first
in file order.
"""

from dataclasses import dataclass
from functools import cache

from purposewatch_policy.change import (
    Action,
    EventChange,
    PolicyChange,
    change_flow,
)
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import (
    DIMENSION_FIELDS,
    PROHIBITING,
    CategoryDecision,
    Dimension,
    Kind,
    Outcome,
)
from purposewatch_policy.event_remedy import EventSearch, Option
from purposewatch_policy.model import Statement
from purposewatch_policy.nearest import first
from purposewatch_policy.vocabulary import FlowTerms, stated_term

_DIMENSIONS = tuple(Dimension)

_NARROWED = (
    Dimension.DATA_CATEGORY,
    Dimension.PURPOSE,
    Dimension.RECIPIENT,
    Dimension.OPERATION,
    Dimension.ROLE,
    Dimension.SOURCE,
    Dimension.LOCATION,
)
"""The dimensions in which a prohibition can be narrowed, in order of preference."""


@dataclass(frozen=True, slots=True)
class EventRemedy:
    """The smallest change of the event."""

    statement: Statement
    """The permit that would cover it."""
    changes: tuple[EventChange, ...]


@dataclass(frozen=True, slots=True)
class PolicyRemedy:
    """The smallest change of the policy."""

    changes: tuple[PolicyChange, ...]


@dataclass(frozen=True, slots=True)
class Remedies:
    """What would make a violation permitted."""

    event: EventRemedy | None
    obstacle: Statement | None
    """The prohibition because of which the event has no remedy; `None` if the reason is that no
    statement for the role permits anything with that data category."""
    policy: PolicyRemedy | None
    """`None` when the policy has no permit to widen."""


def find_remedies(
    flow: FlowTerms, decided: CategoryDecision, compiled: CompiledPolicy
) -> Remedies | None:
    """Return the smallest changes for one category, decided by this version of the policy.

    `None` for what is permitted, is unknown, or happened when no version was in force: no small
    change would help, or none is needed.
    """
    if decided.outcome is not Outcome.VIOLATION or decided.kind is Kind.POLICY_NOT_IN_FORCE:
        return None
    return _Search(flow, decided, compiled).remedies()


class _Search:
    def __init__(
        self, flow: FlowTerms, decided: CategoryDecision, compiled: CompiledPolicy
    ) -> None:
        self._flow = flow
        self._decided = decided
        self._category = decided.data_category
        self._compiled = compiled
        self._covering = compiled.covering_by_dimension(flow, decided.data_category)
        self._permits = [
            index for index in range(len(compiled.statements)) if compiled.permits >> index & 1
        ]

    def remedies(self) -> Remedies:
        compiled = self._compiled
        found = self._cheapest(compiled.prohibits)
        event = obstacle = None
        if found is not None:
            event = EventRemedy(compiled.statements[found[0]], found[1].changes)
        elif self._decided.kind in PROHIBITING and self._decided.statement is not None:
            obstacle = compiled.statement(self._decided.statement)
        elif (ideal := self._cheapest(0)) is not None:
            obstacle = self._obstacle(ideal[1])
        return Remedies(event, obstacle, self._policy_remedy())

    def _cheapest(self, prohibits: int) -> tuple[int, Option] | None:
        """Return a permit and the changes needed for it, considering only some prohibitions."""
        search = EventSearch(self._flow, self._category, self._compiled, self._covering, prohibits)
        failures = [(self._failures(index), index) for index in self._permits]
        ways = cache(search.ways)
        for most in range(len(_DIMENSIONS) + 1):  # the bound keeps the search narrow
            found = [
                (not self._is_nearest(index), option.cost, index, option)
                for failed, index in failures
                if failed <= most
                and (each := ways(index)) is not None
                and (option := each.smallest(most)) is not None
            ]
            if found:
                _, _, index, option = min(found, key=lambda each: (each[0], each[1][:2], each[2]))
                return index, option
        return None

    def _obstacle(self, change: Option) -> Statement:
        """Return the first prohibition that overlaps the event after a change."""
        changed = change_flow(self._flow, self._category, change.changes)
        return self._compiled.statements[first(self._prohibiting(changed))]

    def _prohibiting(self, flow: FlowTerms) -> int:
        """Return the prohibitions that overlap the first data category of a flow."""
        prohibiting = self._compiled.prohibits
        for overlapping in self._compiled.overlaps.by_dimension(flow, flow.data_categories[0]):
            prohibiting &= overlapping
        return prohibiting

    def _failures(self, index: int) -> int:
        return sum(not covered >> index & 1 for covered in self._covering)

    def _is_nearest(self, index: int) -> bool:
        return self._compiled.statements[index].id == self._decided.statement

    def _policy_remedy(self) -> PolicyRemedy | None:
        if not self._permits:
            return None

        paths = self._compiled.paths(self._flow)

        def rank(index: int) -> tuple[int, bool, list[bool], list[int], int]:
            failed = [not covered >> index & 1 for covered in self._covering]
            steps = [
                next((step for step, near in enumerate(path) if near >> index & 1), len(path))
                for path in paths
            ]
            return sum(failed), not self._is_nearest(index), failed, steps, index

        chosen = min(self._widenable(), key=rank)
        permit = self._compiled.statements[chosen]
        changes: list[PolicyChange] = []
        for dimension, covered in zip(_DIMENSIONS, self._covering, strict=True):
            if not covered >> chosen & 1:
                changes += self._widening(permit, dimension)
        prohibiting = self._prohibiting(change_flow(self._flow, self._category, ()))
        changes += [
            self._narrowing(statement)
            for index, statement in enumerate(self._compiled.statements)
            if prohibiting >> index & 1
        ]
        return PolicyRemedy(tuple(changes))

    def _widenable(self) -> list[int]:
        """Return the permits that may be widened, and those that need not be."""
        compiled = self._compiled
        recipient, purpose = self._flow.recipient, self._flow.purpose
        below_recipient, below_purpose = (path[0] for path in compiled.paths(self._flow))
        same = compiled.permits & compiled.recipient[recipient] & compiled.purpose[purpose]
        partly = compiled.permits & (compiled.recipient[recipient] | below_recipient)
        partly &= compiled.purpose[purpose] | below_purpose
        conditions = [len(each.conditions()) for each in compiled.statements]

        def most(about: int) -> int:
            about = about & compiled.role[self._flow.role] or about
            return max((conditions[each] for each in self._permits if about >> each & 1), default=0)

        least, least_of_others = most(same), most(partly)
        return [
            index
            for index in self._permits
            if conditions[index] >= (least if same >> index & 1 else least_of_others)
            or not self._failures(index)
        ]

    def _widening(self, permit: Statement, dimension: Dimension) -> list[PolicyChange]:
        place = (permit.id, permit.clause, dimension)
        if dimension is Dimension.FACTS:
            return [
                PolicyChange(Action.DROP, *place, terms=(fact,), holds=holds)
                for fact, holds in permit.unmet(self._flow.facts)
            ]
        if dimension is Dimension.RETENTION:
            days = self._flow.retention_days
            if days is not None:
                longest = permit.retention_days
                too_long = longest is not None and days > longest
                action = Action.RAISE if too_long else Action.LOWER
                return [PolicyChange(action, *place, days=days)]
        elif (term := stated_term(self._flow, self._category, dimension)) is not None:
            return self._admitting(permit, dimension, term)
        return [PolicyChange(Action.LIFT, *place)]

    def _admitting(self, permit: Statement, dimension: Dimension, term: str) -> list[PolicyChange]:
        """Return the edits that let a permit cover a term: naming it, not excepting it, or both."""
        place = (permit.id, permit.clause, dimension)
        taxonomy = self._compiled.vocabulary.taxonomy(dimension)
        named = permit.terms(dimension)
        changes = []
        if named is not None and not any(taxonomy.covers(each, term) for each in named):
            changes.append(PolicyChange(Action.ADD, *place, terms=(term,)))
        excepted = tuple(
            each
            for each in permit.excepted(dimension)
            if taxonomy.covers(each, term) or taxonomy.covers(term, each)
        )
        if excepted:
            changes.append(PolicyChange(Action.INCLUDE, *place, terms=excepted))
        return changes

    def _narrowing(self, prohibition: Statement) -> PolicyChange:
        """Return the edit that releases the flow, if possible the stated term and no other."""
        options: list[tuple[bool, PolicyChange]] = []
        for dimension in _NARROWED:
            named: tuple[str, ...] | None = getattr(prohibition, DIMENSION_FIELDS[dimension])
            stated = stated_term(self._flow, self._category, dimension)
            if named is None or stated is None:
                continue
            taxonomy = self._compiled.vocabulary.taxonomy(dimension)
            overlapping = tuple(
                term
                for term in named
                if taxonomy.covers(term, stated) or taxonomy.covers(stated, term)
            )
            if len(overlapping) < len(named):
                change = PolicyChange(
                    Action.REMOVE,
                    prohibition.id,
                    prohibition.clause,
                    dimension,
                    terms=overlapping,
                    defined_terms=self._defined_terms_with(overlapping, dimension, prohibition),
                )
                options.append((overlapping != (stated,), change))
        if not options:
            return PolicyChange(Action.WITHDRAW, prohibition.id, prohibition.clause)
        return min(options, key=lambda option: option[0])[1]

    def _defined_terms_with(
        self, terms: tuple[str, ...], dimension: Dimension, statement: Statement
    ) -> tuple[str, ...]:
        """Return the defined terms by which a statement names terms of a dimension."""
        defined = self._compiled.policy.defined_terms
        return tuple(
            name
            for name in statement.defined_terms
            if defined[name].dimension is dimension
            and not set(terms).isdisjoint(defined[name].terms)
        )
