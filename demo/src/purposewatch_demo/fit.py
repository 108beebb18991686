"""Holds the planned traffic to the policies: what it expects is what the audit decides."""

from collections.abc import Iterator
from datetime import datetime

from purposewatch_demo.flows import FlowPlan, TrafficPlan
from purposewatch_policy import Decision, Outcome, PolicySet, decide


def misfits(plan: TrafficPlan, policies: PolicySet, now: datetime) -> Iterator[str]:
    """Yield one sentence for each flow of which the policies say something else."""
    for flow in plan.flows:
        controller = plan.publishers[flow.publisher].controller
        decision = decide(flow.of(controller), flow.at or now, policies)
        found = (decision.outcome, decision.kind, _clause(decision))
        if found != _planned(flow):
            yield f"`{flow.name}` is {_named(found)}, not {_named(_planned(flow))}"


def _planned(flow: FlowPlan) -> tuple[str, str | None, str | None]:
    outcome = Outcome.VIOLATION if flow.violates else Outcome.PERMITTED
    return outcome, flow.violates, flow.clause


def _clause(decision: Decision) -> str | None:
    for category in decision.categories:
        if (category.outcome, category.kind) == (decision.outcome, decision.kind):
            return category.clause
    return None


def _named(found: tuple[str, str | None, str | None]) -> str:
    outcome, kind, clause = found
    return f"{kind or outcome} under clause {clause or 'none'}"
