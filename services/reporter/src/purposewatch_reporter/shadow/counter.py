"""Counts, as events are recorded, what policies in shadow mode would have decided about them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import BoundedCache, Candidate, Outcome, PolicySet
from purposewatch_reporter.flows.decided import FlowKey, decided_flow
from purposewatch_reporter.ledger.tally import VerdictGroup
from purposewatch_reporter.shadow.candidates import candidates
from purposewatch_reporter.what_if.effects import Change, Decided, change_of, decided_of
from purposewatch_reporter.what_if.known_facts import decide_as_recorded
from purposewatch_runtime import metrics as m

_FLOWS = 20_000
"""Flows whose change under a candidate is remembered."""


class ShadowCounter:
    """Judges each distinct flow once under every candidate, and counts its events by the change.

    The counts begin when the process first tries the candidate; the page and the API count all of
    the flow ledger. Nothing here alerts, and nothing that is decided changes.
    """

    def __init__(
        self,
        current: Callable[[], PolicySet],
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._current = current
        self._metrics = metric_set
        self._clock = clock
        self._tried: Mapping[str, Sequence[_Tried]] = {}

    async def refresh(self) -> None:
        """Take up what is now in shadow mode, without blocking the event loop."""
        found = await asyncio.to_thread(candidates, self._current(), self._clock())
        known = {each.digest: each for some in self._tried.values() for each in some}
        tried: defaultdict[str, list[_Tried]] = defaultdict(list)
        for candidate in found:
            compiled = candidate.compiled
            controller = compiled.policy.controller
            tried[controller].append(known.get(compiled.digest) or _Tried(candidate))
            self._metrics.start_at_zero(
                m.SHADOW_EVENTS, [(controller, candidate.name, str(each)) for each in Change]
            )
        self._tried = tried

    def count(self, groups: Iterable[VerdictGroup]) -> None:
        """Count recorded events, after their transaction has ended."""
        if not self._tried:
            return
        counted: Counter[tuple[str, ...]] = Counter()
        for group in groups:
            verdict = group.read.verdict
            for tried in self._tried.get(verdict.data.controller, ()):
                change = tried.change(group.key, verdict)
                counted[verdict.data.controller, tried.name, str(change)] += group.number
        counter = self._metrics.counter(m.SHADOW_EVENTS)
        for labels, number in counted.items():
            counter.labels(*labels).inc(number)


class _Tried:
    """One candidate, and what is known of flows under it."""

    def __init__(self, candidate: Candidate) -> None:
        self.name = candidate.name
        self.digest = candidate.compiled.digest
        self._compiled = candidate.compiled
        self._changes: BoundedCache[FlowKey, Change] = BoundedCache(_FLOWS)

    def change(self, key: FlowKey, verdict: DecodedVerdict) -> Change:
        """What would become of the verdict's flow."""
        change = self._changes.get(key)
        if change is None:
            change = self._judge(verdict)
            self._changes.put(key, change)
        return change

    def _judge(self, verdict: DecodedVerdict) -> Change:
        recorded = decided_flow(verdict)
        before = Decided(Outcome(recorded.outcome), recorded.kind, recorded.categories)
        flow = recorded.flow
        decision, missing = decide_as_recorded(flow.terms, self._compiled, flow.ledger)
        return Change.NOT_KNOWN if missing else change_of(before, decided_of(decision))
