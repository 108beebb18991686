"""The auditor in the style of FastStream's documentation: one message at a time.

    python -m bench.pipeline.clients.one_message <group>

A typed pydantic model in, the same decision, the verdict published to the partition of the same
number and awaited, then a manual acknowledgement.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from purposewatch_contract import (
    EVENTS,
    VERDICTS,
    CanonicalEvent,
    PolicyReference,
    Position,
    Verdict,
    topic_name,
)
from purposewatch_policy import CachedDecider, load_policies
from purposewatch_runtime.settings import KafkaSettings

settings = KafkaSettings()
decider = CachedDecider(load_policies(Path("policies")))
broker = KafkaBroker(
    settings.kafka_bootstrap_servers, acks="all", enable_idempotence=True, logger=None
)


@broker.subscriber(
    topic_name(settings.topic_prefix, EVENTS),
    group_id=sys.argv[1],
    auto_offset_reset="earliest",
    ack_policy=AckPolicy.MANUAL,
)
async def audit(event: CanonicalEvent, message: KafkaMessage) -> None:
    """Decide one event."""
    record = message.raw_message
    assert not isinstance(record, tuple)  # noqa: S101 - one message at a time
    decision = decider.decide(event.data, event.time)
    policy = None
    if decision.policy_version is not None and decision.policy_digest is not None:
        policy = PolicyReference(version=decision.policy_version, digest=decision.policy_digest)
    verdict = Verdict(
        position=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        origin=event.origin,
        event_id=event.id,
        event_source=event.source,
        event_time=event.time,
        accepted_time=event.acceptedtime,
        decided_time=datetime.now(UTC),
        publisher=event.publisher,
        content_digest=event.contentdigest,
        traceparent=event.traceparent,
        data=event.data,
        outcome=decision.outcome,
        kind=decision.kind,
        policy=policy,
        categories=decision.categories,
    )
    await broker.publish(
        verdict,
        topic_name(settings.topic_prefix, VERDICTS),
        key=record.key,
        partition=record.partition,
    )
    await message.ack()


if __name__ == "__main__":
    uvloop.run(FastStream(broker, logger=None).run())
