"""The stored statements of facts: a row for each key of the topic."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import DecodedFact
from purposewatch_policy import statement_digest
from purposewatch_reporter.store.bulk import is_among, upsert_rows
from purposewatch_reporter.store.tables import facts

_LOOKUP_SIZE = 1_000
_f = facts.c


def fact_id(key: bytes) -> str:
    """128 bits in hex for the key of a record of the facts topic."""
    return hashlib.blake2b(key, digest_size=16).hexdigest()


def history_hash(subject: str, controller: str, fact: str) -> bytes:
    """128 bits that identify all that is stated about one fact of a subject."""
    name = f"{subject}\0{controller}\0{fact}"
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class KeyedFact:
    """What a record of the facts topic says about its key."""

    id: str
    """Of the key."""
    fact: DecodedFact | None
    """`None` for a tombstone."""


@dataclass(frozen=True, slots=True)
class FactConflict:
    """A statement whose id was used before with other content."""

    publisher: str
    summary: str


@dataclass(slots=True)
class RecordedFacts:
    """What a batch has changed."""

    new: list[DecodedFact] = field(default_factory=list)
    duplicates: int = 0
    conflicts: list[FactConflict] = field(default_factory=list)
    histories: set[bytes] = field(default_factory=set)
    """Those that have got another statement."""


async def record_facts(
    connection: AsyncConnection, read: Sequence[KeyedFact], now: datetime
) -> RecordedFacts:
    """Store what records say, in order: the last one about a key counts, as after compaction.

    The caller has locked the position of the partition that they come from.
    """
    contents = await _known_contents(connection, read)
    recorded = RecordedFacts()
    latest: dict[str, DecodedFact | None] = {}
    for keyed in read:
        fact = keyed.fact
        latest[keyed.id] = fact
        if fact is None:
            continue
        name = statement_digest(fact.source, fact.id)
        known = contents.get(name)
        if known == fact.content_digest:
            recorded.duplicates += 1
            continue
        if known is not None:
            recorded.conflicts.append(_conflict(fact))
        contents[name] = fact.content_digest
        recorded.new.append(fact)
        recorded.histories.add(history_hash(fact.subject, fact.controller, fact.fact))
    for some in chunks([name for name, fact in latest.items() if fact is None]):
        await connection.execute(delete(facts).where(_f.id.in_(some)))
    rows = [_row(name, fact, now) for name, fact in sorted(latest.items()) if fact is not None]
    await upsert_rows(connection, facts, ("id",), rows, changed="content_digest")
    return recorded


async def _known_contents(connection: AsyncConnection, read: Iterable[KeyedFact]) -> dict[str, str]:
    """The content that each statement of the batch was stored with before, by its digest."""
    stated = [keyed.fact for keyed in read if keyed.fact is not None]
    names = sorted({statement_digest(fact.source, fact.id) for fact in stated})
    query = select(_f.recorded_time, _f.statement_digest, _f.content_digest)
    query = query.where(is_among(connection.dialect.name, _f.statement_digest, "names"))
    found: list[tuple[datetime, str, bytes]] = []
    for some in chunks(names):
        found += [
            (recorded, name, content)
            for recorded, name, content in await connection.execute(query, {"names": some})
        ]
    return {name: content.hex() for _, name, content in sorted(found)}


def _conflict(fact: DecodedFact) -> FactConflict:
    return FactConflict(
        fact.publisher,
        f"Statement `{fact.id}` of `{fact.source}` was published again with other content, about "
        f"`{fact.fact}`. Use a new id for every statement, also for a correction.",
    )


def _row(name: str, fact: DecodedFact, now: datetime) -> Mapping[str, Any]:
    return {
        "id": name,
        "history": history_hash(fact.subject, fact.controller, fact.fact),
        "controller": fact.controller,
        "subject": fact.subject,
        "fact": fact.fact,
        "value": fact.value,
        "effective_from": fact.effective_from,
        "until": fact.until,
        "stated_time": fact.time,
        "statement_id": fact.id,
        "source": fact.source,
        "statement_digest": statement_digest(fact.source, fact.id),
        "publisher": fact.publisher,
        "evidence": fact.evidence,
        "accepted_time": fact.accepted_time,
        "content_digest": bytes.fromhex(fact.content_digest),
        "recorded_time": now,
    }


def chunks(names: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The names, as many at a time as one statement takes."""
    return (names[start : start + _LOOKUP_SIZE] for start in range(0, len(names), _LOOKUP_SIZE))
