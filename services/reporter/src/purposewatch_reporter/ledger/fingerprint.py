"""Marks: by what a log is recognised as the one that the books are about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """What stood at an offset when the books read it or booked it."""

    offset: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Marks:
    """Two places of one log: the first of its page, which stays, and the latest, which moves.

    A log that was rewritten from some offset on differs at the latest mark. One that was recreated
    differs at the first as well, even where the latest has been moved on meanwhile.
    """

    first: Mark | None = None
    latest: Mark | None = None

    def moved_to(self, mark: Mark | None) -> "Marks":
        """The marks after more has been read; a mark never moves back."""
        if mark is None or (self.latest is not None and mark.offset <= self.latest.offset):
            return self
        return Marks(self.first or mark, mark)

    def both(self) -> tuple[Mark, ...]:
        """The marks there are."""
        return tuple(mark for mark in (self.first, self.latest) if mark is not None)
