"""Feed the bookkeeper and show, once a batch is committed, what it changed."""

from collections import Counter
from collections.abc import Sequence

from purposewatch_reporter.booking.book import Bookkeeper, Receipt
from purposewatch_reporter.store.tables import NO_KIND
from purposewatch_shared import metrics as m
from purposewatch_shared.decision import Outcome
from purposewatch_shared.kafka.consumer import Record
from purposewatch_shared.logs import get_logger
from purposewatch_shared.verdict import Verdict

_UNJUDGED = "_unjudged"
"""Label for controllers that no policy is known of; no controller's name begins with `_`."""

_log = get_logger(__name__)


class Intake:
    """The handlers of the two topics. Metrics move only after the transaction has ended."""

    def __init__(self, bookkeeper: Bookkeeper, metric_set: m.MetricSet) -> None:
        self._bookkeeper = bookkeeper
        self._metrics = metric_set

    async def verdicts(self, records: Sequence[Record]) -> None:
        """Book a batch of verdicts."""
        receipt = await self._bookkeeper.book_verdicts(records)
        self._show(receipt)
        if receipt.conflicts or receipt.dead_letters:
            _log.warning(
                "verdicts out of the ordinary",
                conflicts=receipt.conflicts,
                unreadable=receipt.dead_letters.total(),
            )

    async def dead_letters(self, records: Sequence[Record]) -> None:
        """Book a batch of dead letters."""
        self._show(await self._bookkeeper.book_dead_letters(records))

    def _show(self, receipt: Receipt) -> None:
        counter = self._metrics.counter
        booked = Counter(
            (_label(item.verdict), item.verdict.outcome, item.verdict.kind or NO_KIND)
            for item in receipt.new
        )
        for (controller, outcome, kind), count in booked.items():
            counter(m.BOOKED).labels(controller, str(outcome), str(kind)).inc(count)
        counter(m.BOOKED_REPEATS).inc(receipt.repeats)
        counter(m.BOOKED_DUPLICATES).labels("same").inc(receipt.duplicates)
        counter(m.BOOKED_DUPLICATES).labels("different").inc(receipt.conflicts)
        for error_class, count in receipt.dead_letters.items():
            counter(m.BOOKED_DEAD_LETTERS).labels(error_class).inc(count)


def _label(verdict: Verdict) -> str:
    """The controller as a label: only names that the auditor knows, so that they are bounded."""
    unjudged = verdict.outcome is Outcome.UNKNOWN and verdict.policy is None
    return _UNJUDGED if unjudged else verdict.data.controller
