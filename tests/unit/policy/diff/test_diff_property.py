"""The difference of two policies is exactly what the decision does differently."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide_under
from purposewatch_policy.decision import Dimension, Kind, Outcome
from purposewatch_policy.diff.changes import Change, PolicyDiff, compare_versions
from purposewatch_policy.flow_space import Axis, Days
from purposewatch_policy.model import Policy
from purposewatch_policy.vocabulary import find_unknown_terms
from tests.unit.policy.random_worlds import PlainFlow, World, draw_world

KINDS = {
    ("undeclared", "permitted"): "newly_permitted",
    ("prohibited", "permitted"): "newly_permitted",
    ("permitted", "undeclared"): "no_longer_permitted",
    ("permitted", "prohibited"): "no_longer_permitted",
    ("prohibited", "undeclared"): "no_longer_prohibited",
    ("undeclared", "prohibited"): "newly_prohibited",
}


def status(flow: PlainFlow, policy: CompiledPolicy) -> list[str]:
    """What one version says about each category of a flow."""
    return [
        "permitted"
        if each.outcome is Outcome.PERMITTED
        else ("prohibited" if each.kind is Kind.PROHIBITED else "undeclared")
        for each in decide_under(flow, policy).categories
    ]


def lies_in(flow: PlainFlow, category: str, change: Change, axes: tuple[Axis, ...]) -> bool:
    """Whether a change's box holds one category of a flow."""
    stated = {
        Dimension.ROLE: flow.role,
        Dimension.DATA_CATEGORY: category,
        Dimension.PURPOSE: flow.purpose,
        Dimension.RECIPIENT: flow.recipient,
        Dimension.OPERATION: flow.operation,
        Dimension.SOURCE: flow.source,
        Dimension.LOCATION: flow.location,
        Dimension.LEGAL_BASIS: flow.legal_basis,
    }
    for axis, side in zip(axes, change.box, strict=True):
        if axis.fact is not None:
            index = axis.values.index(flow.facts.get(axis.fact, False))
        elif axis.dimension is Dimension.RETENTION:
            index = next(index for index, span in enumerate(axis.values) if holds(span, flow))
        else:
            index = axis.values.index(stated[axis.dimension])
        if not side >> index & 1:
            return False
    return True


def holds(span: object, flow: PlainFlow) -> bool:
    if not isinstance(span, Days) or flow.retention_days is None:
        return span is None and flow.retention_days is None
    ends = span.last is not None and flow.retention_days > span.last
    return span.first <= flow.retention_days and not ends


def compare(rng: Random, *, one_vocabulary: bool, flows: int) -> Counter[str]:
    """Draw two policies and flows; the difference says what each decision does."""
    world = draw_world(rng)
    other = world if one_vocabulary else draw_world(rng)
    old = CompiledPolicy(rng.choice(world.policies), world.vocabulary)
    new = CompiledPolicy(rng.choice(other.policies), other.vocabulary)
    difference = compare_versions(old, new)
    seen: Counter[str] = Counter()
    for _ in range(flows):
        flow, _at = rng.choice([world, other]).flow(rng)
        if any(find_unknown_terms(each.vocabulary, flow) for each in (world, other)):
            seen["unknown"] += 1
            continue
        seen += agreed(flow, difference)
    check_examples(difference)
    return seen


def agreed(flow: PlainFlow, difference: PolicyDiff) -> Counter[str]:
    """Check the difference against the decisions about one flow."""
    before = status(flow, difference.old)
    after = status(flow, difference.new)
    seen: Counter[str] = Counter()
    for category, was, is_ in zip(flow.data_categories, before, after, strict=True):
        found = [
            each.kind
            for each in difference.changes
            if lies_in(flow, category, each, difference.space.axes)
        ]
        assert ([KINDS[was, is_]] if was != is_ else []) == found
        seen[f"{was} {is_}"] += 1
    return seen


def check_examples(difference: PolicyDiff) -> None:
    """The example of every change is judged as the change says, unless a term is missing."""
    vocabularies = (difference.old.vocabulary, difference.new.vocabulary)
    for change in difference.changes:
        if not any(find_unknown_terms(each, change.example) for each in vocabularies):
            was, is_ = (
                status(PlainFlow(**change.example.model_dump()), each)
                for each in (difference.old, difference.new)
            )
            assert KINDS[was[0], is_[0]] == change.kind


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.booleans())
def test_decisions_differ_where_the_difference_says_so(rng: Random, one: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever is drawn, one box holds the flow if its judgement changes, and none if not."""
    compare(rng, one_vocabulary=one, flows=6)


@pytest.mark.parametrize("one", [True, False], ids=["one_vocabulary", "two_vocabularies"])
def test_decisions_differ_where_the_difference_says_so_on_many_worlds(one: bool) -> None:  # noqa: FBT001 - a parameter
    """They agree on a wide sample, in which every change of judgement occurs."""
    rng = Random(7)  # noqa: S311  # a reproducible sample, not a secret
    seen: Counter[str] = Counter()
    for _ in range(120):
        seen += compare(rng, one_vocabulary=one, flows=25)
    assert not {f"{was} {is_}" for was, is_ in KINDS} - set(seen)


@pytest.mark.parametrize("seed", range(20))
def test_a_policy_does_not_differ_from_itself_in_other_words(seed: int) -> None:
    """Statements that are split by role, renamed and reordered mean the same."""
    rng = Random(seed)  # noqa: S311  # a reproducible sample, not a secret
    world: World = draw_world(rng)
    policy = rng.choice(world.policies)
    assert not compare_versions(
        CompiledPolicy(policy, world.vocabulary),
        CompiledPolicy(reworded(policy), world.vocabulary),
    )


def reworded(policy: Policy) -> Policy:
    """The same policy, said differently."""
    statements = [
        replace(each, id=f"{each.id}_{number}", clause="other.1", note="moved", operations=(named,))
        for each in reversed(policy.statements)
        for number, named in enumerate(each.operations)
    ]
    return replace(policy, version="other", statements=tuple(statements))
