"""The rows that a verdict or dead letter becomes. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import CategoryDecision
from purposewatch_reporter.ledger.identity import Conflict, position_id
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict
from purposewatch_reporter.ledger.tally import VerdictGroup
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


def violation_rows(
    group: VerdictGroup, judged: Judged, flow_id: bytes, now: datetime
) -> Sequence[dict[str, Any]]:
    """The rows of verdicts that are not permitted; what they agree in is taken from one of them."""
    verdict = group.read.verdict
    data, decision = verdict.data, deciding(verdict)
    shared = {
        "publisher": verdict.publisher,
        "recorded_time": now,
        "controller": data.controller,
        "role": data.role,
        "operation": data.operation,
        "purpose": data.purpose,
        "recipient": data.recipient,
        "outcome": str(verdict.outcome),
        "kind": _or_none(verdict.kind),
        "policy_version": _or_none(verdict.policy.version if verdict.policy else None),
        "statement": _or_none(decision.statement),
        "clause": _or_none(decision.clause),
        "grade": _or_none(decision.grade),
        "summary": storable(decision.sentence),
        "severity": str(judged.severity),
        "silenced": judged.silenced,
        "flow_id": flow_id,
    }
    return [{**shared, **_own(read)} for read in group.reads]


def _own(read: ReadVerdict) -> dict[str, Any]:
    """What is a violation's own among those of one group."""
    verdict = read.verdict
    return {
        "id": position_id(verdict, read.log_epoch),
        "topic": verdict.topic,
        "partition": verdict.partition,
        "event_offset": verdict.offset,
        "event_id": verdict.event_id,
        "event_source": verdict.event_source,
        "event_time": verdict.event_time,
        "origin": storable(verdict.origin),
        "subject": verdict.subject,
        "verdict": read.text,
        "accesses": verdict.count,
    }


def category_rows(
    violations: Sequence[Mapping[str, Any]], judged: Judged
) -> Iterator[dict[str, Any]]:
    """One row for each violation and data category that was not permitted, given their rows."""
    for category, finding in sorted(judged.categories.items()):
        for violation in violations:
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
        "id": position_id(verdict, conflict.read.log_epoch),
        "topic": verdict.topic,
        "partition": verdict.partition,
        "event_offset": verdict.offset,
        "event_id": verdict.event_id,
        "event_source": verdict.event_source,
        "publisher": verdict.publisher,
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


def _or_none(value: str | None) -> str | None:
    return None if value is None else storable(str(value))
