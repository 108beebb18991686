"""Makes the demonstration's traffic: the same seed and clock readings give the same events.

No I/O and no clock. Everything it makes says what must become of it (`tally.Expected`).
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any, Generic, TypeVar

from purposewatch_contract import EVENT_TYPE, FACT_TYPE
from purposewatch_demo.flows import Fault, FlowPlan, Malformed, Refused, TrafficPlan, Transport
from purposewatch_demo.tally import DeadLettered, Expected, Recorded, Rejected, Repeated
from purposewatch_policy import Outcome

T = TypeVar("T")

SUBJECTS = 4_000
"""People in the demonstration, for each role."""

_STATED_BEFORE = timedelta(hours=1)
"""How long before the event, and before the next statement, each takes effect."""
_REPEATABLE = 256
_MAX_DELAY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class StatedFact:
    """A statement of a fact, and the system that makes it."""

    system: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """One event, or what is sent in its place, and what must become of it."""

    body: bytes
    expected: Expected
    facts: tuple[StatedFact, ...] = ()
    """What must be acknowledged before the event is sent. They are about its subject alone."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What travels to ingest together."""

    publisher: str
    transport: Transport
    items: tuple[Item, ...]
    foreign_key: bool = False
    """Sent with an API key that nobody issued."""

    @property
    def status(self) -> int:
        """The HTTP status that must come back."""
        expected = self.items[0].expected
        return expected.status if isinstance(expected, Rejected) else 202

    @property
    def facts(self) -> dict[str, list[bytes]]:
        """The statements that its events need, by the system that makes them."""
        bodies: dict[str, list[bytes]] = {}
        for item in self.items:
            for fact in item.facts:
                bodies.setdefault(fact.system, []).append(fact.body)
        return bodies


