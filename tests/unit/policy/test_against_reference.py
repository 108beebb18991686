"""The compiled decision and the naive checker agree."""

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_policy.decide import decide
from purposewatch_policy.decision import Decision, Kind
from purposewatch_policy.policy_set import PolicySet
from tests.unit.policy import reference
from tests.unit.policy.random_worlds import World, draw_ledger, draw_world

FLOWS_PER_WORLD = 12


def as_findings(
    decision: Decision,
) -> tuple[str, str | None, str | None, list[reference.Finding]]:
    return (
        decision.outcome,
        decision.kind,
        decision.policy_version,
        [
            reference.Finding(
                each.outcome,
                each.kind,
                each.grade,
                each.distance,
                each.statement,
                each.clause,
                tuple(failed.dimension for failed in each.failed),
            )
            for each in decision.categories
        ],
    )


def compare(rng: Random, flows: int) -> Counter[str]:
    world: World = draw_world(rng)
    policies = PolicySet({"acme": world.vocabulary}, world.policies)
    seen: Counter[str] = Counter()
    for _ in range(flows):
        flow, at = world.flow(rng)
        ledger = draw_ledger(rng, world)
        decision = decide(flow, at, policies, ledger)
        expected = reference.check(flow, at, {"acme": world.vocabulary}, world.policies, ledger)
        assert expected == as_findings(decision)
        seen.update(str(each.kind or each.outcome) for each in decision.categories)
        seen.update(f"graded {each.grade}" for each in decision.categories)
    return seen


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_both_checkers_agree_on_shrinkable_worlds(rng: Random) -> None:
    """Whatever is drawn, the compiled decision and the naive checker say the same."""
    compare(rng, flows=4)


@pytest.mark.parametrize("seed", range(4))
def test_both_checkers_agree_on_many_worlds(seed: int) -> None:
    """They agree on a wide sample, in which every kind and every grade occurs."""
    rng = Random(seed)  # noqa: S311  # a reproducible sample, not a secret
    seen: Counter[str] = Counter()
    for _ in range(400):
        seen += compare(rng, FLOWS_PER_WORLD)
    grades = {"clear", "vague", "omitted", "incorrect", "ambiguous"}
    missing = {"permitted", "unknown", *Kind, *(f"graded {grade}" for grade in grades)} - set(seen)
    assert not missing
