"""What another policy would have decided about the recorded flows. Pure.

Each distinct flow is decided once, so the cost does not depend on the number of events. The
candidate decides every flow as if it had been in force all the time, whatever its dates.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from purposewatch_policy import CategoryDecision, CompiledPolicy, Decision, Outcome
from purposewatch_reporter.flows.flow import (
    DecidedCategory,
    FlowCount,
    FlowOutline,
    LedgerFlow,
)
from purposewatch_reporter.what_if.known_facts import FactIndependence, decide_as_recorded
from purposewatch_reporter.what_if.stated import StatedTerms, Unstated
from purposewatch_reporter.what_if.unaffected import Unaffected


class Change(StrEnum):
    """What becomes of a flow, in the order in which effects are listed."""

    BECOMES_VIOLATION = "becomes_violation"
    """It was permitted, or unknown."""
    BECOMES_PERMITTED = "becomes_permitted"
    """It was a violation, or unknown."""
    CHANGES_KIND = "changes_kind"
    """The outcome stays, and the kind changes, or the outcome or kind of a data category does."""
    BECOMES_UNKNOWN = "becomes_unknown"
    """It was permitted, or a violation."""
    NOT_KNOWN = "not_known"
    """It depends on facts about which nothing was recorded."""
    UNCHANGED = "unchanged"


_ORDER = {change: number for number, change in enumerate(Change)}
_BECOMES = {
    Outcome.VIOLATION: Change.BECOMES_VIOLATION,
    Outcome.PERMITTED: Change.BECOMES_PERMITTED,
    Outcome.UNKNOWN: Change.BECOMES_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Decided:
    """An outcome with its reasons, before or after."""

    outcome: Outcome
    kind: str | None
    categories: tuple[DecidedCategory, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one flow that was decided in one way."""

    change: Change
    flow: LedgerFlow
    before: Decided
    versions: tuple[str, ...]
    """Of the policy that it was decided by."""
    after: Decided | None
    """`None` exactly if it is not known."""
    missing: tuple[str, ...]
    """The facts for want of which it is not known."""
    events: int
    accesses: int
    """How many accesses the events stand for."""
    first_time: datetime
    last_time: datetime
    publishers: tuple[str, ...]


