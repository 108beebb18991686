"""The rows that a verdict or dead letter becomes. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import CategoryDecision
from purposewatch_reporter.ledger.identity import Conflict, position_id
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict
from purposewatch_reporter.store.storable import storable


class JudgedCategory(Protocol):
    """The finding that a data category which was not permitted belongs to."""

    @property
    def kind(self) -> str:
        """The kind of the category's decision."""

    @property
    def fingerprint(self) -> str:
        """What identifies the finding."""


class Judged(Protocol):
    """The findings of one verdict that is not permitted."""

    @property
    def severity(self) -> str:
        """The highest of its categories'."""

    @property
    def silenced(self) -> bool:
        """Whether all of its categories are silenced."""

    @property
    def categories(self) -> Mapping[str, JudgedCategory]:
        """By data category."""


def deciding(verdict: DecodedVerdict) -> CategoryDecision:
    """The category decision that the verdict's outcome and kind come from."""
    for decision in verdict.categories:
        if decision.outcome is verdict.outcome and decision.kind is verdict.kind:
            return decision
    return verdict.categories[0]


def violation_row(
    read: ReadVerdict, judged: Judged, flow_id: bytes, now: datetime
) -> dict[str, Any]:
    """The row of a verdict that is not permitted."""
    verdict = read.verdict
    decision = deciding(verdict)
    return {
        **_position(read),
        "event_time": verdict.event_time,
        "recorded_time": now,
        "origin": storable(verdict.origin),
        "subject": verdict.subject,
        "controller": verdict.data.controller,
        "role": verdict.data.role,
        "operation": verdict.data.operation,
        "purpose": verdict.data.purpose,
        "recipient": verdict.data.recipient,
        "outcome": str(verdict.outcome),
        "kind": _or_none(verdict.kind),
        "policy_version": _or_none(verdict.policy.version if verdict.policy else None),
        "statement": _or_none(decision.statement),
        "clause": _or_none(decision.clause),
        "grade": _or_none(decision.grade),
        "summary": storable(decision.sentence),
        "verdict": read.text,
        "severity": str(judged.severity),
        "silenced": judged.silenced,
        "accesses": verdict.count,
        "flow_id": flow_id,
    }


def category_rows(violation: Mapping[str, Any], judged: Judged) -> Iterator[dict[str, Any]]:
    """One row for each data category that was not permitted, given the violation's row."""
    for category, finding in sorted(judged.categories.items()):
        yield {
            "violation_id": violation["id"],
            "data_category": category,
            "kind": finding.kind,
            "fingerprint": finding.fingerprint,
            "event_time": violation["event_time"],
        }


def conflict_row(conflict: Conflict, now: datetime) -> dict[str, Any]:
    """The row of a verdict whose event's id was used before with other content."""
    verdict = conflict.read.verdict
    first = conflict.first
    return {
        **_position(conflict.read),
        "first_partition": first.partition,
        "first_offset": first.offset,
        "event_time": verdict.event_time,
        "recorded_time": now,
        "controller": verdict.data.controller,
        "outcome": str(verdict.outcome),
        "kind": _or_none(verdict.kind),
        "summary": (
            f"Event `{verdict.event_id}` of `{verdict.event_source}` was published again with "
            f"other content; the first is at partition {first.partition}, "
            f"offset {first.offset}."
        ),
        "verdict": conflict.read.text,
    }


def dead_letter_row(letter: DeadLettered, now: datetime) -> dict[str, Any]:
    """The row of a record that was dead-lettered."""
    return {
        "id": position_id(letter.origin, letter.log_epoch),
        "origin_topic": letter.origin.topic,
        "origin_partition": letter.origin.partition,
        "origin_offset": letter.origin.offset,
        "record_time": letter.record_time,
        "failed_time": letter.failed_time,
        "recorded_time": now,
        "consumer": letter.consumer,
        "error_class": str(letter.error_class),
        "reason": letter.reason,
        "policy_version": letter.policy_version,
        "kept_partition": letter.kept.partition if letter.kept else None,
        "kept_offset": letter.kept.offset if letter.kept else None,
        "event_hash": letter.event_hash,
    }


def _position(read: ReadVerdict) -> dict[str, Any]:
    verdict = read.verdict
    return {
        "id": position_id(verdict, read.log_epoch),
        "topic": verdict.topic,
        "partition": verdict.partition,
        "event_offset": verdict.offset,
        "event_id": verdict.event_id,
        "event_source": verdict.event_source,
        "publisher": verdict.publisher,
    }


def _or_none(value: str | None) -> str | None:
    return None if value is None else storable(str(value))
