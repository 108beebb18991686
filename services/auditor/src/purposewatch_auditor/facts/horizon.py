"""Removes what no event of the last years can need: the state stays smaller than all history."""

import asyncio
import itertools
import time
from collections.abc import Sequence

from purposewatch_auditor.facts.keys import prefix_of, since_of, topic_key
from purposewatch_auditor.facts.progress import Progress
from purposewatch_auditor.facts.state import FactState
from purposewatch_auditor.facts.writer import StateWriter
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import AcknowledgedProducer, Tombstone
from purposewatch_runtime.logs import get_logger

_BETWEEN_PASSES_SECONDS = 3_600.0
_CHUNK = 500
_CHUNK_SECONDS = 0.25
"""For each chunk: a pass looks at two thousand statements a second, and removes no more."""
_DAY_MICROSECONDS = 86_400_000_000

_log = get_logger(__name__)


def superseded(keys: Sequence[bytes], before: int) -> list[bytes]:
    """Which of these keys of the state, in order, are of statements that nothing can need any more.

    A later statement of the same fact has been in force since `before` or longer, so the earlier
    one decides no event from then on. The last key is never among them: what follows is unknown.
    """
    return [
        key
        for key, following in itertools.pairwise(keys)
        if prefix_of(key) == prefix_of(following) and since_of(following) <= before
    ]


class Horizon:
    """Writes tombstones of superseded statements into the topic, a few at a time.

    The state follows when it reads them, as that of the reporter does.
    """

    def __init__(  # noqa: PLR0913 - composition happens once, in the ledger
        self,
        *,
        topic: str,
        days: int,
        writer: StateWriter,
        progress: Progress,
        producer: AcknowledgedProducer,
        metric_set: m.MetricSet,
    ) -> None:
        self._topic = topic
        self._microseconds = days * _DAY_MICROSECONDS
        self._writer = writer
        self._progress = progress
        self._producer = producer
        self._removed = metric_set.counter(m.FACTS_SUPERSEDED_REMOVED)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, also in the middle of a pass: the next one begins at the start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_BETWEEN_PASSES_SECONDS)
            for partition in self._progress.expected:
                try:
                    await self.remove_superseded(partition)
                except Exception as error:  # noqa: BLE001 - the next pass may go better
                    _log.warning(
                        "superseded facts not removed",
                        partition=partition,
                        error=f"{type(error).__name__}: {error}",
                    )

    async def remove_superseded(self, partition: int) -> None:
        """Go through a partition, as long as its state is at the end of the topic."""
        before = time.time_ns() // 1_000 - self._microseconds
        last = b""
        while (state := self._writer.state) is not None and self._progress.is_current(partition):
            keys = await self._writer.run(lambda: _keys(state, partition, last))  # noqa: B023
            removed = superseded(keys, before)
            await self._producer.publish(
                [Tombstone(self._topic, topic_key(key), partition) for key in removed]
            )
            self._removed.inc(len(removed))
            if len(keys) < _CHUNK:
                return
            last = keys[-2]  # the last key is looked at again, beside what follows it
            await asyncio.sleep(_CHUNK_SECONDS)


def _keys(state: FactState, partition: int, last: bytes) -> list[bytes]:
    with state.view() as view:
        return view.keys_after(partition, last, _CHUNK)
