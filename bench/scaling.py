"""How far the design scales: `python -m bench.scaling`, from the root of the project.

Takes the figures of `make bench` (`build/bench.json`, or else those that are committed) and a
simulation of how unevenly subjects fill partitions, and says what a load takes. Prints tables and
writes them into `docs/scaling.md`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from aiokafka import ConsumerRecord
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from bench.pipeline.events import believing_policies, canonical
from bench.pipeline.report import rewrite
from purposewatch_auditor.audit import AuditedEvent, Auditor, decider_for
from purposewatch_contract import EVENTS, VERDICTS, declared_topics
from purposewatch_runtime.kafka import MAX_BATCH_BYTES
from purposewatch_runtime.settings import KafkaSettings

ROOT = Path(__file__).resolve().parents[1]
RATES = (100_000, 1_000_000, 10_000_000)
SUBJECTS = 10_000_000
EXPONENTS = (0.0, 0.6, 0.8, 1.0)
PARTITIONS = (12, 48, 192, 768)

BUSY = 0.7
"""Of a core, at most: what is left over catches up after a stop."""
REPLICAS = 3
BROKER_MB_PER_SECOND = 100.0
"""ASSUMED, not measured: what producers may write to one broker, before replication."""

BATCHES = (1, 10, 100, 500)
"""Records in a batch, for the table of what compression brings."""
VERDICTS_IN_A_BATCH = 100
"""ASSUMED: an auditor with one partition or two takes several hundred events at once when busy."""

_HEAD = 50_000
_SAMPLE = 5_000
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process and one event come to."""

    auditor_per_core: float
    reporter_per_core: float | None
    events: "Sample"
    verdicts: "Sample"


@dataclass(frozen=True, slots=True)
class Sample:
    """Records as a service publishes them to one partition."""

    records: Sequence[tuple[bytes, bytes]]
    """Keys and values."""
    content_type: bytes

    @property
    def value_bytes(self) -> float:
        """Bytes of a value."""
        return sum(len(value) for _, value in self.records) / len(self.records)

    def bytes_in_kafka(self, in_a_batch: int) -> float:
        """Bytes of a record in Kafka's log: its share of a batch of so many, compressed.

        A batch is built here as the producer builds it; Kafka keeps it as it comes.
        """
        size = 0
        left = list(self.records)
        while left:
            batch = DefaultRecordBatchBuilder(2, _codec(), 0, -1, -1, -1, MAX_BATCH_BYTES)
            taken = 0
            for key, value in left[:in_a_batch]:
                headers = [("content-type", self.content_type)]
                if batch.append(taken, 0, key, value, headers) is None:
                    break  # a batch is bounded in bytes, too
                taken += 1
            size += len(batch.build())
            del left[:taken]
        return size / len(self.records)


def _codec() -> int:
    chosen = KafkaSettings.model_fields["kafka_compression"].default
    number: int = getattr(DefaultRecordBatch, f"CODEC_{chosen.upper()}")
    return number


def shares(exponent: float, partitions: int, rng: Random) -> tuple[float, float]:
    """The load of the busiest partition and of the busiest subject, as shares of everything.

    The subject of rank r is as busy as r ** -exponent. The busiest are dealt out one by one, as
    the hash of the key does; of the others each partition gets its share, because there are many
    in each and none of them weighs anything.
    """
    head = [rank**-exponent for rank in range(1, _HEAD + 1)]
    tail = _tail(exponent)
    total = math.fsum(head) + tail
    load = [tail / partitions] * partitions
    for weight in head:
        load[rng.randrange(partitions)] += weight
    return max(load) / total, head[0] / total


def _tail(exponent: float) -> float:
    """The sum of r ** -exponent over all further ranks, by its integral."""
    if exponent == 1.0:
        return math.log((SUBJECTS + 0.5) / (_HEAD + 0.5))
    power = 1 - exponent
    return float(((SUBJECTS + 0.5) ** power - (_HEAD + 0.5) ** power) / power)


def skew_table(rng: Random) -> str:
    """How much busier the busiest partition is than the mean one."""
    rows = [
        "| exponent | busiest subject | " + " | ".join(f"{each} partitions" for each in PARTITIONS),
        "| ---: | ---: | " + " | ".join("---:" for _ in PARTITIONS) + " |",
    ]
    rows[0] += " |"
    for exponent in EXPONENTS:
        cells = []
        subject = 0.0
        for partitions in PARTITIONS:
            busiest, subject = shares(exponent, partitions, rng)
            cells.append(f"{busiest * partitions:.2f}")
        rows.append(f"| {exponent:g} | {100 * subject:.4f} % | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def partitions_for(
    rate: float, capacity: float, exponent: float, rng: Random
) -> tuple[int, float] | None:
    """The fewest partitions of which none is too much for one auditor, and the busiest's share.

    `None` when no number will do, because one subject alone is too much.
    """
    partitions = max(6, math.ceil(rate / capacity / 6) * 6)
    while True:
        busiest, subject = shares(exponent, partitions, rng)
        if subject * rate > capacity:
            return None
        if busiest * rate <= capacity:
            return partitions, busiest
        partitions = math.ceil(partitions * 1.25 / 6) * 6


