"""Remembers decisions: services do the same few things with personal data over and over."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from purposewatch_auditor.policy.decide import decide, decide_under
from purposewatch_auditor.policy.policy_set import PolicySet
from purposewatch_shared.decision import Decision
from purposewatch_shared.vocabulary import FlowTerms

if TYPE_CHECKING:
    from purposewatch_auditor.policy.compile import CompiledPolicy

CAPACITY = 16_384
"""Decided data categories remembered for each policy version: some 20 MB when full."""


class RememberingDecider:
    """Decides exactly as `decide` does, sooner for a flow that it has decided before.

    INVARIANT: under one version a decision depends on nothing but the flow, so equal flows have
    equal decisions. Decisions are shared between events and must not be changed.

    Whoever sends ever new flows gets the speed of `decide`: when the memory is full it is
    emptied, so that neither memory nor time grows.
    """

    def __init__(self, policies: PolicySet, *, capacity: int = CAPACITY) -> None:
        self.policies = policies
        self._capacity = capacity
        self._known: dict[CompiledPolicy, _Memory] = {
            compiled: _Memory()
            for controller in policies.controllers
            for compiled in policies.versions(controller)
        }

    def decide(self, flow: FlowTerms, at: datetime) -> Decision:
        """Decide a flow that happened at a moment (with zone), by the version then in force."""
        try:
            compiled = self.policies.in_force(flow.controller, at)
        except KeyError:
            compiled = None
        if compiled is None:
            return decide(flow, at, self.policies)
        memory = self._known[compiled]
        key = (
            flow.role,
            flow.operation,
            flow.purpose,
            flow.recipient,
            tuple(flow.data_categories),
            flow.source,
            flow.location,
            flow.retention_days,
            flow.legal_basis,
            tuple(flow.facts.items()),
        )
        decision = memory.decisions.get(key)
        if decision is None:
            decision = decide_under(flow, compiled)
            memory.categories += len(decision.categories)
            if memory.categories > self._capacity:
                memory.decisions.clear()
                memory.categories = len(decision.categories)
            memory.decisions[key] = decision
        return decision


@dataclass(slots=True)
class _Memory:
    """Decisions under one version, and how many categories they are about."""

    decisions: dict[object, Decision] = field(default_factory=dict)
    categories: int = 0
