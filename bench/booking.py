"""Measure how many verdicts a second the books take in.

    python bench/booking.py sqlite+aiosqlite:///bench.db [verdicts] [batch]

Without Kafka: batches of ready-made records go straight to the bookkeeper. A tenth of them are
violations; every event has two data categories. The database should be empty.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from aiokafka import ConsumerRecord
from pydantic import SecretStr

from purposewatch_reporter.booking.book import Bookkeeper
from purposewatch_reporter.store.engine import Database

_EXAMPLE = files("purposewatch_shared").joinpath("examples", "verdict.json").read_text("utf-8")
_PARTITIONS = 6
_VIOLATION_EVERY = 10


def _record(number: int) -> ConsumerRecord[bytes | None, bytes | None]:
    verdict: dict[str, Any] = json.loads(_EXAMPLE)
    partition, offset = number % _PARTITIONS, number // _PARTITIONS
    verdict["position"] |= {"partition": partition, "offset": offset}
    verdict["event_id"] = f"event-{number}"
    time_of = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=number / 10)
    verdict["event_time"] = time_of.isoformat()
    verdict["content_digest"] = f"{number:032x}"
    [decision] = verdict["categories"]
    other = {**decision, "data_category": "user.name"}
    verdict["categories"] = [decision, other]
    verdict["data"]["data_categories"] = ["user.contact.email", "user.name"]
    if number % _VIOLATION_EVERY:
        verdict |= {"outcome": "permitted", "kind": None}
        for one in verdict["categories"]:
            one |= {"outcome": "permitted", "kind": None, "grade": "clear", "distance": 0}
            one["failed"] = []
    value = json.dumps(verdict).encode()
    return ConsumerRecord(
        "data-access.verdicts", partition, offset, 0, 0, None, value, None, 0, len(value), ()
    )


async def _measure(url: str, count: int, batch: int) -> None:
    database = Database(SecretStr(url))
    await database.start()

    async def log_start(_: str, __: int) -> int:
        return 0

    keeper = Bookkeeper(
        database,
        events_topic="data-access.events",
        channels=("webhook",),
        log_start=log_start,
        clock=lambda: datetime.now(UTC),
    )
    records = [_record(number) for number in range(count)]
    started = time.perf_counter()
    for start in range(0, count, batch):
        await keeper.book_verdicts(records[start : start + batch])
    seconds = time.perf_counter() - started
    await database.stop()
    sys.stdout.write(
        f"{count} verdicts in batches of {batch}: {seconds:.1f} s, {count / seconds:.0f}/s\n"
    )


if __name__ == "__main__":
    _given = dict(enumerate(sys.argv))
    asyncio.run(_measure(_given[1], int(_given.get(2, "30000")), int(_given.get(3, "1000"))))
