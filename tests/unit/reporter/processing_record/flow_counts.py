"""Counts of flows of the library, whose policy every expectation here was checked against."""

from datetime import UTC, datetime, timedelta
from typing import Any

from purposewatch_contract.codec import Flow
from purposewatch_policy import CompiledPolicy
from purposewatch_reporter.flows.flow import (
    CARRIED,
    OTHER,
    DecidedCategory,
    FlowCount,
    FlowOutline,
    LedgerFlow,
    Sum,
)
from purposewatch_reporter.processing_record.collecting import RecordCollector
from purposewatch_reporter.processing_record.details import ControllerDetails
from purposewatch_reporter.processing_record.record import ProcessingRecord, Scope
from tests.unit.policy.library import FLOW, POLICY, VOCABULARY
from tests.unit.reporter.what_if.ledger_flows import outline

MARCH = datetime(2024, 3, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SCOPE = Scope("library", None, None, NOW)
LIBRARY = CompiledPolicy(POLICY, VOCABULARY)


def count(
    events: int = 1,
    outcome: str = "permitted",
    kind: str | None = None,
    *,
    accesses: int | None = None,
    day: int = 0,
    publishers: tuple[str, ...] = ("desk",),
    is_other: bool = False,
    is_carried: bool = False,
    **terms: Any,
) -> FlowOutline[Sum]:
    """How often the permitted flow of the library occurred, with some terms changed."""
    flow = Flow(**(FLOW.model_dump() | terms))
    if is_other or is_carried:
        name = OTHER if is_other else CARRIED
        flow = Flow("library", name, name, name, name, (name,))
    categories = tuple(
        DecidedCategory(each, outcome, kind, None, is_nearest_miss=False)
        for each in flow.data_categories
    )
    counted = FlowCount(
        LedgerFlow(b"", flow, {}, is_other, is_carried),
        outcome,
        kind,
        "2024",
        LIBRARY.digest,
        () if is_other or is_carried else categories,
        events,
        events if accesses is None else accesses,
        MARCH + timedelta(days=day),
        MARCH + timedelta(days=day, hours=1),
        publishers,
    )
    return outline(b"", counted)


COUNTS = (
    count(10),
    count(4, operation="collect", publishers=("desk", "kiosk"), day=1),
    count(3, purpose="service.loans", accesses=30, day=2),
    count(
        5,
        purpose="service.loans",
        operation="share",
        recipient="third_party.courier",
        source=None,
        location="us",
        day=3,
    ),
    count(
        2,
        "violation",
        "undeclared_third_party_sharing",
        operation="share.sell",
        recipient="third_party",
        data_categories=("user.contact.email", "user.loans"),
        publishers=("broker",),
        day=4,
    ),
    count(
        6,
        "violation",
        "undeclared_purpose",
        purpose="research",
        retention_days=30,
        legal_basis="consent",
        location="eu",
        day=5,
    ),
    count(1, "violation", "undeclared_role", role="donor", purpose="research", retention_days=400),
    count(7, "unknown", purpose="a.purpose.unknown.to.the.vocabulary", day=6),
    count(20, is_other=True),
    count(40, "violation", "prohibited", is_carried=True, day=-5),
)
"""Of 98 events, 38 are of flows that are known."""


def collected(
    *counts: FlowOutline[Sum],
    compiled: CompiledPolicy | None = LIBRARY,
    details: ControllerDetails | None = None,
    scope: Scope = SCOPE,
) -> ProcessingRecord:
    """The record of these counts."""
    collector = RecordCollector(scope, compiled, details)
    collector.add(counts)
    return collector.record()
