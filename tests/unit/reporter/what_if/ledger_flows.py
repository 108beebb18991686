"""Counts of flows as the flow ledger has them, made of single events."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from purposewatch_contract.codec import Flow
from purposewatch_policy import (
    CompiledPolicy,
    Decision,
    FlowTerms,
    LedgerValues,
    PolicySet,
    decide,
    relevant_facts,
)
from purposewatch_reporter.flows.flow import (
    DecidedCategory,
    FlowCount,
    FlowOutline,
    LedgerFlow,
    Sum,
)
from purposewatch_reporter.what_if.effects import (
    Amount,
    Change,
    Effect,
    WhatIfComparison,
    effects_of,
)
from purposewatch_reporter.what_if.stated import Unstated


@dataclass(frozen=True)
class Happened:
    """One event, and what was true about its subject then."""

    flow: FlowTerms
    at: datetime
    truth: LedgerValues
    """Of every fact that systems answer for, also of those that nobody looked up."""
    publisher: str = "crm"
    accesses: int = 1

    def recorded(self, policies: PolicySet) -> LedgerFlow:
        """The flow with the facts that the auditor looked up."""
        compiled = policies.in_force(self.flow.controller, self.at)
        facts = () if compiled is None else relevant_facts(self.flow, compiled)
        return ledger_flow(self.flow, {fact: self.truth.get(fact) for fact in facts})

    def decided(self, policies: PolicySet) -> Decision:
        """What the auditor decided."""
        return decide(self.flow, self.at, policies, self.truth)


def ledger_flow(flow: FlowTerms, ledger: LedgerValues) -> LedgerFlow:
    """A flow of the ledger; equal ones have equal ids."""
    terms = Flow(
        flow.controller,
        flow.role,
        flow.operation,
        flow.purpose,
        flow.recipient,
        tuple(sorted(flow.data_categories)),
        flow.source,
        flow.location,
        flow.retention_days,
        flow.legal_basis,
        dict(sorted(flow.facts.items())),
    )
    text = repr((terms, sorted(ledger.items())))
    return LedgerFlow(hashlib.blake2b(text.encode(), digest_size=16).digest(), terms, ledger)


def categories_of(decision: Decision) -> tuple[DecidedCategory, ...]:
    """The decisions about data categories as the ledger has them."""
    found = [
        DecidedCategory(
            each.data_category,
            str(each.outcome),
            None if each.kind is None else str(each.kind),
            each.statement,
            each.is_nearest_miss,
        )
        for each in decision.categories
    ]
    return tuple(sorted(found, key=lambda each: each.data_category))


def counted(events: Iterable[Happened], policies: PolicySet) -> list[FlowCount]:
    """What the ledger counts, by flow and decision."""
    groups: dict[object, list[tuple[Happened, LedgerFlow, Decision]]] = {}
    for event in events:
        flow, decision = event.recorded(policies), event.decided(policies)
        key = flow.id, decision.policy_version, categories_of(decision)
        groups.setdefault(key, []).append((event, flow, decision))
    counts = []
    for group in groups.values():
        happened = [event for event, _, _ in group]
        _, flow, decision = group[0]
        counts.append(
            FlowCount(
                flow,
                str(decision.outcome),
                None if decision.kind is None else str(decision.kind),
                decision.policy_version,
                decision.policy_digest,
                categories_of(decision),
                len(group),
                sum(each.accesses for each in happened),
                min(each.at for each in happened),
                max(each.at for each in happened),
                tuple(sorted({each.publisher for each in happened})),
            )
        )
    return counts


@dataclass(frozen=True)
class Compared:
    """An answer with its effects whole."""

    effects: tuple[Effect, ...]
    totals: dict[Change, Amount]
    decided: Amount
    other: Amount
    carried: Amount
    unstated: tuple[Unstated, ...]


def compare(
    candidate: CompiledPolicy,
    before: Iterable[CompiledPolicy],
    counts: Sequence[FlowCount],
    *,
    wanted: Collection[bytes] = (),
) -> Compared:
    """What the candidate would have decided, as what reads the ledger finds it out."""
    by_id = {number.to_bytes(16): count for number, count in enumerate(counts)}
    comparison = WhatIfComparison(candidate, before, wanted=wanted)
    comparison.add(outline(name, count) for name, count in by_id.items())
    answer = comparison.answer()
    affected = [by_id[name] for each in answer.effects for name in each.decision_ids]
    found = effects_of(candidate, affected)
    assert sorted((each.change, each.flow_id, each.events) for each in answer.effects) == sorted(
        (each.change, each.flow.id, each.events) for each in found
    )
    return Compared(
        tuple(found),
        answer.totals,
        answer.decided,
        answer.other,
        answer.carried,
        answer.unstated,
    )


def outline(name: bytes, count: FlowCount) -> FlowOutline[Sum]:
    """The same count, as outlines have it."""
    times = count.first_time, count.last_time
    terms = count.flow.terms
    decided = [
        (each.data_category, each.outcome, each.kind, each.statement, each.is_nearest_miss)
        for each in count.categories
    ]
    first, *others = count.publishers
    return FlowOutline(
        name,
        count.flow.id,
        count.digest,
        count.outcome,
        count.kind,
        msgspec.json.encode(decided).decode(),
        count.flow.is_other,
        count.flow.is_carried,
        terms.controller,
        terms.role,
        terms.operation,
        terms.purpose,
        terms.recipient,
        terms.source,
        terms.location,
        terms.retention_days,
        terms.legal_basis,
        terms.data_categories,
        terms.facts,
        count.flow.ledger,
        (
            Sum(first, count.events, count.accesses, *times),
            *(Sum(publisher, 0, 0, *times) for publisher in others),
        ),
    )
