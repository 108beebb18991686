"""A record as JSON for programs: terms with their labels in one language."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, Field

from purposewatch_policy import Dimension
from purposewatch_reporter.processing_record.declarations import TERMS
from purposewatch_reporter.processing_record.details import ControllerDetails, Party
from purposewatch_reporter.processing_record.document import RecordDocument
from purposewatch_reporter.processing_record.record import (
    Activity,
    ActivityStatus,
    Tally,
    UndeclaredFlow,
)
from purposewatch_reporter.processing_record.words import RecordWords


class TermOut(BaseModel):
    """A term of the controller's vocabulary."""

    term: str
    label: str


class DeclaredTermOut(TermOut):
    """A term that statements about an activity name."""

    without: list[TermOut] = Field(description="What lies below it and is excepted.")
    is_seen: bool = Field(description="Whether an event named it or something below it.")


class ObservedTermOut(TermOut):
    """A term that events of an activity named."""

    events: int
    is_declared: bool = Field(description="Whether a statement about the activity covers it.")


class TallyOut(BaseModel):
    """How often something happened."""

    events: int
    accesses: int = Field(description="What the events stand for.")
    violations: int
    unknown: int
    first_time: datetime | None
    last_time: datetime | None


class RetentionOut(BaseModel):
    """The shortest and the longest retention that events stated."""

    least_days: int
    most_days: int


class ActivityOut(BaseModel):
    """What is done with the data of one role of data subjects for one purpose."""

    purpose: TermOut
    role: TermOut | None = Field(description="Null where the statements restrict no role.")
    status: ActivityStatus
    declared: dict[str, list[DeclaredTermOut]] = Field(description="By dimension.")
    declared_retention: list[str]
    conditions: list[str]
    statements: list[str]
    clauses: list[str]
    observed: dict[str, list[ObservedTermOut]] = Field(description="By dimension.")
    observed_retention: RetentionOut | None
    not_stated: dict[str, int] = Field(description="Events that leave the dimension out.")
    publishers: list[str]
    counts: TallyOut


class UndeclaredOut(BaseModel):
    """A flow that was seen, and that no statement permits."""

    role: TermOut
    data_category: TermOut
    purpose: TermOut
    recipient: TermOut
    operation: TermOut
    kinds: list[str] = Field(description="What the auditor found, at the events' own time.")
    publishers: list[str]
    counts: TallyOut


class PartyOut(BaseModel):
    """A person or an organisation."""

    name: str
    contact: str | None


class ControllerOut(BaseModel):
    """What the operator states; null, or empty, where it is not stated."""

    controller: PartyOut | None
    representative: PartyOut | None
    data_protection_officer: PartyOut | None
    joint_controllers: list[PartyOut]
    home: list[str] = Field(description="Locations that are no third country.")
    safeguards: dict[str, str]
    security_measures: list[str]


class PolicyOut(BaseModel):
    """The version that counts as declared."""

    version: str
    digest: str
    in_force_from: datetime
    in_force_until: datetime | None


class RecordOut(BaseModel):
    """A record of processing activities."""

    controller: str
    language: str
    since: datetime | None
    until: datetime | None
    generated_time: datetime
    policy: PolicyOut | None
    details: ControllerOut
    counts: TallyOut
    other: TallyOut = Field(description="Of `counts`, beyond the flow ledger's limit.")
    carried: TallyOut = Field(description="Of `counts`, from before there was a flow ledger.")
    activities: list[ActivityOut]
    more_activities: int = Field(description="How many are not listed.")
    never_seen: list[str] = Field(description="Statements that cover no flow that was seen.")
    never_declared: list[UndeclaredOut]
    more_never_declared: int = Field(description="How many are not listed.")


