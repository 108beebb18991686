"""The ledger and its reconciliation with Kafka: is every event accounted for?"""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from purposewatch_reporter.api.problems import ProblemError
from purposewatch_reporter.reconciliation.reconciler import Reconciler, ReconciliationReport
from purposewatch_reporter.reconciliation.topic import (
    PartitionReconciliation,
    TopicReconciliation,
    all_reconciled,
)


class Gap(BaseModel):
    """Events that neither a verdict nor a dead letter accounts for."""

    first: int
    last: int


class PartitionLedgerReport(BaseModel):
    """The ledger of one partition of the events topic."""

    partition: int
    log_epoch: int = Field(description="Which log of the partition; 0 is the first.")
    reconciled: bool | None = Field(
        description="Whether events = verdicts + dead letters; null if unknown."
    )
    events: int | None = Field(description="Events in Kafka from `base` on.")
    verdicts: int
    dead_letters: int
    duplicates: int = Field(description="Among the verdicts: repeated ids with the same content.")
    conflicts: int = Field(description="Among the verdicts: repeated ids with other content.")
    unaccounted: int = Field(description="Missing before the last recorded event.")
    pending: int | None = Field(description="After the last recorded event, still in flight.")
    gaps: list[Gap] = Field(description="The first of the unaccounted ranges.")
    oldest_open_since: datetime | None = Field(
        description="When the oldest event without verdict or dead letter was written."
    )
    base: int = Field(description="The first offset that the ledger describes.")
    recorded_end: int
    log_end: int | None
    log_is_short: bool = Field(description="Kafka holds fewer events than were recorded.")


class Totals(BaseModel):
    """Sums over all partitions and all log epochs."""

    events: int | None
    verdicts: int
    dead_letters: int
    duplicates: int
    conflicts: int
    unaccounted: int = Field(description="On current log epochs.")
    pending: int | None
    lost: int = Field(description="Never accounted for, on ended log epochs: their log is gone.")


class EndedEpoch(BaseModel):
    """The ledger of a log that is gone."""

    partition: int
    log_epoch: int
    base: int
    end: int = Field(description="One above the last event that was seen.")
    verdicts: int
    dead_letters: int
    duplicates: int
    conflicts: int
    lost: int = Field(description="Events that were never accounted for.")


class StartedEpoch(BaseModel):
    """That a log epoch was started, and why."""

    topic: str
    partition: int
    log_epoch: int
    started_time: datetime
    reason: str = Field(
        description="`rewritten`: other records stand where some were recorded; `short`: the log "
        "ends before what was seen of it."
    )


class RawPartitionLedgerReport(BaseModel):
    """The ledger of one partition of the raw topic."""

    partition: int
    log_epoch: int
    reconciled: bool | None = Field(
        description="Whether records = accepted + dead letters; null if unknown."
    )
    records: int | None
    accepted: int = Field(description="Records whose event has a verdict, and facts.")
    dead_letters: int
    repeats: int = Field(description="Events of a record that had one before.")
    unaccounted: int
    pending: int | None
    oldest_open_since: datetime | None
    base: int
    recorded_end: int
    log_end: int | None
    log_is_short: bool


class RawTotals(BaseModel):
    """Sums over all partitions and all log epochs of the raw topic."""

    records: int | None
    accepted: int
    dead_letters: int
    repeats: int
    unaccounted: int
    pending: int | None
    lost: int


class RawLedgerReport(BaseModel):
    """The ledger of the raw topic."""

    reconciled: bool | None
    totals: RawTotals
    partitions: list[RawPartitionLedgerReport]


class LedgerReport(BaseModel):
    """The ledger of all partitions, at one moment."""

    as_of: datetime
    reconciled: bool | None = Field(
        description="Of the current log epochs; see also `totals.lost`."
    )
    totals: Totals
    partitions: list[PartitionLedgerReport]
    ended: list[EndedEpoch]
    raw: RawLedgerReport
    epochs: list[StartedEpoch] = Field(description="Log epochs after the first, of all topics.")


