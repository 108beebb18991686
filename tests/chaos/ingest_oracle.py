"""The canonical events and dead letters that ingest must have written for what was sent."""

from __future__ import annotations

import hmac
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    FACTS,
    RAW,
    CanonicalEvent,
    CanonicalFact,
    DeadLetter,
    topic_name,
)
from purposewatch_demo.tally import DeadLettered
from tests.chaos.world import PSEUDONYM_KEY

if TYPE_CHECKING:
    from tests.chaos.differences import Differences
    from tests.chaos.evidence import Position, Topics
    from tests.chaos.senders import Fate, Sent


@dataclass(slots=True)
class Passed:
    """What is in the events topic, and what was dead-lettered."""

    events: dict[Position, CanonicalEvent] = field(default_factory=dict)
    strays: set[Position] = field(default_factory=set)
    letters: dict[tuple[str, Position], DeadLetter] = field(default_factory=dict)
    """By consumer and position of the original: in the raw topic or in the events topic."""
    facts: dict[Position, CanonicalFact] = field(default_factory=dict)
    repeats: int = 0
    """Further events that ingest wrote for a raw record that already had one."""


def check_ingest(sent: Sent, topics: Topics, prefix: str, differences: Differences) -> Passed:
    """Compare the events and dead letters with what was sent; return what there is."""
    return _IngestCheck(sent, topics, prefix, differences).check()


