"""Outcomes and kinds alone, against deciding each flow with its reasons."""

from itertools import product
from random import Random

import pytest

from purposewatch_policy import CompiledPolicy, Decision, FlowTerms, decide_under
from purposewatch_reporter.what_if import outcomes
from purposewatch_reporter.what_if.known_facts import decide_as_recorded
from purposewatch_reporter.what_if.outcomes import Outcomes
from tests.unit.policy.random_worlds import draw_world
from tests.unit.reporter.what_if.test_effects import event, permit, policy, redrawn

FLOWS = 60


@pytest.mark.parametrize("seed", range(80))
def test_outcomes_are_those_of_deciding_with_reasons(seed: int) -> None:
    """Of every data category, and what is not known; whatever was looked up then."""
    rng = Random(seed)  # noqa: S311 - the same every time
    world = draw_world(rng)
    candidate = CompiledPolicy(rng.choice(world.policies), redrawn(rng, world.vocabulary))
    tested = Outcomes(candidate)
    for _ in range(FLOWS):
        flow, _ = world.flow(rng)
        ledger = {
            fact: rng.choice([True, False, None])
            for fact in world.vocabulary.facts
            if rng.random() < 0.8
        }
        found = tested.decide(flow, ledger)
        decision, missing = decide_as_recorded(flow, candidate, ledger)
        assert (missing, decision.outcome, decision.kind) == (
            found.missing,
            found.outcome,
            found.kind,
        )
        assert [(each.outcome, each.kind) for each in decision.categories] == list(found.categories)


def test_what_the_policy_cannot_tell_apart_is_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It limits no location and no retention, and names what is above the data categories."""
    decided: list[str] = []

    def counting(flow: FlowTerms, candidate: CompiledPolicy) -> Decision:
        decided.append(flow.purpose)
        return decide_under(flow, candidate)

    monkeypatch.setattr(outcomes, "decide_under", counting)
    tested = Outcomes(policy("1", permit("all")))
    terms = product(
        [None, "eu"], [None, 1, 30], [("user.email",), ("user.name",)], ["service", "ads"]
    )
    for location, days, categories, purpose in terms:
        happened = event(
            location=location, retention_days=days, data_categories=categories, purpose=purpose
        )
        expected = "permitted" if purpose == "service" else "violation"
        assert tested.decide(happened.flow, {}).outcome == expected
    assert sorted(decided) == ["ads", "service"]
