"""A small library's policy: one statement or two for each rule of the decision."""

from dataclasses import replace
from datetime import UTC, datetime

from purposewatch_policy.flow import Flow
from purposewatch_policy.model import Effect, Policy, Statement
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.vocabulary import Vocabulary

NOW = datetime(2024, 6, 1, tzinfo=UTC)

VOCABULARY = Vocabulary.of(
    roles=["reader", "visitor", "donor"],
    data_categories=["user", "user.contact", "user.contact.email", "user.health", "user.loans"],
    operations=["collect", "use", "store", "share", "share.sell", "anonymise"],
    purposes=["service", "service.loans", "marketing", "research"],
    recipients=["first_party", "first_party.desk", "third_party", "third_party.courier"],
    sources=["data_subject", "school"],
    locations=["eu", "us"],
    legal_bases=["contract", "consent"],
    facts=["consent.marketing", "loan.returned"],
)

STATEMENTS = (
    Statement(
        id="readers.contact",
        clause="readers.1",
        effect=Effect.PERMIT,
        roles=("reader",),
        data_categories=("user.contact",),
        operations=("collect", "use"),
        purposes=("service",),
        recipients=("first_party",),
        legal_bases=("contract",),
        sources=("data_subject",),
    ),
    Statement(
        id="readers.courier",
        clause="readers.2",
        effect=Effect.PERMIT,
        roles=("reader",),
        data_categories=("user.contact",),
        operations=("share",),
        purposes=("service.loans",),
        recipients=("third_party.courier",),
    ),
    Statement(
        id="readers.loans",
        clause="readers.3",
        effect=Effect.PERMIT,
        roles=("reader",),
        data_categories=("user.loans",),
        operations=("store",),
        purposes=("service.loans",),
        recipients=("first_party",),
        locations=("eu",),
        retention_days=30,
        unless=("loan.returned",),
    ),
    Statement(
        id="readers.news",
        clause="readers.4",
        effect=Effect.PERMIT,
        roles=("reader",),
        data_categories=("user.contact.email",),
        operations=("use",),
        purposes=("marketing",),
        recipients=("first_party",),
        when=("consent.marketing",),
    ),
    Statement(
        id="nobody.health",
        clause="limits.1",
        effect=Effect.PROHIBIT,
        data_categories=("user.health",),
        operations=("collect", "use", "share"),
    ),
    Statement(
        id="visitors.wellbeing",
        clause="visitors.1",
        effect=Effect.PERMIT,
        roles=("visitor",),
        data_categories=("user",),
        operations=("collect",),
        purposes=("service",),
        recipients=("first_party",),
    ),
)

POLICY = Policy(
    controller="library",
    version="2024",
    in_force_from=datetime(2024, 1, 1, tzinfo=UTC),
    in_force_until=datetime(2025, 1, 1, tzinfo=UTC),
    statements=STATEMENTS,
)

POLICIES = PolicySet({"library": VOCABULARY}, [POLICY])

FLOW = Flow(
    controller="library",
    role="reader",
    operation="use",
    purpose="service",
    recipient="first_party",
    data_categories=("user.contact",),
    source="data_subject",
)
"""Permitted by `readers.contact`, in its very terms."""


def flow(**changes: object) -> Flow:
    """Return the permitted flow with some fields changed."""
    return Flow.model_validate({**FLOW.model_dump(), **changes})


def policy(*statements: Statement, **changes: object) -> Policy:
    """Return the policy with other statements and some fields changed."""
    return replace(POLICY, statements=statements or STATEMENTS, **changes)  # type: ignore[arg-type]  # its own fields
