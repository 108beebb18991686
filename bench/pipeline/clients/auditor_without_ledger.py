"""The auditor with everything about facts of the ledger removed: what it cost before.

    python -m bench.pipeline.clients.auditor_without_ledger

No state, no reader of the facts topic, and no question whether an event depends on a fact.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from purposewatch_auditor import app
from purposewatch_auditor.__main__ import main
from purposewatch_auditor.audit import AuditedEvent, Auditor, Decider
from purposewatch_auditor.pipeline import AuditPipeline
from purposewatch_contract import DeadLetter
from purposewatch_runtime.kafka import Record
from purposewatch_runtime.service import Check


class _NoLedger:
    """Stands for the ledger of facts."""

    name = "no facts"

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    def follow(self, partitions: Collection[int]) -> None:
        """Nothing to follow."""

    async def ready(self) -> Check:
        """Always."""
        return Check(ok=True, detail="no facts")


def _audit_one(self: Auditor, record: Record, decider: Decider, now: datetime) -> AuditedEvent:
    """As `Auditor.audit` for a record that is an event, without asking for facts."""
    event = self._events.decode(record.value)
    decision = decider.judge(event.flow.terms, event.time, event.flow.text)
    verdict = self._verdicts.encode(
        event,
        decision.value,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        decided_time=now,
    )
    return AuditedEvent(event, decision, verdict)


async def _audit(
    self: AuditPipeline, records: Sequence[Record], decider: Decider
) -> list[AuditedEvent | DeadLetter]:
    now = self._clock()
    return [_audit_one(self._auditor, record, decider, now) for record in records]


if __name__ == "__main__":
    app.FactsLedger = _NoLedger  # type: ignore[assignment, attr-defined]
    AuditPipeline._audit = _audit  # type: ignore[method-assign]  # noqa: SLF001 - what is removed
    main()
