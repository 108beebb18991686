"""Counts the terms that were refused because no vocabulary has them, as gaps of their publishers.

What stands in the place of a term may be anything: somebody's name satisfies the pattern of a
recipient. So a term is named only once it was refused for several data subjects, and if it looks
like a word; until then, only what the vocabulary knows of it is: the term above it. No subject is
kept, but digests of so many with a key of this process. Pure, except for `UnknownTermReporter`.
"""

import asyncio
import contextlib
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple, Protocol

from purposewatch_contract import MAX_GAP_COUNT, Gap, GapKind
from purposewatch_policy.vocabulary import UnknownTerm, Vocabulary
from purposewatch_runtime.kafka import OutgoingRecord
from purposewatch_runtime.logs import get_logger

UNNAMED = "(unnamed)"
"""Stands for what is not shown of a term."""

MOST_WATCHED = 500
"""Terms of one publisher whose subjects are counted; when there are more, counting starts again."""
MOST_NAMED = 500
"""Terms of one publisher that are named; further ones stay unnamed."""

_NUMBER = re.compile(r"[0-9]{4}")
_MOST_CHARACTERS = 64
_FLUSH_SECONDS = 10.0

_log = get_logger(__name__)


class _Term(NamedTuple):
    controller: str
    field: str
    term: str


class _Counted(NamedTuple):
    publisher: str
    controller: str
    name: str


class UnknownTerms:
    """What was refused since the last gaps were taken. Lives as long as the process."""

    def __init__(self, subjects: int) -> None:
        """`subjects` is for how many a term must be refused before it is named; 0: never named."""
        self._subjects = subjects
        self._key = secrets.token_bytes(16)
        self._seen: defaultdict[str, dict[_Term, set[bytes]]] = defaultdict(dict)
        self._named: defaultdict[str, set[_Term]] = defaultdict(set)
        self._counts: dict[_Counted, tuple[int, datetime]] = {}

    def collect(  # noqa: PLR0913 - what a refusal is about
        self,
        unknown: Iterable[UnknownTerm],
        vocabulary: Vocabulary,
        *,
        publisher: str,
        controller: str,
        subject_id: str,
        now: datetime,
    ) -> None:
        """Count the unknown terms of one event that was refused."""
        for each in unknown:
            term = _Term(controller, each.field, each.term)
            shown = each.term
            if not self._is_named(publisher, term, subject_id):
                above = _known_above(each, vocabulary)
                shown = UNNAMED if above is None else f"{above}.{UNNAMED}"
            key = _Counted(publisher, controller, f"{each.field}:{shown}")
            count, first = self._counts.get(key, (0, now))
            self._counts[key] = (count + 1, first)

    def take(self, now: datetime) -> list[Gap]:
        """The gaps that stand for what was counted, which is then forgotten."""
        counts, self._counts = self._counts, {}
        return [
            Gap(
                id=f"terms-{secrets.token_hex(16)}",
                kind=GapKind.UNKNOWN_TERM,
                name=key.name,
                count=min(count, MAX_GAP_COUNT),
                time=first,
                controller=key.controller,
                publisher=key.publisher,
                accepted_time=now,
            )
            for key, (count, first) in counts.items()
        ]

    def _is_named(self, publisher: str, term: _Term, subject_id: str) -> bool:
        named = self._named[publisher]
        if term in named:
            return True
        if not self._subjects or len(named) >= MOST_NAMED or not _looks_like_a_word(term.term):
            return False
        watched = self._seen[publisher]
        if term not in watched and len(watched) >= MOST_WATCHED:
            watched.clear()
        subjects = watched.setdefault(term, set())
        subjects.add(blake2b(subject_id.encode(), digest_size=8, key=self._key).digest())
        if len(subjects) < self._subjects:
            return False
        del watched[term]
        named.add(term)
        return True


def _looks_like_a_word(term: str) -> bool:
    """Whether it can't be a number of something or somebody, or a text."""
    return len(term) <= _MOST_CHARACTERS and not _NUMBER.search(term)


def _known_above(unknown: UnknownTerm, vocabulary: Vocabulary) -> str | None:
    """The nearest term above it, by its name, that the vocabulary has."""
    by_noun = {taxonomy.noun: taxonomy for taxonomy in vocabulary.taxonomies().values()}
    above = unknown.term.rpartition(".")[0]
    while above and above not in by_noun[unknown.noun]:
        above = above.rpartition(".")[0]
    return above or None


class Producer(Protocol):
    """Publishes records, acknowledged."""

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Return once all of them are acknowledged."""


@dataclass(slots=True)
class UnknownTermReporter:
    """Publishes what was counted every ten seconds, and when the process stops.

    Kafka being away loses nothing; a process that is killed loses what it counted since.
    """

    terms: UnknownTerms
    producer: Producer
    topic: str
    clock: Callable[[], datetime]
    name: str = "unknown terms"
    _unsent: Sequence[Gap] = ()
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to publish."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Publish what is left, if Kafka takes it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with contextlib.suppress(Exception):
                await self.flush()

    async def flush(self) -> None:
        """Publish what was counted. What fails is sent again with the same ids."""
        self._unsent = self._unsent or self.terms.take(self.clock())
        if self._unsent:
            await self.producer.publish([_record(self.topic, gap) for gap in self._unsent])
            self._unsent = ()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - the next time tries again
                _log.warning("gaps not published", error=type(error).__name__)


def _record(topic: str, gap: Gap) -> OutgoingRecord:
    # INVARIANT: the key is the publisher, as for the gaps that it reports itself
    return OutgoingRecord(topic, gap.model_dump_json().encode(), gap.publisher.encode())
