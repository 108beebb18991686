"""Pseudonyms that are kept for each subject in a database, so that they can be forgotten.

A pseudonym is random. What leads from a subject to it is one row, found by an HMAC of controller
and identifier: once the row is deleted, nobody can link the pseudonym to the subject, not even with
every key. A row is kept under each recognised key, so that keys can be replaced while pseudonyms
stay.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from purposewatch_ingest.pseudonyms.derived import DerivedPseudonyms
from purposewatch_ingest.pseudonyms.interface import Recognised, SubjectsUnavailableError
from purposewatch_ingest.pseudonyms.keys import SubjectKeyProvider
from purposewatch_ingest.pseudonyms.table import SubjectTable
from purposewatch_policy import BoundedCache

_PREFIX = "psn:s:"
_NOBODY = f"{_PREFIX}{'0' * 32}"
_BITS = 128

Subject = tuple[str, str]
"""Controller and identifier."""


class StoredPseudonyms:
    """See `Pseudonyms`. Other processes on the same database give the same ones.

    A pseudonym is remembered for `cache_seconds`: for so long after another process has forgotten
    a subject, its events may still get the old pseudonym, which leads to nobody by then.
    """

    name = "subjects' pseudonyms"

    def __init__(
        self,
        url: SecretStr,
        keys: Callable[[], SubjectKeyProvider],
        *,
        cache_seconds: float,
        cache_subjects: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = SubjectTable(url)
        self._keys = keys
        self._cache_seconds = cache_seconds
        self._cache_subjects = cache_subjects
        self._clock = clock
        self._cache: BoundedCache[bytes, tuple[str, float]] = BoundedCache(cache_subjects)

    async def start(self) -> None:
        """Connect, and make the table if it is missing."""
        await self._table.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._table.stop()

    def begin(self, now: datetime) -> "_Batch":
        """See `Pseudonyms`: the time does not matter."""
        del now
        return _Batch(self)

    async def recognised(self, controller: str, subject_id: str, now: datetime) -> Recognised:
        """See `Pseudonyms`: the one that is kept, and those that keys alone give."""
        lookups = self._lookups((controller, subject_id))
        try:
            found = await self._table.find(lookups)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise SubjectsUnavailableError(type(error).__name__) from None
        kept = next((_text(found[each]) for each in lookups if each in found), None)
        derived = await DerivedPseudonyms(self._keys).recognised(controller, subject_id, now)
        return Recognised(kept, derived.every)

    async def forget(self, controller: str, subject_id: str) -> bool:
        """See `Pseudonyms`."""
        lookups = self._lookups((controller, subject_id))
        try:
            removed = await self._table.delete(lookups)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise SubjectsUnavailableError(type(error).__name__) from None
        self._cache = BoundedCache(self._cache_subjects)
        return removed

    def cached(self, subject: Subject) -> str | None:
        """Return the pseudonym of a subject if it was looked up a moment ago."""
        known = self._cache.get(self._lookups(subject)[0])
        return known[0] if known is not None and self._clock() < known[1] else None

    async def look_up(self, subjects: Iterable[Subject]) -> Mapping[Subject, str]:
        """Return the pseudonyms of subjects, new ones for those that have none."""
        lookups = {subject: self._lookups(subject) for subject in subjects}
        wanted = {keys: secrets.token_bytes(_BITS // 8) for keys in lookups.values()}
        try:
            decided = await self._table.decide(wanted)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise SubjectsUnavailableError(type(error).__name__) from None
        expires = self._clock() + self._cache_seconds
        found = {}
        for subject, keys in lookups.items():
            found[subject] = _text(decided[keys])
            self._cache.put(keys[0], (found[subject], expires))
        return found

    def _lookups(self, subject: Subject) -> tuple[bytes, ...]:
        """What the row of a subject is found by, under each recognised key, the oldest first."""
        controller, subject_id = subject
        # INVARIANT: it begins with a NUL, as no message does that a pseudonym is derived from.
        message = f"\0{controller}\0{subject_id}".encode()
        keys = reversed(self._keys().recognised(controller))
        return tuple(hmac.digest(key.key, message, "sha256") for key in keys)


class _Batch:
    """See `PseudonymBatch`."""

    def __init__(self, pseudonyms: StoredPseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._known: dict[Subject, str] = {}
        self._missing: set[Subject] = set()

    def __call__(self, controller: str, subject_id: str, /) -> str:
        """See `PseudonymBatch`."""
        subject = (controller, subject_id)
        known = self._known.get(subject) or self._pseudonyms.cached(subject)
        if known is None:
            self._missing.add(subject)
            return _NOBODY
        self._known[subject] = known
        return known

    async def resolve(self) -> bool:
        """See `PseudonymBatch`."""
        if not self._missing:
            return False
        self._known.update(await self._pseudonyms.look_up(self._missing))
        self._missing.clear()
        return True


def _text(pseudonym: bytes) -> str:
    return _PREFIX + pseudonym.hex()