def _values(
    model: type[BaseModel], one: PartitionReconciliation, names: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The values of a model's fields, which are named alike in `one`, or as `names` says."""
    renamed = names or {}
    attributes = {field: renamed.get(field, field) for field in model.model_fields}
    return {
        field: getattr(one, attribute)
        for field, attribute in attributes.items()
        if hasattr(one, attribute)
    }


def _partition(one: PartitionReconciliation, since: datetime | None) -> PartitionLedgerReport:
    gaps = [Gap(first=start, last=end - 1) for start, end in one.gaps]
    values = _values(PartitionLedgerReport, one)
    return PartitionLedgerReport(**{**values, "gaps": gaps, "oldest_open_since": since})


def _raw_partition(
    one: PartitionReconciliation, since: datetime | None
) -> RawPartitionLedgerReport:
    names = {"records": "events", "accepted": "verdicts", "repeats": "duplicates"}
    values = _values(RawPartitionLedgerReport, one, names)
    return RawPartitionLedgerReport(**values, oldest_open_since=since)


def _ended(one: PartitionReconciliation) -> EndedEpoch:
    values = _values(EndedEpoch, one, {"end": "log_end", "lost": "unaccounted"})
    return EndedEpoch(**{**values, "end": one.log_end or 0})


def _known_sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _raw(reconciliation: TopicReconciliation) -> RawLedgerReport:
    partitions = reconciliation.epochs
    return RawLedgerReport(
        reconciled=all_reconciled(reconciliation.partitions),
        totals=RawTotals(
            records=_known_sum([one.events for one in partitions]),
            accepted=sum(one.verdicts for one in partitions),
            dead_letters=sum(one.dead_letters for one in partitions),
            repeats=sum(one.duplicates for one in partitions),
            unaccounted=sum(one.unaccounted for one in reconciliation.partitions),
            pending=_known_sum([one.pending for one in partitions]),
            lost=reconciliation.lost,
        ),
        partitions=[
            _raw_partition(one, reconciliation.oldest(one.partition))
            for one in reconciliation.partitions
        ],
    )


def _report(report: ReconciliationReport) -> LedgerReport:
    reconciliation = report.events
    partitions = reconciliation.epochs
    return LedgerReport(
        as_of=report.as_of,
        reconciled=all_reconciled(reconciliation.partitions),
        totals=Totals(
            events=_known_sum([one.events for one in partitions]),
            verdicts=sum(one.verdicts for one in partitions),
            dead_letters=sum(one.dead_letters for one in partitions),
            duplicates=sum(one.duplicates for one in partitions),
            conflicts=sum(one.conflicts for one in partitions),
            unaccounted=sum(one.unaccounted for one in reconciliation.partitions),
            pending=_known_sum([one.pending for one in partitions]),
            lost=reconciliation.lost,
        ),
        partitions=[
            _partition(one, reconciliation.oldest(one.partition))
            for one in reconciliation.partitions
        ],
        ended=[_ended(one) for one in reconciliation.ended],
        raw=_raw(reconciliation=report.raw),
        epochs=[StartedEpoch.model_validate(note, from_attributes=True) for note in report.notes],
    )


_OLD_NAMES = {
    "log_epoch": "page",
    "reconciled": "balanced",
    "recorded_end": "booked_end",
    "started_time": "opened_time",
    "ended": "closed",
    "epochs": "pages",
}
_DEPRECATED = {
    # RFC 9745: since when, in seconds
    "Deprecation": f"@{datetime(2026, 11, 28, tzinfo=UTC).timestamp():.0f}",
    "Link": '</api/v1/ledger>; rel="successor-version"',
}


def _with_old_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {_OLD_NAMES.get(name, name): _with_old_names(one) for name, one in value.items()}
    return [_with_old_names(one) for one in value] if isinstance(value, list) else value


def ledger_routes(reconciler: Reconciler) -> APIRouter:
    """The routes of /ledger, and of /books, its name until 0.2."""
    router = APIRouter(tags=["ledger"])

    def latest(problem: str) -> LedgerReport:
        if reconciler.latest is None:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                problem,
                "the ledger has not been reconciled with Kafka yet; try again later",
                headers={"Retry-After": "5"},
            )
        return _report(reconciler.latest)

    @router.get("/ledger")
    async def get_ledger() -> LedgerReport:
        """The latest reconciliation of the ledger with Kafka."""
        return latest("ledger-not-reconciled")

    @router.get("/books", deprecated=True)
    async def get_books(response: Response) -> dict[str, Any]:
        """The same under the names of 0.1; use /ledger."""
        response.headers.update(_DEPRECATED)
        report = latest("books-not-read").model_dump(mode="json")
        old: dict[str, Any] = _with_old_names(report)
        return old

    return router
