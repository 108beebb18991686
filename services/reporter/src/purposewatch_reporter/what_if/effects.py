"""What another policy would have decided about the recorded flows. Pure.

Each distinct flow is decided once, so the cost does not depend on the number of events. The
candidate decides every flow as if it had been in force all the time, whatever its dates.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from purposewatch_policy import CategoryDecision, CompiledPolicy, Decision, Outcome
from purposewatch_reporter.flows import flow
from purposewatch_reporter.flows.flow import (
    DecidedCategory,
    FlowCount,
    FlowOutline,
    LedgerFlow,
)
from purposewatch_reporter.what_if.known_facts import decide_as_recorded
from purposewatch_reporter.what_if.outcomes import FlowOutcome, Outcomes
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


class EffectSummary(msgspec.Struct, frozen=True, gc=False):
    """What is known of an effect before it is read whole: see `effects_of`."""

    change: Change
    flow_id: bytes
    decision_ids: tuple[bytes, ...]
    """The recorded decisions that it is about."""
    events: int

    def joined(self, other: "EffectSummary") -> "EffectSummary":
        """The same flow, decided alike by two versions."""
        return EffectSummary(
            self.change,
            self.flow_id,
            (*self.decision_ids, *other.decision_ids),
            self.events + other.events,
        )


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
    effects: tuple[EffectSummary, ...]
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
        self._outcomes = Outcomes(candidate)
        self._effects: dict[object, EffectSummary] = {}

    def add(self, outlines: Iterable[FlowOutline[flow.Amount]]) -> None:
        """Decide some flows."""
        whole = list(outlines)
        self._stated.add([each for each in whole if not (each.is_other or each.is_carried)])
        for each in whole:
            if each.is_other or each.is_carried:
                amount = self._other if each.is_other else self._carried
            else:
                amount = self._totals[self._compare(each)]
            amount.flows += 1
            for part in each.amounts:
                amount.events += part.events
                amount.accesses += part.accesses
                amount.publishers.add(part.publisher)

    def _compare(self, each: FlowOutline[flow.Amount]) -> Change:
        is_wanted = each.flow_id in self._wanted
        if not is_wanted and self._unaffected.is_sure(
            each.digest, each.role, each.recipient, each.data_categories
        ):
            return Change.UNCHANGED
        after = self._outcomes.decide(each, each.ledger)
        change = _change(each, after)
        if is_wanted or change is not Change.UNCHANGED:
            events = sum([part.events for part in each.amounts])
            effect = EffectSummary(change, each.flow_id, (each.decision_id,), events)
            key = each.flow_id, each.outcome, each.kind, each.decided
            known = self._effects.get(key)
            self._effects[key] = effect if known is None else known.joined(effect)
        return change

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


def effects_of(candidate: CompiledPolicy, counts: Iterable[FlowCount]) -> list[Effect]:
    """What the candidate changes about some decisions with all that is shown of it, sorted."""
    outcomes = Outcomes(candidate)
    effects: dict[tuple[bytes, Decided], Effect] = {}
    for count in counts:
        effect = _effect(candidate, outcomes, count)
        key = effect.flow.id, effect.before
        known = effects.get(key)
        effects[key] = effect if known is None else _joined(known, effect)
    return sorted(effects.values(), key=lambda each: _place(each.change, each.events, each.flow.id))


def _effect(candidate: CompiledPolicy, outcomes: Outcomes, count: FlowCount) -> Effect:
    flow = count.flow
    before = Decided(Outcome(count.outcome), count.kind, count.categories)
    outcome = outcomes.decide(flow.terms, flow.ledger)
    decision, _ = decide_as_recorded(flow.terms, candidate, flow.ledger)
    after = None if outcome.missing else decided_of(decision)
    return Effect(
        Change.NOT_KNOWN if after is None else change_of(before, after),
        flow,
        before,
        () if count.version is None else (count.version,),
        after,
        outcome.missing,
        count.events,
        count.accesses,
        count.first_time,
        count.last_time,
        count.publishers,
    )


def change_of(before: Decided, after: Decided) -> Change:
    """What lies between two decisions about the same flow."""
    if before.outcome is not after.outcome:
        return _BECOMES[after.outcome]
    if before.kind != after.kind or _kinds(before.categories) != _kinds(after.categories):
        return Change.CHANGES_KIND
    return Change.UNCHANGED


def _change(before: FlowOutline[flow.Amount], after: FlowOutcome) -> Change:
    """The same, of what is known without the reasons."""
    if after.missing:
        return Change.NOT_KNOWN
    if before.outcome != after.outcome:
        return _BECOMES[after.outcome]
    if after.outcome is Outcome.PERMITTED:
        return Change.UNCHANGED  # so is every data category
    decided = zip(before.data_categories, after.categories, strict=True)
    if before.kind != after.kind or _kinds(before.categories) != {
        (category, each.outcome, each.kind) for category, each in decided
    }:
        return Change.CHANGES_KIND
    return Change.UNCHANGED


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


def _kinds(categories: Iterable[DecidedCategory]) -> set[tuple[str, str, str | None]]:
    return {(each.data_category, each.outcome, each.kind) for each in categories}


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


def _rank(effect: EffectSummary) -> tuple[int, int, bytes]:
    return _place(effect.change, effect.events, effect.flow_id)


def _place(change: Change, events: int, flow_id: bytes) -> tuple[int, int, bytes]:
    return _ORDER[change], -events, flow_id
