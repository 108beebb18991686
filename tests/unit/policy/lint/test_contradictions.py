"""Contradictions are exactly the flows that a decision grades ambiguous."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decide import decide_under
from purposewatch_policy.decision import Grade
from purposewatch_policy.flow import Flow
from purposewatch_policy.flow_space import FlowSpace
from purposewatch_policy.lint import Finding, Severity
from purposewatch_policy.lint.contradictions import find_contradictions
from purposewatch_policy.model import Effect, Statement
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


def test_an_exception_is_a_warning() -> None:
    """A prohibition within a permit is how texts state an exception."""
    [finding] = findings_of(
        PERMIT,
        prohibition(
            data_categories=("user.contact.email",),
            roles=("reader",),
            purposes=("service",),
            recipients=("first_party",),
        ),
    )

    assert finding.severity is Severity.WARNING
    assert finding.evidence["flows"]["data_categories"] == ("user.contact.email",)  # type: ignore[index]  # JSON


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
    """The prohibition that decides an ambiguous flow is in a finding."""
    _, subject, space, flows = draw(seed)
    forbidding = {finding.statements[0] for finding in find_contradictions(subject, space)}
    for flow in flows:
        for decision in decide_under(flow, subject.compiled).categories:
            if decision.grade is Grade.AMBIGUOUS:
                assert decision.statement in forbidding


def test_the_drawn_policies_do_contradict_themselves() -> None:
    """The samples of the properties above have contradictions."""
    severities = Counter(
        finding.severity
        for seed in range(200)
        for finding in find_contradictions(draw(seed)[1], draw(seed)[2])
    )
    assert severities[Severity.ERROR] > 50
    assert severities[Severity.WARNING] > 2
