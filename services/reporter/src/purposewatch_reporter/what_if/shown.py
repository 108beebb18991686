"""An answer as the API and the exported files write it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from purposewatch_policy import Dimension, Outcome
from purposewatch_policy.lint import Finding, Severity
from purposewatch_reporter.flows.flow import DecidedCategory, LedgerFlow
from purposewatch_reporter.what_if.answering import Answer
from purposewatch_reporter.what_if.effects import Amount, Change, Decided, Effect


class ShownCategory(BaseModel):
    """What is decided about one data category."""

    data_category: str
    outcome: Outcome
    kind: str | None
    statement: str | None = Field(description="The deciding statement, or the nearest miss.")
    is_nearest_miss: bool


class ShownDecision(BaseModel):
    """What is decided about a flow."""

    outcome: Outcome
    kind: str | None
    categories: list[ShownCategory]


class Before(ShownDecision):
    """What was decided."""

    versions: list[str] = Field(description="Of the policies that decided so.")


class ShownFlow(BaseModel):
    """A distinct flow, with everything that a decision can depend on."""

    id: str
    controller: str
    role: str
    operation: str
    purpose: str
    recipient: str
    data_categories: list[str]
    source: str | None
    location: str | None
    retention_days: int | None
    legal_basis: str | None
    facts: dict[str, bool] = Field(description="What publishers claimed.")
    ledger_facts: dict[str, bool | None] = Field(
        description="What was looked up about facts that systems answer for; null: not stated."
    )


class ShownEffect(BaseModel):
    """What becomes of one flow that was decided in one way."""

    change: Change
    flow: ShownFlow
    before: Before
    after: ShownDecision | None = Field(description="Null exactly for `not_known`.")
    missing_facts: list[str] = Field(
        description="About which nothing was recorded, and on which the decision depends."
    )
    events: int
    accesses: int = Field(description="What the events stand for.")
    subjects: int | None = Field(
        description="Distinct data subjects; null for permitted events, whose subjects are not "
        "recorded."
    )
    first_time: datetime = Field(description="Of the events' own times; likewise `last_time`.")
    last_time: datetime
    publishers: list[str]


class ShownAmount(BaseModel):
    """How much is affected."""

    flows: int = Field(description="A flow that was decided in two ways counts twice.")
    events: int
    accesses: int
    publishers: list[str]


class LintFinding(BaseModel):
    """What `purposewatch policy lint` finds in the policy."""

    rule: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    statements: list[str]
    accepted: str | None = Field(description="The reason for which the policy accepts it.")


class NotStated(BaseModel):
    """What the policy depends on, and no event has stated."""

    dimension: Dimension
    term: str | None = Field(description="Null if no event stated anything in the dimension.")


class WhatIfAnswer(BaseModel):
    """What a policy would have decided about the events of a time."""

    controller: str
    version: str
    digest: str = Field(description="Of the policy with its vocabulary, as in verdicts.")
    since: datetime | None
    until: datetime | None
    totals: dict[Change, ShownAmount]
    other: ShownAmount = Field(
        description="Not decided: counted under `(other)`, beyond the limit of distinct flows."
    )
    carried: ShownAmount = Field(
        description="Not decided: counted by an earlier version, which recorded no whole flows."
    )
    not_stated: list[NotStated]
    lint: list[LintFinding]
    effects: list[ShownEffect] = Field(
        description="By change, then by the number of events; as many as `limit`."
    )
    all_effects: int = Field(description="How many there are.")


def shown_flow(flow: LedgerFlow) -> ShownFlow:
    """A flow."""
    terms = flow.terms
    return ShownFlow(
        id=flow.id.hex(),
        controller=terms.controller,
        role=terms.role,
        operation=terms.operation,
        purpose=terms.purpose,
        recipient=terms.recipient,
        data_categories=list(terms.data_categories),
        source=terms.source,
        location=terms.location,
        retention_days=terms.retention_days,
        legal_basis=terms.legal_basis,
        facts=dict(terms.facts),
        ledger_facts=dict(flow.ledger),
    )


def shown_effect(effect: Effect, subjects: int | None) -> ShownEffect:
    """One effect."""
    return ShownEffect(
        change=effect.change,
        flow=shown_flow(effect.flow),
        before=Before(**_decision(effect.before), versions=list(effect.versions)),
        after=None if effect.after is None else ShownDecision(**_decision(effect.after)),
        missing_facts=list(effect.missing),
        events=effect.events,
        accesses=effect.accesses,
        subjects=subjects,
        first_time=effect.first_time,
        last_time=effect.last_time,
        publishers=list(effect.publishers),
    )


def shown_answer(answer: Answer, effects: list[ShownEffect]) -> WhatIfAnswer:
    """The whole answer, with some of its effects."""
    what_if, policy = answer.what_if, answer.draft.compiled.policy
    return WhatIfAnswer(
        controller=policy.controller,
        version=policy.version,
        digest=answer.draft.compiled.digest,
        since=answer.since,
        until=answer.until,
        totals={change: shown_amount(amount) for change, amount in what_if.totals.items()},
        other=shown_amount(what_if.other),
        carried=shown_amount(what_if.carried),
        not_stated=[
            NotStated(dimension=each.dimension, term=each.term) for each in what_if.unstated
        ],
        lint=[_finding(each) for each in answer.findings],
        effects=effects,
        all_effects=len(what_if.effects),
    )


def _decision(decided: Decided) -> dict[str, Any]:
    return {
        "outcome": decided.outcome,
        "kind": decided.kind,
        "categories": [ShownCategory(**_fields(each)) for each in decided.categories],
    }


def _fields(category: DecidedCategory) -> Mapping[str, Any]:
    return {name: getattr(category, name) for name in ShownCategory.model_fields}


def shown_amount(amount: Amount) -> ShownAmount:
    """How much is affected."""
    return ShownAmount(
        flows=amount.flows,
        events=amount.events,
        accesses=amount.accesses,
        publishers=sorted(amount.publishers),
    )


def _finding(finding: Finding) -> LintFinding:
    return LintFinding(
        rule=finding.rule.id,
        severity=finding.severity,
        file=finding.at.path,
        line=finding.at.line,
        column=finding.at.column,
        message=finding.message,
        statements=list(finding.statements),
        accepted=finding.accepted,
    )