class Traffic:
    """An endless supply of batches.

    INVARIANT: a repeat is only ever made of an event from an earlier batch, so whoever
    delivers every batch delivers the original as well.
    """

    def __init__(self, plan: TrafficPlan, *, seed: int, largest: int) -> None:
        """`largest` bounds the events of one batch."""
        self._plan = plan
        self._random = Random(seed)  # noqa: S311 - a demonstration, not a secret
        self._run = f"{self._random.getrandbits(40):010x}"
        self._largest = largest
        self._made = 0
        self._refusals_owed = 0.0
        self._malformed_owed = 0.0
        self._recent: dict[str, deque[Item]] = {
            name: deque(maxlen=_REPEATABLE) for name in plan.publishers
        }
        self._publishers = _Weighted(
            (name, publisher.weight) for name, publisher in plan.publishers.items()
        )
        self._transports = {
            name: _Weighted(publisher.transports.items())
            for name, publisher in plan.publishers.items()
        }
        self._flows = {
            name: _Weighted((each, each.weight) for each in plan.flows if each.publisher == name)
            for name in plan.publishers
        }
        self._good_flows = {
            name: _Weighted(
                (each, each.weight)
                for each in plan.flows
                if each.publisher == name and each.violates is None
            )
            for name in plan.publishers
        }
        self._refused = _Weighted((each, each.weight) for each in plan.refused)
        self._malformed = _Weighted((each, each.weight) for each in plan.malformed)

    def next(self, now: datetime) -> Batch:
        """Make the next batch; its events happened shortly before `now`."""
        if self._refusals_owed >= 1:
            self._refusals_owed -= 1
            return self._refusal(now)
        publisher = self._publishers.pick(self._random)
        transport = self._transports[publisher].pick(self._random)
        size = 1
        if transport in {Transport.BATCH, Transport.RAW}:
            size = self._random.randint(1, self._largest)
        items = [self._item(publisher, now) for _ in range(size)]
        self._repeat_some(publisher, items)
        # What fits into no batch of good events is owed until one comes that it fits into.
        self._refusals_owed += self._plan.shares.refused * size
        self._malformed_owed += self._plan.shares.malformed * size
        if transport is Transport.RAW:
            while self._malformed_owed >= 1:
                self._malformed_owed -= 1
                items.insert(self._random.randint(0, size), self._malformation(now))
        return Batch(publisher, transport, tuple(items))

    def _repeat_some(self, publisher: str, items: list[Item]) -> None:
        recent = self._recent[publisher]
        for position in range(len(items)):
            if recent and self._random.random() < self._plan.shares.repeated:
                items[position] = Item(self._random.choice(recent).body, Repeated())
        recent.extend(item for item in items if isinstance(item.expected, Recorded))

    def _item(self, publisher: str, now: datetime) -> Item:
        plan = self._flows[publisher].pick(self._random)
        event = self._event(plan, now)
        expected = Recorded(
            Outcome.VIOLATION if plan.violates else Outcome.PERMITTED, plan.violates
        )
        return Item(_encode(event), expected, tuple(self._facts(plan, event)))

    def _facts(self, plan: FlowPlan, event: Mapping[str, Any]) -> Iterator[StatedFact]:
        """Make what was stated about an event's subject before it happened."""
        data, happened = event["data"], datetime.fromisoformat(event["time"])
        for fact, values in plan.stated.items():
            system = self._plan.system_for(plan, fact)
            for number, value in enumerate(values):
                since = happened - (len(values) - number) * _STATED_BEFORE
                statement = {
                    "specversion": "1.0",
                    "id": f"{event['id']}-{fact}-{number}",
                    "source": f"/{system}",
                    "type": FACT_TYPE,
                    "time": since.isoformat(timespec="milliseconds"),
                    "data": {
                        "controller": data["controller"],
                        "fact": fact,
                        "value": value,
                        "evidence": f"records/{event['id']}",
                        "subject_id": data["subject_id"],
                    },
                }
                yield StatedFact(system, _encode(statement))

    def _event(self, plan: FlowPlan, now: datetime) -> dict[str, Any]:
        self._made += 1
        publisher = self._plan.publishers[plan.publisher]
        happened = plan.at or now - timedelta(seconds=self._random.random() * _MAX_DELAY_SECONDS)
        role = plan.flow["role"]
        # INVARIANT: what is stated about a person matters to one event, so that batches that are
        # under way at once do not depend on each other.
        person = self._random.randrange(SUBJECTS)
        subject = f"{role}-{self._run}-{self._made}" if plan.stated else f"{role}-{person:05d}"
        return {
            "specversion": "1.0",
            "id": f"{self._run}-{self._made:08d}",
            "source": f"/{plan.publisher}/{self._random.choice(publisher.paths)}",
            "type": EVENT_TYPE,
            "time": happened.isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "data": {
                "controller": publisher.controller,
                "subject_id": subject,
                **deepcopy(plan.flow),
            },
        }

    def _refusal(self, now: datetime) -> Batch:
        fault: Refused = self._refused.pick(self._random)
        item = self._faulty(fault, now, Rejected(fault.status))
        return Batch(fault.publisher, Transport.SINGLE, (item,), fault.foreign_key)

    def _malformation(self, now: datetime) -> Item:
        fault: Malformed = self._malformed.pick(self._random)
        expected = DeadLettered(fault.error_class)
        if fault.body is not None:
            return Item(fault.body.encode(), expected)
        return self._faulty(fault, now, expected)

    def _faulty(self, fault: Fault, now: datetime, expected: Expected) -> Item:
        event = self._event(self._good_flows[fault.publisher].pick(self._random), now)
        for name, value in fault.set.items():
            *parents, last = name.split(".")
            _inner(event, parents)[last] = value
        for name in fault.remove:
            *parents, last = name.split(".")
            del _inner(event, parents)[last]
        return Item(_encode(event), expected)


class _Weighted(Generic[T]):
    def __init__(self, choices: Iterable[tuple[T, float]]) -> None:
        items = list(choices)
        self._items = [item for item, _ in items]
        self._bounds = list(accumulate(weight for _, weight in items))

    def pick(self, random: Random) -> T:
        return random.choices(self._items, cum_weights=self._bounds)[0]


def _inner(event: dict[str, Any], parents: list[str]) -> dict[str, Any]:
    for name in parents:
        event = event[name]
    return event


def _encode(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