@dataclass(slots=True)
class Amount:
    """How much happened."""

    flows: int = 0
    """Rows of the answer: a flow that was decided in two ways counts twice."""
    events: int = 0
    accesses: int = 0
    publishers: set[str] = field(default_factory=set)

    def add(self, events: int, accesses: int, publishers: Iterable[str]) -> None:
        """Add one flow."""
        self.flows += 1
        self.events += events
        self.accesses += accesses
        self.publishers.update(publishers)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer."""

    candidate: CompiledPolicy
    effects: tuple[Effect, ...]
    """What changes, sorted by change, then by the number of events; beside it the flows that were
    asked for, also if they are unchanged."""
    totals: dict[Change, Amount]
    other: Amount
    """Counted under `(other)`, beyond the limit of distinct flows, so not decided."""
    carried: Amount
    """Counted before there was a record of whole flows, so not decided."""
    unstated: tuple[Unstated, ...]
    """What the candidate depends on and no event stated: see `StatedTerms`."""

    @property
    def decided(self) -> Amount:
        """All that the candidate decided, and what is not known."""
        total = Amount()
        for amount in self.totals.values():
            total.flows += amount.flows
            total.events += amount.events
            total.accesses += amount.accesses
            total.publishers |= amount.publishers
        return total


class WhatIfComparison:
    """Takes in the counts of flows bit by bit, and answers at the end."""

    def __init__(
        self,
        candidate: CompiledPolicy,
        before: Iterable[CompiledPolicy],
        *,
        wanted: Collection[bytes] = (),
    ) -> None:
        """`before` are the declared versions, `wanted` the flows to list in any case, by id."""
        self._candidate = candidate
        self._wanted = frozenset(wanted)
        self._totals = {change: Amount() for change in Change}
        self._other, self._carried = Amount(), Amount()
        before = tuple(before)
        self._stated = StatedTerms(candidate, before)
        self._unaffected = Unaffected(candidate, before)
        self._effects: dict[tuple[bytes, Decided], Effect] = {}
        self._independence = FactIndependence(candidate)

    def add_sure(self, outlines: Iterable[FlowOutline]) -> list[bytes]:
        """Take in what is sure to stay as it was, and what can't be decided.

        Returns the ids of the other decisions, whose counts are to be added.
        """
        others: list[bytes] = []
        unchanged = self._totals[Change.UNCHANGED]
        for each in outlines:
            if each.is_other or each.is_carried:
                amount = self._other if each.is_other else self._carried
            elif each.flow_id in self._wanted or not self._unaffected.is_sure(
                each.digest, each.role, each.recipient, each.data_categories
            ):
                others.append(each.decision_id)
                continue
            else:
                self._stated.add(each)
                amount = unchanged
            amount.flows += 1
            for part in each.amounts:
                amount.events += part.events
                amount.accesses += part.accesses
                amount.publishers.add(part.publisher)
        return others

    def add(self, counts: Iterable[FlowCount]) -> None:
        """Compare some counts."""
        for count in counts:
            if count.flow.is_other or count.flow.is_carried:
                amount = self._other if count.flow.is_other else self._carried
                amount.add(count.events, count.accesses, count.publishers)
            else:
                self._compare(count)

    def _compare(self, count: FlowCount) -> None:
        flow = count.flow
        self._stated.add(flow.terms)
        is_wanted = flow.id in self._wanted
        sure = None if is_wanted else self._independence.decide(flow.terms)
        if sure is not None and _is_alike(count, sure):  # most flows
            self._totals[Change.UNCHANGED].add(count.events, count.accesses, count.publishers)
            return
        decision, missing = decide_as_recorded(flow.terms, self._candidate, flow.ledger)
        if not missing and not is_wanted and _is_alike(count, decision):
            self._totals[Change.UNCHANGED].add(count.events, count.accesses, count.publishers)
            return
        after = decided_of(decision)
        before = Decided(Outcome(count.outcome), count.kind, count.categories)
        change = Change.NOT_KNOWN if missing else change_of(before, after)
        self._totals[change].add(count.events, count.accesses, count.publishers)
        effect = Effect(
            change,
            flow,
            before,
            () if count.version is None else (count.version,),
            None if missing else after,
            missing,
            count.events,
            count.accesses,
            count.first_time,
            count.last_time,
            count.publishers,
        )
        key = flow.id, before
        known = self._effects.get(key)
        self._effects[key] = effect if known is None else _joined(known, effect)

    def answer(self) -> WhatIf:
        """The answer for what was added so far."""
        return WhatIf(
            self._candidate,
            tuple(sorted(self._effects.values(), key=_rank)),
            self._totals,
            self._other,
            self._carried,
            self._stated.unstated(),
        )


def compare(
    candidate: CompiledPolicy,
    before: Iterable[CompiledPolicy],
    counts: Iterable[FlowCount],
    *,
    wanted: Collection[bytes] = (),
) -> WhatIf:
    """Say what the candidate would have decided about all of the counted flows."""
    comparison = WhatIfComparison(candidate, before, wanted=wanted)
    comparison.add(counts)
    return comparison.answer()


def change_of(before: Decided, after: Decided) -> Change:
    """What lies between two decisions about the same flow."""
    if before.outcome is not after.outcome:
        return _BECOMES[after.outcome]
    if before.kind != after.kind or _kinds(before) != _kinds(after):
        return Change.CHANGES_KIND
    return Change.UNCHANGED


def _is_alike(count: FlowCount, decision: Decision) -> bool:
    """Whether every data category has the outcome and kind that it had, as in most flows."""
    before, after = count.categories, decision.categories
    if len(before) != len(after):
        return False
    for was, now in zip(before, after, strict=True):
        if (
            was.data_category != now.data_category
            or was.outcome != now.outcome
            or was.kind != now.kind
        ):
            return False
    return True


def decided_of(decision: Decision) -> Decided:
    """A decision as the ledger has it."""
    return Decided(
        decision.outcome,
        None if decision.kind is None else str(decision.kind),
        tuple(map(_category, decision.categories)),
    )


def _category(decided: CategoryDecision) -> DecidedCategory:
    return DecidedCategory(
        decided.data_category,
        decided.outcome,
        None if decided.kind is None else str(decided.kind),
        decided.statement,
        decided.is_nearest_miss,
    )


def _kinds(decided: Decided) -> set[tuple[str, str, str | None]]:
    return {(each.data_category, each.outcome, each.kind) for each in decided.categories}


def _joined(one: Effect, other: Effect) -> Effect:
    """The same flow, decided alike by two versions."""
    return Effect(
        one.change,
        one.flow,
        one.before,
        tuple(sorted({*one.versions, *other.versions})),
        one.after,
        one.missing,
        one.events + other.events,
        one.accesses + other.accesses,
        min(one.first_time, other.first_time),
        max(one.last_time, other.last_time),
        tuple(sorted({*one.publishers, *other.publishers})),
    )


def _rank(effect: Effect) -> tuple[int, int, bytes]:
    return _ORDER[effect.change], -effect.events, effect.flow.id
