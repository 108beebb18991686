"""Start the ledgers of the raw topic where there are none yet."""

from collections.abc import Sequence

from purposewatch_reporter.epochs.detector import LedgerTopics, Log
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.ledgers import load_ledgers
from purposewatch_reporter.store.raw_ledgers import load_raw_epochs, start_raw_ledgers


class RawLedgerStart:
    """Decides, before anything is recorded, at which raw record the ledger begins.

    In an empty database that is the first one that Kafka still holds. One that an older version
    has written does not say which raw records were recorded: there the ledger begins with the next.
    """

    name = "ledger of the raw topic"

    def __init__(
        self, database: Database, log: Log, topics: LedgerTopics, *, partitions: Sequence[int]
    ) -> None:
        self._database = database
        self._log = log
        self._topics = topics
        self._partitions = partitions

    async def start(self) -> None:
        """Start what is missing; several reporters may do so at once."""
        async with self._database.reading() as connection:
            started = await load_raw_epochs(connection, self._topics.raw)
            ledgers = await load_ledgers(connection, self._topics.events)
        missing = [number for number in self._partitions if number not in started]
        if not missing:
            return
        is_late = not started and any(ledger.accounted for ledger in ledgers.values())
        spans = await self._log.spans(self._topics.raw, missing)
        bases = {number: spans[number][1 if is_late else 0] for number in missing}
        async with self._database.writing() as connection:
            await start_raw_ledgers(connection, self._topics.raw, bases)

    async def stop(self) -> None:
        """Nothing to released."""
