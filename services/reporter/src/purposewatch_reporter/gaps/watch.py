"""Shows in the metrics how many names of gaps there are."""

from itertools import product

from sqlalchemy import func, select

from purposewatch_contract import GapKind
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import gaps
from purposewatch_runtime import metrics as m


class GapWatch:
    """Counts the names of the database, so that every reporter exports the same."""

    def __init__(self, database: Transactions, metric_set: m.MetricSet) -> None:
        self._database = database
        self._metrics = metric_set
        self._publishers: set[str] = set()

    async def refresh(self) -> None:
        """Count once."""
        query = select(gaps.c.kind, gaps.c.publisher, func.count(gaps.c.name.distinct()))
        async with self._database.reading() as connection:
            rows = await connection.execute(query.group_by(gaps.c.kind, gaps.c.publisher))
            names = {(kind, publisher): number for kind, publisher, number in rows}
        self._publishers |= {publisher for _, publisher in names}
        for kind, publisher in product(GapKind, sorted(self._publishers)):
            known = names.get((str(kind), publisher), 0)
            self._metrics.gauge(m.GAP_NAMES).labels(str(kind), publisher).set(known)
            # a counter that begins above 0 has no increase
            self._metrics.start_at_zero(m.GAPS, [(str(kind), publisher)])
