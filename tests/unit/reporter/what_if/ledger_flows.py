"""Counts of flows as the flow ledger has them, made of single events."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from purposewatch_contract.codec import Flow
from purposewatch_policy import Decision, FlowTerms, LedgerValues, PolicySet, decide, relevant_facts
from purposewatch_reporter.flows.flow import DecidedCategory, FlowCount, LedgerFlow


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