class _IngestCheck:
    def __init__(self, sent: Sent, topics: Topics, prefix: str, differences: Differences) -> None:
        self._sent = sent
        self._topics = topics
        self._raw = topic_name(prefix, RAW)
        self._events = topic_name(prefix, EVENTS)
        self._differences = differences
        self._passed = Passed()
        self._by_origin: dict[str, list[str]] = defaultdict(list)
        self._over_http: Counter[str] = Counter()

    def check(self) -> Passed:
        self._read_letters()
        strays = self._read_events()
        self._read_facts()
        self._check_http()
        numbers = Counter(self._topics[RAW].values())
        for body, fate in self._sent.raw.items():
            name = body[:80].decode()
            self._count("raw record", name, (fate.sure, fate.at_most), numbers[body])
        for body, fate in self._sent.raw_facts.items():
            self._count("raw fact", body[:80].decode(), (fate.sure, fate.at_most), numbers[body])
        for position, body in self._topics[RAW].items():
            self._check_raw_record(position, body)
        for origin in self._by_origin:
            self._differences.note("event of a raw record that does not exist", origin)
        for body, fate in self._sent.strays.items():
            self._count("stray record", body.decode(), (fate.sure, fate.at_most), strays[body])
        return self._passed

    def _read_letters(self) -> None:
        for position, value in self._topics[DEAD_LETTERS].items():
            letter = DeadLetter.model_validate_json(value)
            origin = letter.position
            expected = self._raw if letter.consumer == "ingest" else self._events
            if origin.topic != expected or position[0] != origin.partition:
                self._differences.note("dead letter in the wrong partition", f"{origin} {position}")
            key = (letter.consumer, (origin.partition, origin.offset))
            first = self._passed.letters.setdefault(key, letter)
            if (first.error_class, first.value) != (letter.error_class, letter.value):
                self._differences.note("dead letters of one record differ", f"{key}")

    def _read_events(self) -> Counter[bytes]:
        """Read the events topic; return how often each stray record is there."""
        strays: Counter[bytes] = Counter()
        for position, value in self._topics[EVENTS].items():
            if value in self._sent.strays:
                strays[value] += 1
                self._passed.strays.add(position)
                continue
            event = CanonicalEvent.model_validate_json(value)
            self._passed.events[position] = event
            if event.origin == "http":
                self._over_http[_content_of(event)] += 1
            else:
                self._by_origin[event.origin].append(_content_of(event))
        return strays

    def _read_facts(self) -> None:
        """Read the facts topic; everything that was accepted is there, and nothing else."""
        over_http: Counter[str] = Counter()
        for position, value in self._topics[FACTS].items():
            fact = CanonicalFact.model_validate_json(value)
            self._passed.facts[position] = fact
            if fact.origin == "http":
                over_http[_content_of(fact)] += 1
            else:
                self._by_origin[fact.origin].append(_content_of(fact))
        self._check_sent("fact", self._sent.http_facts, over_http)

    def _check_http(self) -> None:
        self._check_sent("event", self._sent.http, self._over_http)

    def _check_sent(self, what: str, sent: dict[bytes, Fate], over_http: Counter[str]) -> None:
        sure: Counter[str] = Counter()
        at_most: Counter[str] = Counter()
        for body, fate in sent.items():
            if fate.at_most > 0:  # else it was refused
                content = content_of_submitted(body)
                sure[content] += fate.sure
                at_most[content] += fate.at_most
        for content, most in at_most.items():
            bounds = (sure[content], most)
            found = over_http[content]
            self._count(f"{what} sent over HTTP", _id_of(content), bounds, found)
        for content in over_http.keys() - at_most.keys():
            self._differences.note(f"{what} that was not accepted over HTTP", _id_of(content))

    def _check_raw_record(self, position: Position, body: bytes) -> None:
        origin = f"{self._raw}/{position[0]}/{position[1]}"
        events = self._by_origin.pop(origin, [])
        letter = self._passed.letters.get(("ingest", position))
        fate = self._sent.raw.get(body)
        if fate is not None and isinstance(fate.item.expected, DeadLettered):
            if events:
                self._differences.note("malformed raw record became an event", origin)
            if letter is None:
                self._differences.note("malformed raw record without a dead letter", origin)
            elif (letter.error_class, letter.value) != (fate.item.expected.error_class, body):
                found = f"{origin}: {letter.error_class}"
                self._differences.note("dead letter differs from its record", found)
            return
        if letter is not None:
            self._differences.note(
                "valid raw record was dead-lettered", f"{origin}: {letter.reason}"
            )
        content = content_of_submitted(body)
        if not events:
            self._differences.note("raw record without an event", f"{origin}: {_id_of(content)}")
        for found in events:
            if found != content:
                self._differences.note("event differs from its raw record", f"{origin}: {found}")
        self._passed.repeats += max(0, len(events) - 1)

    def _count(self, what: str, name: str, bounds: tuple[int, int], found: int) -> None:
        """Check that the number lies between what certainly arrived and what may have arrived."""
        sure, at_most = bounds
        if found < sure:
            self._differences.note(f"{what}: missing", f"{name}: {found} instead of {sure}")
        elif found > at_most:
            self._differences.note(f"{what}: too many", f"{name}: {found} instead of {at_most}")


def content_of_submitted(body: bytes) -> str:
    """What the canonical event of this submitted one must say, as text to compare."""
    event = json.loads(body)
    data = event["data"]
    message = f"{data['controller']}\0{data.pop('subject_id')}".encode()
    pseudonym = hmac.digest(PSEUDONYM_KEY, message, "sha256")[:16].hex()
    data["subject"] = f"psn:1:{pseudonym}"
    return _text(event["source"], event["id"], datetime.fromisoformat(event["time"]), data)


def _content_of(event: CanonicalEvent | CanonicalFact) -> str:
    data = event.data.model_dump(mode="json", exclude_none=True)
    if isinstance(event, CanonicalFact):
        data["effective_from"] = event.data.effective_from.isoformat()
    return _text(event.source, event.id, event.time, data)


def _text(source: str, name: str, time: datetime, data: dict[str, Any]) -> str:
    stated = {key: value for key, value in data.items() if value not in (None, {})}
    return json.dumps([source, name, time.astimezone(UTC).isoformat(), stated], sort_keys=True)


def _id_of(content: str) -> str:
    source, name, *_ = json.loads(content)
    return f"{source} {name}"