def as_json(document: RecordDocument) -> RecordOut:
    """Return what the document says, for a program."""
    record, words = document.record, document.words
    policy = record.compiled and record.compiled.policy
    return RecordOut(
        controller=record.scope.controller,
        language=words.language,
        since=record.scope.since,
        until=record.scope.until,
        generated_time=record.scope.generated_time,
        policy=(
            PolicyOut(
                version=policy.version,
                digest=record.compiled.digest,
                in_force_from=policy.in_force_from,
                in_force_until=policy.in_force_until,
            )
            if policy and record.compiled
            else None
        ),
        details=_details(record.details or ControllerDetails()),
        counts=_counted(record.total),
        other=_counted(record.other),
        carried=_counted(record.carried),
        activities=[_activity(each.activity, words) for each in document.sheets],
        more_activities=len(record.activities) - len(document.sheets),
        never_seen=[each.id for each in record.never_seen],
        never_declared=[
            _undeclared(each, words)
            for each in record.never_declared[: len(document.never_declared)]
        ],
        more_never_declared=len(record.never_declared) - len(document.never_declared),
    )


def _details(details: ControllerDetails) -> ControllerOut:
    return ControllerOut(
        controller=_party(details.controller),
        representative=_party(details.representative),
        data_protection_officer=_party(details.data_protection_officer),
        joint_controllers=[party for each in details.joint_controllers if (party := _party(each))],
        home=list(details.home),
        safeguards=dict(details.safeguards),
        security_measures=list(details.security_measures),
    )


def _party(party: Party | None) -> PartyOut | None:
    return None if party is None else PartyOut(name=party.name, contact=party.contact or None)


def _counted(tally: Tally) -> TallyOut:
    return TallyOut(
        events=tally.events,
        accesses=tally.accesses,
        violations=tally.violations,
        unknown=tally.unknown,
        first_time=tally.first_time,
        last_time=tally.last_time,
    )


def _name(words: RecordWords, dimension: Dimension, term: str) -> TermOut:
    return TermOut(term=term, label=words.label(dimension, term))


def _activity(activity: Activity, words: RecordWords) -> ActivityOut:
    statements = activity.statements
    conditions = (text for each in statements for text in words.conditions(each))
    retention = (words.retention(each) for each in statements if each.limits_retention)
    return ActivityOut(
        purpose=_name(words, Dimension.PURPOSE, activity.purpose),
        role=None if activity.role is None else _name(words, Dimension.ROLE, activity.role),
        status=activity.status,
        declared={
            dimension: [
                DeclaredTermOut(
                    term=each.term,
                    label=words.label(dimension, each.term),
                    without=[_name(words, dimension, term) for term in each.without],
                    is_seen=each.is_seen,
                )
                for each in activity.declared[dimension]
            ]
            for dimension in TERMS
        },
        declared_retention=_distinct(retention),
        conditions=_distinct(conditions),
        statements=[each.id for each in statements],
        clauses=_distinct(each.clause for each in statements),
        observed={
            dimension: [
                ObservedTermOut(
                    term=each.term,
                    label=words.label(dimension, each.term),
                    events=each.events,
                    is_declared=each.is_declared,
                )
                for each in activity.observed[dimension]
            ]
            for dimension in TERMS
        },
        observed_retention=(
            activity.retention_days
            and RetentionOut(
                least_days=activity.retention_days[0], most_days=activity.retention_days[1]
            )
        ),
        not_stated={str(each): count for each, count in activity.not_stated.items()},
        publishers=list(activity.publishers),
        counts=_counted(activity.tally),
    )


def _undeclared(flow: UndeclaredFlow, words: RecordWords) -> UndeclaredOut:
    key = flow.key
    return UndeclaredOut(
        role=_name(words, Dimension.ROLE, key.role),
        data_category=_name(words, Dimension.DATA_CATEGORY, key.data_category),
        purpose=_name(words, Dimension.PURPOSE, key.purpose),
        recipient=_name(words, Dimension.RECIPIENT, key.recipient),
        operation=_name(words, Dimension.OPERATION, key.operation),
        kinds=list(flow.kinds),
        publishers=list(flow.publishers),
        counts=_counted(flow.tally),
    )


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
