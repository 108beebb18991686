"""A member of a consumer group as a process of its own, for tests that kill one.

Run as `python group_member.py SERVERS GROUP TOPIC`. Prints `ready` once it has partitions, then
`PARTITION OFFSET VALUE` for each record, and commits after printing.
"""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def consume(servers: str, group: str, topic: str) -> None:
    """Consume until killed."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=2000,
        heartbeat_interval_ms=500,
        fetch_max_wait_ms=10,
        max_poll_records=10,
    )
    await consumer.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for partition, records in (await consumer.getmany(timeout_ms=100)).items():
            for record in records:
                sys.stdout.write(f"{partition.partition} {record.offset} {record.value.decode()}\n")
            sys.stdout.flush()
            await consumer.commit({partition: records[-1].offset + 1})


if __name__ == "__main__":
    asyncio.run(consume(*sys.argv[1:]))