def size_table(measured: Measured) -> str:
    """What a record takes in Kafka, by how many travel together."""
    rows = [
        "| records in a batch | " + " | ".join(str(each) for each in BATCHES) + " | its value |",
        "| --- | " + " | ".join("---:" for _ in BATCHES) + " | ---: |",
    ]
    for name, sample in (("event", measured.events), ("verdict", measured.verdicts)):
        cells = [f"{sample.bytes_in_kafka(each):,.0f}" for each in BATCHES]
        rows.append(f"| bytes of an {name} | ".replace("an v", "a v") + " | ".join(cells))
        rows[-1] += f" | {sample.value_bytes:,.0f} |"
    return "\n".join(rows)


def load_table(measured: Measured, exponent: float, rng: Random) -> str:
    """What each rate takes."""
    capacity = measured.auditor_per_core * BUSY
    topics = declared_topics()
    kept = {
        name: int(topics[name].config["retention.ms"]) / 1000 / _DAY for name in (EVENTS, VERDICTS)
    }
    dealt_out = KafkaSettings().kafka_max_batch_records
    verdict_bytes = measured.verdicts.bytes_in_kafka(VERDICTS_IN_A_BATCH)
    rows = [
        (
            "| events/s | auditors | partitions | reporters | an event | its verdict "
            "| MB/s written | brokers | TB kept, x3 |"
        ),
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for rate in RATES:
        auditors = math.ceil(rate / capacity)
        found = partitions_for(rate, capacity, exponent, rng)
        partitions = "none is enough" if found is None else f"{found[0]:,}"
        reporters = "not measured"
        if measured.reporter_per_core is not None:
            reporters = f"{math.ceil(rate / (measured.reporter_per_core * BUSY)):,}"
        # Ingest spreads a request over all partitions: the more of them, the shorter the batches.
        together = max(1, dealt_out // (auditors if found is None else found[0]))
        event_bytes = measured.events.bytes_in_kafka(together)
        written = rate * (event_bytes + verdict_bytes) / 1e6
        brokers = max(REPLICAS, math.ceil(written / BROKER_MB_PER_SECOND))
        held = (
            rate * _DAY * REPLICAS * (event_bytes * kept[EVENTS] + verdict_bytes * kept[VERDICTS])
        )
        rows.append(
            f"| {rate:,} | {auditors:,} | {partitions} | {reporters} | {event_bytes:,.0f} | "
            f"{verdict_bytes:,.0f} | {written:,.0f} | {brokers:,} | {held / 1e12:,.0f} |"
        )
    return "\n".join(rows)


def measured_figures() -> Measured:
    """Read the figures of `make bench`; the sizes come from the auditor itself."""
    places = (ROOT / "build" / "bench.json", ROOT / "bench" / "pipeline" / "figures.json")
    found: list[dict[str, dict[str, Any]]] = [
        json.loads(path.read_text("utf-8"))["contestants"] for path in places if path.is_file()
    ]
    contestants = next((each for each in found if "auditor" in each), None)
    if contestants is None:
        message = "there are no figures of the auditor yet; run `make bench`"
        raise SystemExit(message)
    reporter = contestants.get("reporter_postgresql")
    events = _events()
    return Measured(
        contestants["auditor"]["per_cpu_second"],
        None if reporter is None else reporter["per_cpu_second"],
        Sample(events, b"application/cloudevents+json"),
        Sample(_verdicts(events), b"application/json"),
    )


def _events() -> Sequence[tuple[bytes, bytes]]:
    """Events that came over the raw topic: each names its place there, and so packs worse."""
    found = []
    for number, event in enumerate(canonical(_SAMPLE)):
        text = json.loads(event.value)
        text["origin"] = f"data-access.raw/{number % 6}/{number}"
        found.append((event.key, json.dumps(text, separators=(",", ":")).encode()))
    return found


def _verdicts(events: Sequence[tuple[bytes, bytes]]) -> Sequence[tuple[bytes, bytes]]:
    decider = decider_for(believing_policies())
    now = datetime.now(UTC)
    auditor = Auditor()
    verdicts: list[tuple[bytes, bytes]] = []
    for offset, (key, value) in enumerate(events):
        record: ConsumerRecord[bytes | None, bytes | None] = ConsumerRecord(
            "data-access.events", 0, offset, 0, 0, key, value, None, 0, 0, ()
        )
        result = auditor.audit(record, decider, now)
        if isinstance(result, AuditedEvent):
            verdicts.append((key, result.value))
    return verdicts


def describe(measured: Measured, exponents: Sequence[float], rng: Random) -> str:
    """Everything, as it stands in the documentation."""
    capacity = (
        f"One auditor: {measured.auditor_per_core:,.0f} events per second and core, of which "
        f"{BUSY:.0%} are used."
    )
    parts = [
        capacity,
        "What events and verdicts take in Kafka, compressed as the services do by default:",
        size_table(measured),
        f"How much busier the busiest partition is than the mean, {SUBJECTS:,} subjects:",
        skew_table(rng),
    ]
    for exponent in exponents:
        parts += [f"With the exponent {exponent:g}:", load_table(measured, exponent, rng)]
    return "\n\n".join(parts)


def main() -> None:
    """Simulate, print, and write the page."""
    text = describe(measured_figures(), (0.6, 1.0), Random(20260302))  # noqa: S311 - a simulation
    print(text)
    rewrite(ROOT / "docs" / "scaling.md", text)


if __name__ == "__main__":
    main()
