"""Contradictions are exactly the flows that a decision grades ambiguous."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide_under
from purposewatch_policy.decision import Grade
from purposewatch_policy.flow import Flow
from purposewatch_policy.flow_space import FlowSpace, contains
from purposewatch_policy.lint import Finding, Severity
from purposewatch_policy.lint.contradictions import find_contradictions
from purposewatch_policy.lint.subject import Subject
from purposewatch_policy.model import Effect, Statement
from tests.unit.policy import reference
from tests.unit.policy.library import POLICY, VOCABULARY, policy
from tests.unit.policy.lint.subjects import draw, subject_of

PERMIT = Statement(
    id="permit",
    clause="readers.1",
    effect=Effect.PERMIT,
    roles=("reader",),
    data_categories=("user.contact",),
    operations=("use",),
    purposes=("service",),
    recipients=("first_party",),
)


def findings_of(*statements: Statement) -> list[Finding]:
    compiled = CompiledPolicy(policy(*statements), VOCABULARY)
    return list(find_contradictions(subject_of(compiled), FlowSpace(compiled)))


def prohibition(**changes: object) -> Statement:
    fields: dict[str, object] = {
        "id": "prohibition",
        "clause": "limits.1",
        "effect": Effect.PROHIBIT,
        "data_categories": ("user.contact",),
        "operations": ("use",),
    }
    return Statement(**{**fields, **changes})  # type: ignore[arg-type]  # its own fields


def test_a_permit_that_never_applies_is_an_error() -> None:
    """A prohibition of everything that it permits leaves nothing of it."""
    [finding] = findings_of(PERMIT, prohibition())

    assert finding.severity is Severity.ERROR
    assert "the permit never applies" in finding.message
    assert finding.statements == ("prohibition", "permit")


def test_an_exception_is_none() -> None:
    """A prohibition within a permit is how texts say "all of this except that"."""
    exception = prohibition(
        data_categories=("user.health",),
        roles=("reader",),
        purposes=("service",),
        recipients=("first_party",),
    )

    assert not findings_of(replace(PERMIT, data_categories=("user",)), exception)


def test_an_exception_that_leaves_nothing_is_an_error() -> None:
    """Where each permitted term has a prohibited part, no event is permitted."""
    below = replace(PERMIT, purposes=("service.loans",))
    exception = prohibition(
        data_categories=("user.contact.email",),
        roles=("reader",),
        purposes=("service.loans",),
        recipients=("first_party",),
        locations=("us",),
    )
    in_us = replace(below, locations=("us",))

    assert not findings_of(below, exception)  # whoever states another location is permitted
    [finding] = findings_of(replace(in_us, data_categories=("user.contact.email",)), exception)
    assert "the permit never applies" in finding.message
    [finding] = findings_of(in_us, exception)
    assert finding.severity is Severity.ERROR
    assert "the permit never applies" in finding.message


def test_a_partial_overlap_is_an_error_that_names_its_highest_terms() -> None:
    """Both reach beyond the flows on which they disagree."""
    [finding] = findings_of(PERMIT, prohibition(purposes=("service.loans", "research")))

    assert finding.severity is Severity.ERROR
    assert finding.evidence["flows"] == {
        "role": ("reader",),
        "data_categories": ("user.contact",),
        "operation": ("use",),
        "purpose": ("service.loans",),
        "recipient": ("first_party",),
    }


def test_opposite_conditions_do_not_contradict() -> None:
    """The two statements cover no common flow."""
    assert not findings_of(
        replace(PERMIT, when=("consent.marketing",)),
        prohibition(unless=("consent.marketing",)),
    )


def test_the_policy_of_the_library_has_none() -> None:
    """What it prohibits, nothing permits, apart from the visitors' wellbeing."""
    assert [finding.statements for finding in findings_of(*POLICY.statements)] == [
        ("nobody.health", "visitors.wellbeing")
    ]


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0))
def test_every_example_is_decided_as_ambiguous(seed: int) -> None:
    """The event that a finding shows is prohibited and permitted at once."""
    _, subject, space, _ = draw(seed)
    for finding in find_contradictions(subject, space):
        flow = Flow.model_validate(finding.evidence["example"])
        [decision] = decide_under(flow, subject.compiled).categories
        assert Grade.AMBIGUOUS is decision.grade


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0))
def test_no_ambiguous_flow_goes_unnoticed(seed: int) -> None:
    """The prohibition that decides an ambiguous flow is in a finding, or an exception."""
    _, subject, space, flows = draw(seed)
    forbidding = {finding.statements[0] for finding in find_contradictions(subject, space)}
    excepting = {forbids.id for forbids, _ in exceptions(subject, space)}
    for flow in flows:
        for decision in decide_under(flow, subject.compiled).categories:
            if decision.grade is Grade.AMBIGUOUS:
                assert decision.statement in forbidding | excepting


def exceptions(subject: Subject, space: FlowSpace) -> list[tuple[Statement, Statement]]:
    """Each prohibition with a permit that permits all that it prohibits."""
    statements = list(zip(subject.policy.statements, space.boxes, strict=True))
    return [
        (prohibition, permit)
        for prohibition, prohibited in statements
        for permit, permitted in statements
        if (prohibition.effect, permit.effect) == (Effect.PROHIBIT, Effect.PERMIT)
        and prohibited is not None
        and permitted is not None
        and contains(permitted, prohibited)
    ]


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0))
def test_a_permit_that_never_applies_permits_no_flow(seed: int) -> None:
    """Whatever flow such a permit covers, the prohibition covers it or a part of it."""
    world, subject, space, flows = draw(seed)
    statements = {each.id: each for each in subject.policy.statements}
    for finding in find_contradictions(subject, space):
        if "never applies" in finding.message:
            forbids, permits = (statements[each] for each in finding.statements)
            for flow in flows:
                for category in flow.data_categories:
                    failed = reference.failures(permits, flow, category, world.vocabulary)
                    assert any(failed.values()) or reference.covers_a_part(
                        forbids, flow, category, world.vocabulary
                    )


def test_the_drawn_policies_do_contradict_themselves() -> None:
    """The samples of the properties above have contradictions and exceptions."""
    seen: Counter[str] = Counter()
    for seed in range(200):
        _, subject, space, _ = draw(seed)
        seen["exception"] += len(exceptions(subject, space))
        for finding in find_contradictions(subject, space):
            seen["never" if "never applies" in finding.message else "partly"] += 1
    assert seen["partly"] > 50
    assert seen["never"] > 2
    assert seen["exception"] > 2
