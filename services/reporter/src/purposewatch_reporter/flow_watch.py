"""Shows how large the flow ledger is, and checks that its counts agree with the ledger."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import func, select

from purposewatch_reporter.alerts.notices import NoticeKind, end_notice, raise_notice
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.flows.share import count_difference, read_share
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import flows
from purposewatch_runtime import metrics as m

_KEY = "flows"


class FlowWatch:
    """Compares the counts of all flows with the verdicts that the ledger has recorded."""

    def __init__(
        self, database: Database, metric_set: m.MetricSet, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._metrics = metric_set
        self._clock = clock

    async def refresh(self) -> None:
        """Compare once; a notice is raised while they differ."""
        observed = select(func.count()).select_from(flows).where(~flows.c.is_other)
        async with self._database.snapshot() as connection:
            distinct = (await connection.execute(observed)).scalar_one()
            share = await read_share(connection)
            difference = await count_difference(connection)
        self._metrics.gauge(m.FLOWS).set(distinct)
        self._metrics.gauge(m.FLOW_EVENTS_OTHER).set(share.other)
        self._metrics.gauge(m.FLOW_COUNT_DIFFERENCE).set(difference)
        async with self._database.writing() as connection:
            now = self._clock()
            if difference:
                await raise_notice(
                    connection,
                    kind=NoticeKind.LEDGER,
                    key=_KEY,
                    summary=f"The counts of flows differ by {difference} from the events that the "
                    "ledger has recorded; a rebuilt ledger has the right ones.",
                    severity=Severity.CRITICAL,
                    now=now,
                )
            else:
                await end_notice(connection, kind=NoticeKind.LEDGER, key=_KEY, now=now)
