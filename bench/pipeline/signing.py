"""Contestants that sign what they publish and verify what they read."""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.pipeline.contestant import Contestant, Figure
from bench.pipeline.events import canonical
from bench.pipeline.processes import running
from bench.pipeline.reporter import verdicts_about
from bench.pipeline.stage import Stage, partition_of
from purposewatch_contract import EVENTS, VERDICTS, topic_name
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, RecordSigning
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.environment import variables
from tests.harness.signing_keys import SigningKeys

_AT_ONCE = 6_000


def contestants(stage: Stage) -> list[Contestant]:
    """The auditor and the reporter, each on records that were signed together and one by one."""
    return [
        Signed(stage, service, one_by_one=one_by_one)
        for service in ("auditor", "reporter")
        for one_by_one in (False, True)
    ]


class Signed:
    """A service on a topic whose records must be signed.

    Records that were signed together share a signature, as those of a batch do; one by one, each
    has its own, as those of HTTP requests with one event do.
    """

    def __init__(self, stage: Stage, service: str, *, one_by_one: bool) -> None:
        self.name = f"{service}_{'signed_singly' if one_by_one else 'signed'}"
        self.title = f"{service}, records signed {'one by one' if one_by_one else 'together'}"
        self._stage = stage
        self._service = service
        self._size = 1 if one_by_one else _AT_ONCE

    async def run(self, events: int) -> Figure:
        """Fill the topic with signed records, then start the service on it."""
        with tempfile.TemporaryDirectory(prefix="purposewatch-bench-") as directory:
            async with self._stage.topics() as prefix:
                return await self._run(events, prefix, Path(directory))

    async def _run(self, events: int, prefix: str, directory: Path) -> Figure:
        keys = SigningKeys(directory)
        own = {each: keys.make(each) for each in ("ingest", "auditor")}
        published = canonical(events)
        topic, auditing = topic_name(prefix, EVENTS), self._service == "auditor"
        records: Iterable[OutgoingRecord]
        if auditing:
            records = (
                OutgoingRecord(topic, each.value, each.key, partition_of(each.key))
                for each in published
            )
        else:
            await self._stage.fill(prefix, EVENTS, published)
            records = (
                OutgoingRecord(topic_name(prefix, VERDICTS), value, partition=partition)
                for partition, value in verdicts_about(topic, published)
            )
        await self._fill(prefix, records, keys.settings(own["ingest" if auditing else "auditor"]))
        environment = {
            **self._stage.environment(prefix),
            **variables(**keys.settings(own.get(self._service))),
            **variables(
                database_url=f"sqlite+aiosqlite:///{directory}/ledger.db",
                reporter_http_port=0,
                auditor_http_port=0,
            ),
        }
        async with running([("-m", f"purposewatch_{self._service}")], [environment]) as processes:
            return await self._stage.watch(
                prefix,
                f"{prefix}.{self._service}",
                events,
                processes,
                name=EVENTS if auditing else VERDICTS,
            )

    async def _fill(
        self, prefix: str, records: Iterable[OutgoingRecord], keys: dict[str, Any]
    ) -> None:
        settings = KafkaSettings.model_validate(self._stage.settings(prefix).model_dump() | keys)
        writer = "ingest" if self._service == "auditor" else "auditor"
        metric_set = m.MetricSet("auditor", version="0")
        signing = RecordSigning(settings, service=writer, metric_set=metric_set)
        producer = AcknowledgedProducer(settings, client_id="bench", sign=self._sign(signing))
        await producer.start()
        try:
            for some in _portions(records):
                await producer.publish(some)
        finally:
            await producer.stop()

    def _sign(self, signing: RecordSigning) -> Any:
        if self._size > 1:
            return signing.sign
        return lambda records: [signed for each in records for signed in signing.sign([each])]


def _portions(records: Iterable[OutgoingRecord]) -> Iterator[list[OutgoingRecord]]:
    """As many records at once, ordered by partition, as a batch of a service holds them."""
    waiting: defaultdict[int | None, list[OutgoingRecord]] = defaultdict(list)
    for number, record in enumerate(records, start=1):
        waiting[record.partition].append(record)
        if number % _AT_ONCE == 0:
            yield [each for some in waiting.values() for each in some]
            waiting.clear()
    if waiting:
        yield [each for some in waiting.values() for each in some]
