"""What the auditor applies of the facts topic."""

from collections.abc import Sequence
from pathlib import Path

from purposewatch_auditor.facts.writer import StateWriter
from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka import Record, RejectedRecord
from purposewatch_runtime.metrics import MetricSet
from tests.harness.facts import removing, statement, stating


async def test_refused_statements_and_tombstones_change_nothing(tmp_path: Path) -> None:
    """A forged consent is not taken for one, and a forged tombstone removes none."""
    true, forged = statement(name="true"), statement(name="forged", subject=1)

    def verify(records: Sequence[Record]) -> Sequence[Record]:
        return [
            each
            if each.offset == 0
            else RejectedRecord.of(each, ErrorClass.SUSPECT, "the record is not signed")
            for each in records
        ]

    metric_set = MetricSet("auditor", version="0")
    writer = StateWriter(tmp_path, max_partitions=1, verify=verify, metric_set=metric_set)
    await writer.start()
    await writer.open(0)
    await writer.restart(0, 0)
    records = [stating(true, 0), stating(forged, 1), removing(true, 2)]
    await writer.apply(records, {0: 3}, [0])
    await writer.stop()

    def applied(kind: str) -> float | None:
        name = "purposewatch_facts_applied_total"
        return metric_set.registry.get_sample_value(name, {"record": kind})

    assert (applied("statement"), applied("tombstone"), applied("unreadable")) == (1, 0, 2)
