"""Records verdicts in the flow ledger alone, as a batch does."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows.record import Admission, FlowRecorder, record_counts
from purposewatch_reporter.ledger.read import ReadVerdict, VerdictRecords
from purposewatch_reporter.ledger.tally import group_by_flow, tally
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.positions import lock_for_counts
from tests.unit.reporter.records import PREFIX, record

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def read_all(values: Sequence[dict[str, Any]]) -> list[ReadVerdict]:
    """The verdicts as the ledger writer sees them."""
    texts = [json.dumps(value, separators=(",", ":")).encode() for value in values]
    records = [record("t", 0, offset, text) for offset, text in enumerate(texts)]
    good, bad = VerdictRecords(f"{PREFIX}.events").read(records, now=NOW)
    assert bad == []
    return good


async def record_in(
    connection: AsyncConnection,
    recorder: FlowRecorder,
    values: Sequence[dict[str, Any]],
    partition: int = 0,
) -> Admission:
    """Record verdicts in the caller's transaction."""
    _, summed_until = await lock_for_counts(connection, "t", [partition])
    groups = group_by_flow(read_all(values))
    met = {group.key: group.read.verdict for group in reversed(groups)}
    admission = await recorder.admit(connection, met, NOW)
    await record_counts(connection, tally(groups, admission.places), summed_until)
    return admission


async def record_flows(
    database: Database,
    recorder: FlowRecorder,
    values: Sequence[dict[str, Any]],
    partition: int = 0,
) -> Admission:
    """Record verdicts in a transaction of their own."""
    async with database.writing() as connection:
        admission = await record_in(connection, recorder, values, partition)
    recorder.remember(admission)
    return admission
