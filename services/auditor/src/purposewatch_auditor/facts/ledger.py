"""The ledger of facts as the auditor needs it: current, and looked up as of an event's own time."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterator

from purposewatch_auditor.facts.environment import CorruptStateError
from purposewatch_auditor.facts.horizon import Horizon
from purposewatch_auditor.facts.keys import fact_prefix, microseconds, moment
from purposewatch_auditor.facts.progress import FactsBehindError, Progress
from purposewatch_auditor.facts.reader import FactsReader
from purposewatch_auditor.facts.state import View
from purposewatch_auditor.facts.writer import StateWriter, VerifyNow
from purposewatch_auditor.settings import AuditorSettings
from purposewatch_contract import FACTS, declared_topics, topic_name
from purposewatch_contract.codec import DecodedEvent, DecodedFactFinding
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import AcknowledgedProducer, LogView
from purposewatch_runtime.service import Check


class FactsLedger:
    """The state of the partitions that this auditor owns, kept at the end of the facts topic."""

    name = "facts"

    def __init__(
        self,
        settings: AuditorSettings,
        *,
        client_id: str,
        producer: AcknowledgedProducer,
        verify: VerifyNow,
        metric_set: m.MetricSet,
    ) -> None:
        topic = topic_name(settings.topic_prefix, FACTS)
        retention_ms = int(declared_topics()[FACTS].config["delete.retention.ms"])
        self._wait_seconds = settings.facts_wait_seconds
        self._waited = metric_set.histogram(m.FACTS_WAIT_SECONDS)
        self._progress = Progress(metric_set)
        self._log = LogView(settings, topic, client_id=client_id)
        self._writer = StateWriter(
            settings.facts_dir,
            max_partitions=settings.topic_partitions,
            verify=verify,
            metric_set=metric_set,
        )
        self._reader = FactsReader(
            settings,
            topic=topic,
            client_id=client_id,
            writer=self._writer,
            log=self._log,
            progress=self._progress,
            retention_seconds=retention_ms / 1000,
            metric_set=metric_set,
        )
        self._horizon = Horizon(
            topic=topic,
            days=settings.facts_horizon_days,
            writer=self._writer,
            progress=self._progress,
            producer=producer,
            metric_set=metric_set,
        )

    async def start(self) -> None:
        """Open the state and begin to read. Raises `FatalError` when another process has it."""
        async with contextlib.AsyncExitStack() as started:
            for part in (self._writer, self._log, self._reader, self._horizon):
                started.push_async_callback(part.stop)
                await part.start()
            started.pop_all()

    async def stop(self) -> None:
        """Finish what is being written, and release the state."""
        for part in (self._horizon, self._reader, self._log, self._writer):
            await part.stop()

    def follow(self, partitions: Collection[int]) -> None:
        """Keep the facts of these partitions from now on, and no others. Returns at once."""
        self._reader.follow(partitions)

    async def ready(self) -> Check:
        """Whether the state is current, or about to be."""
        return self._progress.ready(time.monotonic())

    async def catch_up(self, partitions: Collection[int]) -> None:
        """Wait until every fact is in the state that was acknowledged before this call.

        Raises `FactsBehindError` when that takes too long.
        """
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._wait_seconds):
                ends = await self._log.ends(partitions)
                if self._progress.replaced(ends):
                    self._reader.compare_soon()
                    message = "the facts topic is shorter than what was read of it"
                    raise FactsBehindError(message)
                self._progress.ends_at_least(ends)
                await self._progress.reach(ends)
        except TimeoutError:
            message = f"the state of facts is not current: {self._progress.describe()}"
            raise FactsBehindError(message) from None
        finally:
            self._waited.observe(time.monotonic() - begun)

    @contextlib.contextmanager
    def reading(self) -> Iterator["FactsView"]:
        """The facts as they are known now. Brief use only."""
        state = self._writer.state
        if state is None:
            message = "the state of facts is not open"
            raise ConnectionError(message)
        try:
            with state.view() as view:
                yield FactsView(view)
        except CorruptStateError as error:
            self._reader.discard_soon(str(error))
            raise


class FactsView:
    """Looks facts up."""

    def __init__(self, view: View) -> None:
        self._view = view

    def findings(
        self, event: DecodedEvent, facts: Collection[str], partition: int
    ) -> tuple[DecodedFactFinding, ...]:
        """What the ledger says about facts of an event's subject, as of the event's own time."""
        at = microseconds(event.time)
        terms = event.flow.terms
        found = []
        for fact in facts:
            prefix = fact_prefix(event.subject, terms.controller, fact)
            stated = self._view.in_force(partition, prefix, at)
            if stated is None:
                found.append(DecodedFactFinding(fact, terms.facts.get(fact)))
                continue
            found.append(
                DecodedFactFinding(
                    fact,
                    terms.facts.get(fact),
                    stated.value_at(at),
                    moment(stated.since),
                    None if stated.until is None else moment(stated.until),
                    stated.statement,
                    stated.source,
                    stated.evidence,
                )
            )
        return tuple(found)
