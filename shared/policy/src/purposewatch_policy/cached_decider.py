"""Caches decisions: services do the same few things with personal data over and over."""

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from purposewatch_policy.bounded_cache import BoundedCache
from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.decision import Decision
from purposewatch_policy.fact_ledger import LedgerValues, relevant_facts
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.vocabulary import FlowTerms

if TYPE_CHECKING:
    from purposewatch_policy.compile import CompiledPolicy

T = TypeVar("T")

CAPACITY = 16_384
"""Decided data categories that are cached for each policy version: some 20 MB when full."""


class DecisionCache(Generic[T]):
    """Decides exactly as `decide` does, sooner for a flow that it has decided before.

    It returns and caches what `make` makes of a flow and its decision. The cached values are
    shared between events and must not be changed.

    INVARIANT: under one version a decision depends on nothing but the flow and the values of its
    relevant facts, so equal ones have equal decisions.
    """

    def __init__(
        self,
        policies: PolicySet,
        make: Callable[[FlowTerms, Decision], T],
        *,
        capacity: int = CAPACITY,
    ) -> None:
        self.policies = policies
        self._make = make
        self._caches: dict[CompiledPolicy, BoundedCache[Hashable, T]] = {
            compiled: BoundedCache(capacity)
            for controller in policies.controllers
            for compiled in policies.versions(controller)
        }
        self._facts: dict[CompiledPolicy, BoundedCache[Hashable, tuple[str, ...]]] = {
            compiled: BoundedCache(capacity) for compiled in self._caches if compiled.on_ledger
        }
        self._independent: dict[CompiledPolicy, BoundedCache[Hashable, T]] = {
            compiled: BoundedCache(capacity) if compiled.ledger_facts else cache
            for compiled, cache in self._caches.items()
        }
        """Of flows whose decision depends on no fact of the ledger, with a ledger."""

    def judge_independent(self, flow: FlowTerms, at: datetime, key: Hashable) -> T | None:
        """Return what `judge` returns with a ledger, if `facts_of` the flow are none; else `None`.

        One look-up for what was decided before, so that such flows cost what they cost without a
        ledger.
        """
        try:
            compiled = self.policies.in_force(flow.controller, at)
        except KeyError:
            compiled = None
        if compiled is None:
            return self._make(flow, decide(flow, at, self.policies))
        cache = self._independent[compiled]
        made = cache.get(key)
        if made is None:
            if self.facts_of(flow, at, key):
                return None
            claims = not compiled.ledger_facts.isdisjoint(flow.facts)
            decision = decide_under(flow, compiled, {} if claims else None)
            made = self._make(flow, decision)
            cache.put(key, made, len(decision.categories))
        return made

    def facts_of(self, flow: FlowTerms, at: datetime, key: Hashable) -> tuple[str, ...]:
        """Return the facts whose values `judge` needs: see `relevant_facts`. `key` is as there."""
        if not self._facts:
            return ()
        try:
            compiled = self.policies.in_force(flow.controller, at)
        except KeyError:
            return ()
        if compiled is None or not compiled.on_ledger:
            return ()
        cache = self._facts[compiled]
        facts = cache.get(key)
        if facts is None:
            facts = relevant_facts(flow, compiled)
            cache.put(key, facts)
        return facts

    def judge(
        self,
        flow: FlowTerms,
        at: datetime,
        key: Hashable,
        ledger: tuple[bool | None, ...] | None = None,
    ) -> T:
        """Decide a flow that happened at a time (with zone), by the version then in force.

        Only equal flows may have equal keys. `ledger` has the values of `facts_of` the flow, in
        that order; `None` if there is no ledger, so that the flow's own facts count.
        """
        try:
            compiled = self.policies.in_force(flow.controller, at)
        except KeyError:
            compiled = None
        if compiled is None:
            return self._make(flow, decide(flow, at, self.policies))
        if not compiled.ledger_facts:
            ledger = None
        cache = self._caches[compiled]
        ledger_key = key if ledger is None else (key, ledger)
        made = cache.get(ledger_key)
        if made is None:
            values: LedgerValues | None = None
            if ledger is not None:
                values = dict(zip(self.facts_of(flow, at, key), ledger, strict=True))
            decision = decide_under(flow, compiled, values)
            made = self._make(flow, decision)
            cache.put(ledger_key, made, len(decision.categories))
        return made

    def cached(self, flow: FlowTerms, at: datetime, key: Hashable) -> T | None:
        """Return what `judge` returns for the same arguments, without a ledger, if it is cached."""
        try:
            compiled = self.policies.in_force(flow.controller, at)
        except KeyError:
            return None
        return None if compiled is None else self._caches[compiled].get(key)


class CachedDecider(DecisionCache[Decision]):
    """Caches the decisions themselves, by everything that a flow states."""

    def __init__(self, policies: PolicySet, *, capacity: int = CAPACITY) -> None:
        super().__init__(policies, lambda _, decision: decision, capacity=capacity)

    def decide(self, flow: FlowTerms, at: datetime, ledger: LedgerValues | None = None) -> Decision:
        """Decide as the function of this name does."""
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
        if ledger is None:
            return self.judge(flow, at, key)
        return self.judge(flow, at, key, tuple(map(ledger.get, self.facts_of(flow, at, key))))
