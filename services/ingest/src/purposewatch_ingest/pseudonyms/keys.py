"""The keys that pseudonyms are derived from, and who provides them. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

ALL_OTHERS = "*"
"""Stands for every controller without keys of its own."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A secret key, known by an id that is a part of the pseudonyms."""

    id: str
    key: bytes = field(repr=False)
    since: datetime = BEGINNING
    """From when on pseudonyms are derived from it, until another key's turn comes."""


class SubjectKeyProvider(Protocol):
    """Provides the keys of controllers, as a key management service does."""

    def current(self, controller: str, now: datetime) -> SubjectKey:
        """Return the key that pseudonyms are derived from at this time."""

    def recognised(self, controller: str) -> Sequence[SubjectKey]:
        """Return all keys under which the controller's subjects are known, the newest first."""


class KeyRing:
    """Keys that are held in memory. Immutable."""

    def __init__(self, keys: Mapping[str, Sequence[SubjectKey]]) -> None:
        """Take the keys by controller, or `ALL_OTHERS`, which must be there."""
        self._keys = {
            controller: tuple(sorted(own, key=lambda each: each.since, reverse=True))
            for controller, own in keys.items()
        }

    def current(self, controller: str, now: datetime) -> SubjectKey:
        """See `SubjectKeyProvider`. Before the first key's time it is the first key."""
        keys = self.recognised(controller)
        return next((key for key in keys if key.since <= now), keys[-1])

    def recognised(self, controller: str) -> tuple[SubjectKey, ...]:
        """See `SubjectKeyProvider`."""
        return self._keys.get(controller) or self._keys[ALL_OTHERS]
