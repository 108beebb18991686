"""The rules of the decision, one by one; combinations are tested against the naive checker."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from purposewatch_policy.decide import decide, decide_under
from purposewatch_policy.decision import (
    CategoryDecision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)
from purposewatch_policy.model import Effect
from purposewatch_policy.policy_set import PolicySet
from tests.unit.policy.library import (
    NOW,
    POLICIES,
    POLICY,
    STATEMENTS,
    VOCABULARY,
    flow,
    policy,
)

STORE = {
    "operation": "store",
    "purpose": "service.loans",
    "data_categories": ("user.loans",),
    "location": "eu",
    "retention_days": 30,
}
NEWS = {
    "purpose": "marketing",
    "data_categories": ("user.contact.email",),
    "facts": {"consent.marketing": True},
}
SHARE = {"operation": "share", "purpose": "service.loans", "recipient": "third_party.courier"}


def decide_one(**changes: object) -> CategoryDecision:
    (decision,) = decide(flow(**changes), NOW, POLICIES).categories
    return decision


@pytest.mark.parametrize(
    ("changes", "statement", "distance"),
    [
        ({}, "readers.contact", 0),
        ({"data_categories": ("user.contact.email",)}, "readers.contact", 1),
        ({"purpose": "service.loans", "recipient": "first_party.desk"}, "readers.contact", 2),
        ({"legal_basis": "contract"}, "readers.contact", 0),
        (SHARE, "readers.courier", 0),
        (SHARE | {"operation": "share.sell"}, "readers.courier", 0),
        (STORE, "readers.loans", 0),
        (STORE | {"retention_days": 0}, "readers.loans", 0),
        (STORE | {"facts": {"loan.returned": False}}, "readers.loans", 0),
        (NEWS, "readers.news", 0),
    ],
)
def test_covered_flow_is_permitted(
    changes: dict[str, object], statement: str, distance: int
) -> None:
    """A flow that a permit covers in every dimension is permitted, and graded by the distance."""
    decision = decide_one(**changes)
    assert decision.outcome is Outcome.PERMITTED
    assert (decision.statement, decision.distance) == (statement, distance)
    assert decision.grade is (Grade.VAGUE if distance else Grade.CLEAR)
    assert not decision.failed


@pytest.mark.parametrize(
    ("changes", "kind", "statement", "failed"),
    [
        (
            {"data_categories": ("user.health",)},
            Kind.PROHIBITED,
            "nobody.health",
            [],
        ),
        (
            {"role": "donor"},
            Kind.UNDECLARED_ROLE,
            "readers.contact",
            [("role", ("reader",), "donor")],
        ),
        (
            {"recipient": "third_party"},
            Kind.UNDECLARED_THIRD_PARTY_SHARING,
            "readers.contact",
            [("recipient", ("first_party",), "third_party")],
        ),
        (
            {"operation": "share", "purpose": "marketing", "recipient": "third_party.courier"},
            Kind.UNDECLARED_THIRD_PARTY_SHARING,
            "readers.courier",
            [("purpose", ("service.loans",), "marketing")],
        ),
        (
            STORE | {"recipient": "third_party.courier"},
            Kind.UNDECLARED_THIRD_PARTY_SHARING,
            "readers.loans",
            [("recipient", ("first_party",), "third_party.courier")],
        ),
        (
            {"data_categories": ("user",)},
            Kind.PROHIBITED_IN_PART,
            "nobody.health",
            [("data_category", ("user.health",), "user")],
        ),
        (
            {"data_categories": ("user",), "operation": "store"},
            Kind.UNDECLARED_CATEGORY,
            "readers.contact",
            [
                ("data_category", ("user.contact",), "user"),
                ("operation", ("collect", "use"), "store"),
            ],
        ),
        (
            {"purpose": "research"},
            Kind.UNDECLARED_PURPOSE,
            "readers.contact",
            [("purpose", ("service",), "research")],
        ),
        (
            {"operation": "anonymise"},
            Kind.UNDECLARED_OPERATION,
            "readers.contact",
            [("operation", ("collect", "use"), "anonymise")],
        ),
        (
            {"source": "school"},
            Kind.UNDECLARED_SOURCE,
            "readers.contact",
            [("source", ("data_subject",), "school")],
        ),
        (
            {"source": None},
            Kind.UNDECLARED_SOURCE,
            "readers.contact",
            [("source", ("data_subject",), None)],
        ),
        (
            STORE | {"location": "us"},
            Kind.UNDECLARED_LOCATION,
            "readers.loans",
            [("location", ("eu",), "us")],
        ),
        (
            STORE | {"location": None, "retention_days": None},
            Kind.UNDECLARED_LOCATION,
            "readers.loans",
            [("location", ("eu",), None), ("retention", ("30",), None)],
        ),
        (
            STORE | {"retention_days": 31},
            Kind.EXCESSIVE_RETENTION,
            "readers.loans",
            [("retention", ("30",), "31")],
        ),
        (
            {"legal_basis": "consent"},
            Kind.LEGAL_BASIS_MISMATCH,
            "readers.contact",
            [("legal_basis", ("contract",), "consent")],
        ),
        (
            STORE | {"facts": {"loan.returned": True}},
            Kind.CONDITION_NOT_MET,
            "readers.loans",
            [("facts", ("loan.returned is false",), "loan.returned is true")],
        ),
        (
            NEWS | {"facts": {"consent.marketing": False}},
            Kind.CONDITION_NOT_MET,
            "readers.news",
            [("facts", ("consent.marketing is true",), "consent.marketing is false")],
        ),
        (
            NEWS | {"facts": {}},
            Kind.CONDITION_NOT_MET,
            "readers.news",
            [("facts", ("consent.marketing is true",), None)],
        ),
    ],
)
def test_uncovered_flow_is_a_violation(
    changes: dict[str, object],
    kind: Kind,
    statement: str,
    failed: list[tuple[str, tuple[str, ...], str | None]],
) -> None:
    """The first broken rule is the kind; the nearest statement shows what it lacks."""
    decision = decide_one(**changes)
    expected = tuple(
        FailedDimension(Dimension(name), expected, actual) for name, expected, actual in failed
    )
    assert decision.outcome is Outcome.VIOLATION
    assert (decision.kind, decision.statement) == (kind, statement)
    assert expected == decision.failed


def test_prohibition_outweighs_a_permit() -> None:
    """A flow that is both permitted and prohibited is a violation with the grade ambiguous."""
    decision = decide_one(role="visitor", operation="collect", data_categories=("user.health",))
    assert (decision.kind, decision.grade, decision.statement) == (
        Kind.PROHIBITED,
        Grade.AMBIGUOUS,
        "nobody.health",
    )


def test_what_is_not_stated_may_break_a_restricted_prohibition() -> None:
    """A prohibition for one location covers a part of a flow that states none."""
    only_us = replace(STATEMENTS[4], locations=("us",))
    policies = PolicySet({"library": VOCABULARY}, [policy(only_us)])
    stated = decide(flow(data_categories=("user.health",), location="us"), NOW, policies)
    unstated = decide(flow(data_categories=("user.health",)), NOW, policies)
    elsewhere = decide(flow(data_categories=("user.health",), location="eu"), NOW, policies)
    assert [
        stated.kind,
        unstated.kind,
        elsewhere.kind,
    ] == [Kind.PROHIBITED, Kind.PROHIBITED_IN_PART, Kind.UNDECLARED_ROLE]


def test_policy_without_permits_has_no_nearest_miss() -> None:
    """Where nothing is permitted there is no statement to compare with."""
    policies = PolicySet({"library": VOCABULARY}, [policy(STATEMENTS[4])])
    (decision,) = decide(flow(), NOW, policies).categories
    assert (decision.kind, decision.statement, decision.failed) == (Kind.UNDECLARED_ROLE, None, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"controller": "museum"},
        {"role": "x"},
        {"operation": "x"},
        {"purpose": "x"},
        {"recipient": "x"},
        {"data_categories": ("x",)},
        {"source": "x"},
        {"location": "x"},
        {"legal_basis": "x"},
        {"facts": {"x": False}},
    ],
)
@pytest.mark.parametrize("at", [NOW, NOW - timedelta(days=9999)])
def test_unknown_term_can_not_be_judged(changes: dict[str, object], at: datetime) -> None:
    """A term outside the vocabulary makes the outcome unknown, in force or not."""
    decision = decide(flow(**changes), at, POLICIES)
    assert (decision.outcome, decision.kind) == (Outcome.UNKNOWN, None)
    assert [each.grade for each in decision.categories] == [None]


@pytest.mark.parametrize(
    ("at", "version"),
    [
        (datetime(2023, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), None),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024"),
        (datetime(2024, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))), "2024"),
        (datetime(2024, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "2024"),
        (datetime(2025, 1, 1, tzinfo=UTC), None),
    ],
)
def test_version_is_in_force_until_its_end(at: datetime, version: str | None) -> None:
    """A version applies from its start to just before its end, in any zone."""
    decision = decide(flow(), at, POLICIES)
    assert version == decision.policy_version
    assert decision.kind is (None if version else Kind.POLICY_NOT_IN_FORCE)


def test_event_takes_the_worst_of_its_categories() -> None:
    """A violation outweighs an unknown category, which outweighs a permitted one."""
    permitted, unknown, violation = ("user.contact", "user.shoe_size", "user.loans")
    both = decide(flow(data_categories=(permitted, unknown)), NOW, POLICIES)
    all_three = decide(flow(data_categories=(permitted, unknown, violation)), NOW, POLICIES)
    assert (both.outcome, both.kind) == (Outcome.UNKNOWN, None)
    assert (all_three.outcome, all_three.kind) == (Outcome.VIOLATION, Kind.UNDECLARED_PURPOSE)
    assert [permitted, unknown, violation] == [each.data_category for each in all_three.categories]


def test_event_takes_the_first_kind_in_order() -> None:
    """Of several kinds among its categories, the event has the first in precedence."""
    changes = {"data_categories": ("user.loans", "user", "user.health")}
    assert decide(flow(**changes), NOW, POLICIES).kind is Kind.PROHIBITED


def test_decision_can_be_reproduced_from_its_digest() -> None:
    """A decision names the version and the digest of what it was made with."""
    (compiled,) = POLICIES.versions("library")
    decision = decide(flow(), NOW, POLICIES)
    assert (decision.policy_version, decision.policy_digest) == ("2024", compiled.digest)


def test_version_can_decide_before_it_is_in_force() -> None:
    """A version that is not in force yet can be tried on any flow."""
    (compiled,) = POLICIES.versions("library")
    assert decide_under(flow(), compiled) == decide(flow(), NOW, POLICIES)


def test_first_of_equally_close_statements_decides() -> None:
    """Among permits at the same distance, the order of the file decides."""
    twin = replace(STATEMENTS[0], id="twin", effect=Effect.PERMIT)
    policies = PolicySet({"library": VOCABULARY}, [policy(twin, *STATEMENTS)])
    assert decide(flow(), NOW, policies).categories[0].statement == "twin"


def test_long_policies_decide_alike() -> None:
    """Ten thousand statements in front of the one that matters do not change the decision."""
    other = replace(STATEMENTS[0], roles=("donor",), sources=None, legal_bases=None)
    many = [replace(other, id=f"donors.n{number}") for number in range(10_000)]
    policies = PolicySet({"library": VOCABULARY}, [policy(*many, *POLICY.statements)])
    for changes in ({}, {"recipient": "third_party"}, {"legal_basis": "consent"}):
        expected = decide(flow(**changes), NOW, POLICIES).categories
        assert expected == decide(flow(**changes), NOW, policies).categories
