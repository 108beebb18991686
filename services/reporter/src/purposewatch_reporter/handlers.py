"""The Kafka handlers: pass batches to the ledger writer, and count the changes after the commit."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from purposewatch_contract import ErrorClass
from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import Outcome
from purposewatch_reporter.ledger.batches import Receipt
from purposewatch_reporter.ledger.tally import VerdictGroup
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.shadow.counter import ShadowCounter
from purposewatch_reporter.store.tables import NO_KIND
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import Record
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.traces import NO_TRACES, Traces

_NO_STATEMENT = "none"
_NO_GRADE = "none"

_log = get_logger(__name__)


class Handlers:
    """The handlers of the topics. Metrics move only after the transaction has ended."""

    def __init__(
        self,
        ledger_writer: LedgerWriter,
        metric_set: m.MetricSet,
        shadow: ShadowCounter | None = None,
        traces: Traces = NO_TRACES,
    ) -> None:
        self._writer = ledger_writer
        self._metrics = metric_set
        self._shadow = shadow
        self._traces = traces

    async def verdicts(self, records: Sequence[Record]) -> None:
        """Record a batch of verdicts."""
        with self._traces.records("record", records):
            receipt = await self._writer.record_verdicts(records)
        self._show(receipt)
        if self._shadow is not None:
            self._shadow.count(receipt.groups)
        if receipt.conflicts or receipt.dead_letters:
            _log.warning(
                "verdicts out of the ordinary",
                conflicts=receipt.conflicts,
                unreadable=receipt.dead_letters.total(),
            )

    async def dead_letters(self, records: Sequence[Record]) -> None:
        """Record a batch of dead letters."""
        self._show(await self._writer.record_dead_letters(records))

    async def gaps(self, records: Sequence[Record]) -> None:
        """Record a batch of gaps."""
        self._show(await self._writer.record_gaps(records))

    async def facts(self, records: Sequence[Record]) -> None:
        """Record a batch of statements of facts."""
        receipt = await self._writer.record_facts(records)
        self._show(receipt)
        if receipt.conflicts or receipt.late_facts:
            _log.warning(
                "facts out of the ordinary",
                conflicts=receipt.conflicts,
                late=receipt.late_facts.total(),
            )

    def _show(self, receipt: Receipt) -> None:
        counter = self._metrics.counter
        recorded: Counter[tuple[str, ...]] = Counter()
        accesses: Counter[tuple[str, ...]] = Counter()
        for group in receipt.groups:
            verdict = group.read.verdict
            labels = (_label(verdict), str(verdict.outcome), str(verdict.kind or NO_KIND))
            recorded[labels] += group.number
            accesses[labels] += group.accesses
        for verdicts, count in recorded.items():
            counter(m.RECORDED_VERDICTS).labels(*verdicts).inc(count)
            counter(m.RECORDED_ACCESSES).labels(*verdicts).inc(accesses[verdicts])
        for violation, count in _violations(receipt.groups).items():
            counter(m.RECORDED_VIOLATIONS).labels(*violation).inc(count)
        for decision, count in _decisions(receipt.groups).items():
            counter(m.STATEMENT_DECISIONS).labels(*decision).inc(count)
        counter(m.RECORDED_REDELIVERIES).inc(receipt.repeats)
        counter(m.RECORDED_DUPLICATES).labels("same").inc(receipt.duplicates)
        counter(m.RECORDED_DUPLICATES).labels("different").inc(receipt.conflicts)
        for error_class, count in receipt.dead_letters.items():
            counter(m.RECORDED_DEAD_LETTERS).labels(error_class).inc(count)
        by_labels: tuple[tuple[m.CounterSpec, Mapping[Any, int]], ...] = (
            (m.GAPS, receipt.gaps),
            (m.RECORDED_FACTS, receipt.facts),
            (m.LATE_FACTS, receipt.late_facts),
            (m.COUNTED_EVENTS, receipt.rules.matched),
            (m.COUNTING_LATE_EVENTS, receipt.rules.late),
        )
        for spec, numbers in by_labels:
            for labels, count in numbers.items():
                counter(spec).labels(*labels).inc(count)
        if suspects := receipt.dead_letters[ErrorClass.SUSPECT]:
            _log.error("records that no service can have written", records=suspects)


def _violations(groups: Iterable[VerdictGroup]) -> Counter[tuple[str, ...]]:
    """How often each label set of the violations' counter was recorded."""
    counted: Counter[tuple[str, ...]] = Counter()
    for group in groups:
        verdict = group.read.verdict
        if verdict.outcome is Outcome.PERMITTED:
            continue
        judged = verdict.outcome is Outcome.VIOLATION  # else a term may be outside the vocabulary
        counted[
            _label(verdict),
            verdict.outcome,
            verdict.kind or NO_KIND,
            verdict.data.role if judged else m.UNJUDGED,
            verdict.data.recipient if judged else m.UNJUDGED,
            verdict.publisher,
        ] += group.number
    return counted


def _decisions(groups: Iterable[VerdictGroup]) -> Counter[tuple[str, ...]]:
    """How often each statement decided about a data category, by the grade of disclosure."""
    counted: Counter[tuple[str, ...]] = Counter()
    for group in groups:
        label = _label(group.read.verdict)
        for decision in group.read.verdict.categories:
            statement, grade = decision.statement or _NO_STATEMENT, decision.grade or _NO_GRADE
            counted[label, statement, grade] += group.number
    return counted


def _label(verdict: DecodedVerdict) -> str:
    """The controller as a label: only names that the auditor knows, so that they are bounded."""
    unjudged = verdict.outcome is Outcome.UNKNOWN and verdict.policy is None
    return m.UNJUDGED if unjudged else verdict.data.controller
