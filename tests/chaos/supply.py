"""What is sent during a run: the demo's traffic, and unusual input that it lacks."""

from __future__ import annotations

import json
import random
import zlib
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from purposewatch_contract import ErrorClass
from purposewatch_demo.flows import Shares, Transport, planned_traffic
from purposewatch_demo.tally import DeadLettered, Recorded, Repeated
from purposewatch_demo.traffic import Batch, Item, Traffic
from purposewatch_policy import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARES = Shares(repeated=0.03, refused=0.01, malformed=0.02)
LATE = 0.1
"""Share of batches about what happened long ago."""
CONFLICTING = 0.02
"""Share of events whose id is used again with other content."""
COUNTED_OF = 8
"""Of so many events one stands for several accesses."""
MOST_ACCESSES = 500
LARGEST = 20

_BEFORE_THE_TURN = timedelta(hours=1)
_LATEST = timedelta(hours=72)


class Supply:
    """An endless supply of batches, of a known content."""

    def __init__(self, seed: int) -> None:
        plan = planned_traffic().model_copy(update={"shares": SHARES})
        self._chance = random.Random(f"{seed}/traffic")  # noqa: S311 - no secret
        self._traffic = Traffic(plan, seed=seed, largest=LARGEST)
        self._turned = False
        self._strays = 0
        self._waiting: deque[Batch] = deque()

    def turn(self) -> None:
        """From now on events happen in the present: the version that begins is known to all.

        Before, everything lies an hour back, when the version that ends was in force.
        """
        self._turned = True

    def now(self) -> datetime:
        """When events happen."""
        now = datetime.now(UTC)
        return now if self._turned else now - _BEFORE_THE_TURN

    def next(self) -> Batch:
        """Return what to send next."""
        if self._waiting:
            return self._waiting.popleft()
        now = self.now()
        if self._chance.random() < LATE:
            now -= _BEFORE_THE_TURN + self._chance.random() * _LATEST
        batch = self._traffic.next(now)
        return replace(batch, items=tuple(map(_counted, batch.items)))

    def accepted(self, publisher: str, items: Sequence[Item]) -> None:
        """Note that ingest accepted these over HTTP: some of their ids are used again.

        INVARIANT: the other content comes later and is about the same subject, so it follows the
        first in the same partition.
        """
        for item in items:
            if isinstance(item.expected, Recorded) and self._chance.random() < CONFLICTING:
                event = json.loads(item.body)
                earlier = datetime.fromisoformat(event["time"]) - timedelta(seconds=1)
                event["time"] = earlier.isoformat(timespec="milliseconds")
                body = json.dumps(event, separators=(",", ":")).encode()
                again = Item(body, Recorded(Outcome.PERMITTED))
                self._waiting.append(Batch(publisher, Transport.SINGLE, (again,)))

    def stray(self) -> Item:
        """Return a record that ingest would never write into the events topic."""
        self._strays += 1
        body = json.dumps({"stray": self._strays}).encode()
        return Item(body, DeadLettered(ErrorClass.INVALID_EVENT))


def _counted(item: Item) -> Item:
    """The same event with a count, if its id is one of those that have one.

    INVARIANT: the count depends on the id alone, so that a repeat has the same.
    """
    if not isinstance(item.expected, Recorded | Repeated):
        return item
    event = json.loads(item.body)
    chance = zlib.crc32(event["id"].encode())
    if chance % COUNTED_OF:
        return item
    event["data"]["count"] = 2 + chance // COUNTED_OF % MOST_ACCESSES
    return replace(item, body=json.dumps(event, separators=(",", ":")).encode())
