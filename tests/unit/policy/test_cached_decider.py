"""Cached decisions are the decisions: only the time they take differs."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from purposewatch_policy.cached_decider import CachedDecider
from purposewatch_policy.decide import decide
from purposewatch_policy.files.directory import load_policies
from purposewatch_policy.flow import Flow
from purposewatch_policy.policy_set import PolicySet
from tests.unit.policy.random_worlds import draw_world

AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    """The policies that ship with the project."""
    return load_policies(Path(__file__).parents[3] / "policies")


def flow(**changes: object) -> Flow:
    """A flow that wework-labs permits, with changes."""
    return Flow.model_validate(
        {
            "controller": "wework-labs",
            "role": "member",
            "operation": "use",
            "purpose": "essential.service.notifications",
            "recipient": "first_party",
            "data_categories": ["user.contact.email"],
            **changes,
        }
    )


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("capacity", [2, 1_000])
def test_remembered_and_fresh_decisions_are_equal(seed: int, capacity: int) -> None:
    """On random policies, first and later answers are what `decide` says, cached or not."""
    rng = Random(seed)  # noqa: S311 - reproducible cases, not secrets
    world = draw_world(rng)
    policies = PolicySet({"acme": world.vocabulary}, world.policies)
    decider = CachedDecider(policies, capacity=capacity)
    events = [world.flow(rng) for _ in range(20)]

    for flow_, at in [*events, *reversed(events)]:
        assert decide(flow_, at, policies) == decider.decide(flow_, at)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "visitor"},
        {"operation": "share"},
        {"purpose": "marketing.advertising"},
        {"recipient": "public"},
        {"data_categories": ["user.name"]},
        {"source": "employer"},
        {"location": "eu"},
        {"retention_days": 30},
        {"legal_basis": "consent"},
        {"facts": {"consent.marketing": True}},
        {"facts": {"consent.marketing": False}},
        {"controller": "linggan-house"},
        {"controller": "elsewhere"},
    ],
    ids=str,
)
def test_every_field_of_a_flow_counts(policies: PolicySet, change: dict[str, object]) -> None:
    """A flow that differs in one field only is never given the other one's decision."""
    decider = CachedDecider(policies)
    decider.decide(flow(), AT)

    assert decide(flow(**change), AT, policies) == decider.decide(flow(**change), AT)


def test_every_field_is_tried() -> None:
    """The test above has a change for every field that a flow has."""
    assert set(Flow.model_fields) == {
        *("controller", "role", "operation", "purpose", "recipient", "data_categories"),
        *("source", "location", "retention_days", "legal_basis", "facts"),
    }


def test_the_version_in_force_counts(policies: PolicySet) -> None:
    """An event from before the policy is decided as such, whatever is cached."""
    decider = CachedDecider(policies)
    decider.decide(flow(), AT)
    before = datetime(2010, 1, 1, tzinfo=UTC)

    assert decider.decide(flow(), before).kind == "policy_not_in_force"


def test_memory_is_bounded(policies: PolicySet) -> None:
    """Flows that never repeat stay within the budget; each category counts."""
    decider = CachedDecider(policies, capacity=10)
    categories = ["user.name", "user.contact.email", "user.device"]
    for days in range(1_000):
        decider.decide(flow(retention_days=days, data_categories=categories[: 1 + days % 3]), AT)
        for cache in decider._caches.values():
            held = sum(len(each.categories) for each in cache._entries.values())
            assert held == cache._spent <= 10


def test_a_known_flow_is_not_decided_again(policies: PolicySet) -> None:
    """The second answer is the first one's very object."""
    decider = CachedDecider(policies)
    first = decider.decide(flow(), AT)

    assert decider.decide(flow(), AT) is first
    assert dataclasses.is_dataclass(first)
