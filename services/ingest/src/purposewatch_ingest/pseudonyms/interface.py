"""What admission needs of pseudonyms, however they are made."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class SubjectsUnavailableError(Exception):
    """Where pseudonyms are kept does not answer: try again later."""


class PseudonymBatch(Protocol):
    """Gives the pseudonyms of the subjects of one request, or of one batch of records."""

    def __call__(self, controller: str, subject_id: str, /) -> str:
        """Return the pseudonym of one of the controller's data subjects.

        If it has to be looked up, a pseudonym of nobody stands for it until `resolve`.
        """

    async def resolve(self) -> bool:
        """Look up what has to be; whether anything had to, and all must be admitted again.

        Raises `SubjectsUnavailableError`.
        """


@dataclass(frozen=True, slots=True)
class Recognised:
    """The pseudonyms of one subject."""

    in_use: str | None
    """What its events have now; `None` if it has none until its next event or fact."""
    former: tuple[str, ...] = ()
    """What they had under other keys: nothing that is stated under these decides any more."""

    @property
    def every(self) -> tuple[str, ...]:
        """All of them, the one in use first."""
        return self.former if self.in_use is None else (self.in_use, *self.former)


class Pseudonyms(Protocol):
    """Gives pseudonyms, and forgets them."""

    def begin(self, now: datetime) -> PseudonymBatch:
        """Begin with what arrived together at this time."""

    async def recognised(self, controller: str, subject_id: str, now: datetime) -> Recognised:
        """Return all pseudonyms that a subject has or had; makes none.

        Raises `SubjectsUnavailableError`.
        """

    async def forget(self, controller: str, subject_id: str) -> bool | None:
        """Remove what links a subject to its pseudonym; whether anything did.

        None if nothing is kept, and whoever has the key can derive the pseudonym again. Raises
        `SubjectsUnavailableError`.
        """
